"""What tests of studies share."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from usb_negsamp import algorithms
from usb_negsamp.host import ALGORITHMS
from usb_negsamp.run.configuration import plugins


@pytest.fixture
def no_plugin_stays(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Lets what a study's plugin registers be there for this test alone."""
    kept = dict(ALGORITHMS._dict)
    monkeypatch.setattr(algorithms, "_registered", dict(algorithms._registered))
    monkeypatch.setattr(plugins, "_called", set(plugins._called))
    yield
    ALGORITHMS._dict.clear()
    ALGORITHMS._dict.update(kept)
