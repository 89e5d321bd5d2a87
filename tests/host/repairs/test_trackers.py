"""Runs that Aim and Weights & Biases follow."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pytest

from usb_negsamp.errors import ConfigError
from usb_negsamp.host.patching import undone
from usb_negsamp.testing import build_tiny


class Tracked(dict):
    """As much of an Aim run as the host's hook uses, with Aim's refusal of what it has no form for."""

    hash = "0123"

    def __init__(self, **options: Any) -> None:
        super().__init__()
        self.options, self.closed = options, False

    def __setitem__(self, name: str, value: dict[str, Any]) -> None:
        for item in value.values():
            if not isinstance(item, (bool, int, float, str, list, type(None))):
                raise TypeError(f"Unhandled non-native value\n{item}")
        super().__setitem__(name, value)

    def add_tag(self, tag: str) -> None:
        pass

    def track(self, value: float, name: str, step: int) -> None:
        self.setdefault("tracked", {})

    def close(self) -> None:
        self.closed = True


def trained(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.setattr(sys.modules["semilearn.core.hooks.aim"].aim, "Run", Tracked, raising=False)
    algorithm = build_tiny("supervised", folder, use_aim=True)
    algorithm.args.left_by_a_loader = object()
    algorithm.train()
    return algorithm


def test_the_hosts_hook_hands_aim_what_it_has_no_form_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with undone("trackers"), pytest.raises(TypeError, match="Unhandled non-native value"):
        trained(tmp_path, monkeypatch)


def test_aim_gets_the_plain_arguments_and_its_run_is_closed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    algorithm = trained(tmp_path, monkeypatch)
    run = algorithm.hooks_dict["AimHook"].run
    assert run["hparams"]["lr"] == algorithm.args.lr
    assert "left_by_a_loader" not in run["hparams"]
    assert hasattr(algorithm.args, "left_by_a_loader")
    assert run.closed
    assert algorithm.it == algorithm.num_train_iter


@pytest.mark.parametrize(("key", "module"), [("use_aim", "aim"), ("use_wandb", "wandb")])
def test_a_tracker_that_cannot_start_is_one_line_before_the_first_step(
    key: str, module: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*args: Any, **options: Any) -> None:
        raise OSError("no route\nto the server")

    package = getattr(sys.modules[f"semilearn.core.hooks.{module}"], module)
    monkeypatch.setattr(package, "Run" if module == "aim" else "init", refuse, raising=False)
    algorithm = build_tiny("supervised", tmp_path, **{key: True})
    with pytest.raises(ConfigError) as caught:
        algorithm.train()
    assert str(caught.value) == f"{key}: expected a tracker that can start, but it says OSError: no route to the server"
    assert algorithm.it == 0
