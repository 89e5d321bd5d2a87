"""What the tests of sweeps share."""

from __future__ import annotations

import pytest
from made_sweeps import FakeLauncher

from usb_negsamp.run.sweep import workers


@pytest.fixture
def launcher(monkeypatch: pytest.MonkeyPatch) -> FakeLauncher:
    """Stands in for runs on this machine."""
    fake = FakeLauncher()
    monkeypatch.setattr(workers, "LocalLauncher", lambda jobs: fake)
    return fake
