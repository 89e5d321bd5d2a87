"""What a checkpoint holds of SPL's stage, and whether the run can go on from it. Looks at both, and changes neither."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from numbers import Real
from typing import Any

import torch
from torch import nn

from usb_negsamp.algorithms.spl.masked import Mask, put_on, weight_of
from usb_negsamp.errors import expected
from usb_negsamp.host.algorithm import HostAlgorithm
from usb_negsamp.host.checkpoints.fit import (
    does_not_fit,
    misfit,
    misfit_of_optimizer,
    other_tensors,
    unlike,
    unlike_own_entries,
)
from usb_negsamp.host.checkpoints.form import (
    Entry,
    are_named,
    check_form,
    check_run_state,
    holds_training,
    is_count,
    is_number,
    is_optimizer_state,
    kind_of,
)
from usb_negsamp.host.wrapping.among_processes import network_of
from usb_negsamp.tensor_file import is_plain


def _is_figure(value: Any) -> bool:
    """Whether a value is a number; one of a network that has diverged is not finite."""
    return isinstance(value, Real) and not isinstance(value, bool)


def _are_records(value: Any) -> bool:
    return isinstance(value, list) and all(are_named(record, _is_figure) for record in value)


def _is_best(value: Any) -> bool:
    if not are_named(value):
        return False
    right = is_count(value.get("round")) and _is_figure(value.get("accuracy")) and _is_figure(value.get("loss"))
    return not value or (right and isinstance(value.get("inert"), bool) and are_named(value.get("state", {}), is_plain))


def _are_outcomes(value: Any) -> bool:
    return isinstance(value, list) and all(
        are_named(outcome)
        and set(outcome) == {"rate", "history", "best"}
        and (outcome["rate"] is None or is_number(outcome["rate"]))
        and _are_records(outcome["history"])
        and bool(outcome["history"])
        and "train/spl_steps" in outcome["history"][-1]
        and bool(outcome["best"])
        and _is_best(outcome["best"])
        for outcome in value
    )


def _are_counts(value: Any) -> bool:
    return isinstance(value, (list, tuple)) and len(value) == 5 and all(map(is_count, value))


def _are_names(value: Any) -> bool:
    return isinstance(value, list) and all(isinstance(name, str) for name in value)


_TENSORS = Entry("tensors by their names", lambda value: are_named(value, is_plain))

ENTRIES: dict[str, Entry] = {
    "position": Entry("five whole numbers of at least 0", _are_counts),
    "ratio": Entry("a number from 0 to 1", lambda value: is_number(value) and 0 <= value <= 1),
    "layers": Entry("a list of names of layers", _are_names),
    "network": _TENSORS,
    "average": _TENSORS,
    "optimizer": Entry("the state of an optimizer", is_optimizer_state),
    "before_round": _TENSORS,
    "history": Entry("a list of records of rounds", _are_records),
    "best": Entry("the best round", _is_best),
    "carried": Entry("what the algorithm carries", are_named),
    "start": Entry("figures by their names", lambda value: are_named(value, _is_figure)),
    "finished": Entry("a list of stages that are done", _are_outcomes),
    "start_carried": Entry("what the algorithm carries", are_named),
}
"""The entries of a stage; all of them are there, and ``run_state`` beside them."""


def check_stage(saved: Any, algorithm: HostAlgorithm, layers: list[str], present: Mapping[str, Any], path: str) -> None:
    """Compare the entry ``spl`` of a checkpoint with the stage that this run would go through.

    Args:
        saved: the entry.
        algorithm: as it was built, without masks.
        layers: the paths of those to mask; none for a control.
        present: the algorithm's own entries of a checkpoint, as far as it has them before its first step.
        path: of the file.

    Raises:
        ConfigError: the first entry of another kind, or that does not fit.
    """
    where = f"{path}: spl"
    if not are_named(saved):
        raise expected(where, "the state of SPL's stage", kind_of(saved))
    for name, entry in ENTRIES.items():
        if name not in saved or not entry.holds(saved[name]):
            raise expected(f"{where}: {name}", entry.words, kind_of(saved.get(name)))
    check_run_state(saved.get("run_state"), where)
    for name in ("carried", "start_carried"):
        for own, value in saved[name].items():
            if holds_training(value):
                check_form(value, f"{where}: {name}: {own}")
    reason = _misfit(saved, algorithm, layers, present)
    if reason:
        raise does_not_fit(algorithm, path, f"of its stage of SPL, {reason}")


def _misfit(saved: Mapping[str, Any], algorithm: HostAlgorithm, layers: list[str], present: Mapping[str, Any]) -> str:
    if saved["layers"] != layers:
        return f"it masks {len(saved['layers'])} layers where this run would mask {len(layers)}"
    network = _masked_copy(network_of(algorithm.model), layers)
    states = [saved["network"], *(best["state"] for best in _bests(saved) if "state" in best)]
    wrong = next((wrong for state in states if (wrong := other_tensors(state, network))), [])
    if wrong:
        return f"its network differs in {len(wrong)} tensors, first {wrong[0]}"
    average = {name.removeprefix("module."): tensor for name, tensor in saved["average"].items()}
    learned = {name: tensor.detach() for name, tensor in network.named_parameters() if tensor.requires_grad}
    kept = {path: torch.zeros(weight_of(network.get_submodule(path)).shape, dtype=torch.bool) for path in layers}
    reason = (
        unlike(learned, average)
        or misfit_of_optimizer(saved["optimizer"], algorithm.optimizer)
        or unlike(kept, saved["before_round"])
        or unlike_own_entries(present, saved["carried"])
        or unlike_own_entries(present if saved["start_carried"] else {}, saved["start_carried"])
    )
    peer = getattr(algorithm, "peer", None)
    carried = [saved[name]["peer"] for name in ("carried", "start_carried") if "peer" in saved[name]]
    if not reason and peer is not None:
        reason = next((text for entry in carried if (text := misfit(entry, peer, with_schedule=False))), "")
    return reason


def _bests(saved: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    return [saved["best"], *(outcome["best"] for outcome in saved["finished"])]


def _masked_copy(network: nn.Module, layers: list[str]) -> nn.Module:
    masked = copy.deepcopy(network)
    shapes = {path: weight_of(masked.get_submodule(path)) for path in layers}
    masks = {
        path: Mask(torch.ones_like(weight, dtype=torch.bool), torch.ones_like(weight), 1.0, soft=False)
        for path, weight in shapes.items()
    }
    put_on(masked, masks)
    return masked
