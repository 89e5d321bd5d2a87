"""Figures that are read where they are logged."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from semilearn.core.utils import ALGORITHMS, IMB_ALGORITHMS

from usb_negsamp.host import Hook
from usb_negsamp.host.patching import undone
from usb_negsamp.host.repairs.step_figures import read_together
from usb_negsamp.testing import build_tiny, parameters_of

STEPS = {
    f"{kind}/{name}": vars(registry[name])["train_step"]
    for kind, registry in (("", ALGORITHMS), ("imbalanced", IMB_ALGORITHMS))
    for name in registry.keys()  # noqa: SIM118 (the host's registry is no mapping)
    if registry[name].__module__.startswith("semilearn.") and "train_step" in vars(registry[name])
}


class Kept(Hook):
    """Keeps the figures of each step, as they are when every other hook is done."""

    def __init__(self) -> None:
        self.steps: list[dict[str, Any]] = []

    def after_train_step(self, algorithm: Any) -> None:
        clocks = ("train/run_time", "train/prefetch_time")
        self.steps.append({name: value for name, value in algorithm.log_dict.items() if name not in clocks})


def _run(name: str, folder: Path) -> tuple[list[dict[str, Any]], dict[str, torch.Tensor]]:
    algorithm = build_tiny(name, folder)
    kept = Kept()
    algorithm.register_hook(kept, "Kept", "LOWEST")
    algorithm.train()
    return kept.steps, parameters_of(algorithm)


@pytest.mark.parametrize("name", STEPS)
def test_no_step_of_the_host_reads_a_number(name: str) -> None:
    assert "item" not in STEPS[name].__code__.co_names


@pytest.mark.parametrize("name", ["fixmatch", "vat", "meanteacher_ns3l"])
def test_logged_numbers_and_the_run_are_the_hosts_to_the_bit(name: str, tmp_path: Path) -> None:
    ours, our_parameters = _run(name, tmp_path / "ours")
    with undone("step_figures"):
        hosts, host_parameters = _run(name, tmp_path / "host")
    assert [{key: float(value) for key, value in step.items()} for step in ours] == hosts
    assert all(torch.equal(our_parameters[key], value) for key, value in host_parameters.items())
    # Every fifth step is logged.
    for number, step in enumerate(ours, start=1):
        read = {type(step[figure]) for figure in ("train/sup_loss", "train/total_loss")}
        assert read == ({float} if number % 5 == 0 else {torch.Tensor})


def test_numbers_of_a_kind_are_read_in_one_copy(monkeypatch: pytest.MonkeyPatch) -> None:
    copies = []
    tolist = torch.Tensor.tolist

    def counted(self: torch.Tensor) -> Any:
        copies.append(tuple(self.shape))
        return tolist(self)

    monkeypatch.setattr(torch.Tensor, "tolist", counted)
    log_dict: dict[str, Any] = {
        "loss": torch.tensor(0.1),
        "lr": 0.03,
        "ratio": torch.tensor([0.25]),
        "number": torch.tensor(3),
        "all": torch.ones(2),
    }
    read_together(log_dict)
    assert copies == [(2,), (1,)]
    assert (log_dict["loss"], log_dict["lr"], log_dict["ratio"]) == (torch.tensor(0.1).item(), 0.03, 0.25)
    assert (log_dict["number"], type(log_dict["number"])) == (3, int)
    assert torch.equal(log_dict["all"], torch.ones(2))
