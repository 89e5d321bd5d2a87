"""``accelerate_graph``: what it refuses. What it computes is tested with the passes, and on a GPU."""

from __future__ import annotations

from argparse import Namespace
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import pytest

from usb_negsamp.errors import ConfigError
from usb_negsamp.host import device
from usb_negsamp.host.options.accelerate_graph import check
from usb_negsamp.testing import build_tiny


def test_a_cpu_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"^accelerate_graph: expected false on the CPU, which"):
        build_tiny("fixmatch", tmp_path, accelerate_graph=True)


@pytest.mark.parametrize(
    ("keys", "message"),
    [
        ({"distributed": True}, "expected false with several processes, but got true"),
        ({"bn_update": "labeled"}, "expected false with bn_update labeled, which looks into a pass, but got true"),
    ],
)
def test_what_no_graph_can_hold_is_refused(
    keys: dict[str, object], message: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    selected: Callable[[], SimpleNamespace] = lambda: SimpleNamespace(type="cuda")  # noqa: E731
    monkeypatch.setattr(device, "selected", selected)
    check(Namespace(bn_update="host"))
    with pytest.raises(ConfigError, match=f"^accelerate_graph: {message}$"):
        check(Namespace(**keys))
