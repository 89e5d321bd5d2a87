"""What the entries of a checkpoint are, whichever algorithm wrote it. Nothing here looks at an algorithm."""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Mapping
from numbers import Integral, Real
from typing import Any, NamedTuple, TypeGuard

import numpy as np
import torch
from torch import Tensor

from usb_negsamp.errors import expected, quoted
from usb_negsamp.tensor_file import is_plain

_SCALARS = (bool, int, float, str, type(None))
_OF_A_SCALER = ("scale", "growth_factor", "backoff_factor", "growth_interval", "_growth_tracker")


class Entry(NamedTuple):
    """The words for what an entry has to be, and the check of it."""

    words: str
    holds: Callable[[Any], bool]


def is_state(value: Any) -> bool:
    """Tensors, arrays, numbers, and lists or dictionaries of numbers: what is carried from step to step."""
    if isinstance(value, (Tensor, np.ndarray, np.generic, *_SCALARS)):
        return True
    if isinstance(value, (list, tuple)):
        return all(isinstance(item, _SCALARS) for item in value)
    return isinstance(value, dict) and all(isinstance(item, _SCALARS) for item in value.values())


def are_named(value: Any, holds: Callable[[Any], bool] = lambda item: True) -> TypeGuard[Mapping[str, Any]]:
    """Whether a value is a mapping from texts to what ``holds`` says."""
    return isinstance(value, Mapping) and all(isinstance(name, str) and holds(item) for name, item in value.items())


def is_number(value: Any) -> bool:
    """Whether a value is a finite number, and no truth value.

    >>> is_number(0.5), is_number(True), is_number(float("nan"))
    (True, False, False)
    """
    return isinstance(value, Real) and not isinstance(value, (bool, np.bool_)) and math.isfinite(value)


def is_count(value: Any) -> TypeGuard[int]:
    """Whether a value is a whole number of at least 0."""
    return isinstance(value, Integral) and is_number(value) and int(value) >= 0


def is_optimizer_state(value: Any) -> bool:
    """Whether a value is laid out as the state of an optimizer."""
    if not (isinstance(value, Mapping) and isinstance(value.get("state"), Mapping)):
        return False
    groups = value.get("param_groups")
    return (
        isinstance(groups, list)
        and all(are_named(group) and isinstance(group.get("params"), list) for group in groups)
        and all(is_count(number) for group in groups for number in group["params"])
        and all(is_count(number) and are_named(entry) for number, entry in value["state"].items())
    )


def is_scaler_state(value: Any) -> bool:
    """Whether a value is the state of a loss scaler, which is empty where nothing is scaled."""
    if value is None or (isinstance(value, Mapping) and not value):
        return True
    return isinstance(value, Mapping) and all(is_number(value.get(name)) for name in _OF_A_SCALER)


def _taken_by(set_state: Callable[[Any], Any], state: Any) -> bool:
    """Whether a generator that nobody uses takes a state."""
    try:
        set_state(state)
    except Exception:
        # Each kind of generator refuses what is no state of it in a way of its own.
        return False
    return True


def _is_python_state(value: Any) -> bool:
    if not (isinstance(value, (list, tuple)) and len(value) == 3 and isinstance(value[1], (list, tuple))):
        return False
    version, words, gauss = value
    cached = gauss is None or is_number(gauss)
    return cached and _taken_by(random.Random().setstate, (version, tuple(words), gauss))


def _is_numpy_state(value: Any) -> bool:
    if not (isinstance(value, (list, tuple)) and len(value) == 4 and isinstance(value[0], (Tensor, np.ndarray))):
        return False
    key, position, has_gauss, cached = value
    words = np.asarray(key)
    if not (words.dtype.kind in "iu" and bool(((words >= 0) & (words < 2**32)).all())):
        return False
    if not (is_count(position) and position <= len(words) and is_count(has_gauss) and is_number(cached)):
        return False
    state = ("MT19937", words.astype(np.uint32), position, has_gauss, cached)
    return _taken_by(np.random.RandomState().set_state, state)


def _are_hooks(value: Any) -> bool:
    return are_named(value, lambda attributes: are_named(attributes, is_state))


def _is_bytes(value: Any) -> bool:
    return is_plain(value) and value.dtype == torch.uint8 and value.dim() == 1


_TENSORS = Entry("tensors by their names", lambda value: are_named(value, is_plain))
_COUNT = Entry("a whole number of at least 0", is_count)

ENTRIES: dict[str, Entry] = {
    "model": _TENSORS,
    "ema_model": _TENSORS,
    "optimizer": Entry("the state of an optimizer", is_optimizer_state),
    "scheduler": Entry("the state of a schedule", are_named),
    "loss_scaler": Entry("the state of a loss scaler", is_scaler_state),
    "it": _COUNT,
    "epoch": _COUNT,
    "best_it": _COUNT,
    "best_eval_acc": Entry("a finite number", is_number),
    "run_state": Entry("what a run carries beside its network", are_named),
    "image_format": Entry("what the images of the network are", are_named),
    "rejection": Entry("how images of unseen classes are rejected", are_named),
    "aim_run_hash": Entry("a text", lambda value: value is None or isinstance(value, str)),
}
"""The entries that every algorithm's checkpoint may have."""

OF_RUN_STATE: dict[str, Entry] = {
    "torch_rng": Entry(
        "the state of PyTorch's generator",
        lambda value: _is_bytes(value) and _taken_by(torch.Generator().set_state, value),
    ),
    "cuda_rng": Entry("the state of a GPU's generator, or nothing", lambda value: value is None or _is_bytes(value)),
    "python_rng": Entry("the state of Python's generator", _is_python_state),
    "numpy_rng": Entry("the state of NumPy's generator", _is_numpy_state),
    "hooks": Entry("numbers and tensors of hooks", _are_hooks),
}
"""The entries of ``run_state``; all of them are there."""


def check_form(saved: Any, where: str) -> None:
    """Look at the types of all that a checkpoint of a training run has in common with others.

    Args:
        saved: the content of its file.
        where: the file, and the entry in which ``saved`` stands where it is part of another checkpoint.

    Raises:
        ConfigError: the first entry that is not what it has to be.
    """
    if not are_named(saved) or "model" not in saved:
        came = f"{kind_of(saved)} without 'model'" if isinstance(saved, Mapping) else kind_of(saved)
        raise expected(where, "a checkpoint of a training run, which has an entry 'model'", came)
    for name, entry in ENTRIES.items():
        if name in saved and not entry.holds(saved[name]):
            raise expected(f"{where}: {name}", entry.words, kind_of(saved[name]))
    if "run_state" in saved:
        check_run_state(saved["run_state"], where)
    for name, value in own_entries(saved).items():
        if holds_training(value):
            check_form(value, f"{where}: {name}")


def check_run_state(saved: Any, where: str) -> None:
    """Look at the types of what a run carries beside its network.

    Raises:
        ConfigError: the first entry that is not what it has to be.
    """
    run_state = ENTRIES["run_state"]
    if not run_state.holds(saved):
        raise expected(f"{where}: run_state", run_state.words, kind_of(saved))
    for name, entry in OF_RUN_STATE.items():
        if name not in saved or not entry.holds(saved[name]):
            raise expected(f"{where}: run_state: {name}", entry.words, kind_of(saved.get(name)))


def own_entries(saved: Mapping[str, Any]) -> dict[str, Any]:
    """The entries of a checkpoint that an algorithm has beside those of every algorithm. No copy.

    >>> own_entries({"model": {}, "it": 3, "p_model": 0.1})
    {'p_model': 0.1}
    """
    return {name: entry for name, entry in saved.items() if name not in ENTRIES}


def holds_training(entry: Any) -> TypeGuard[Mapping[str, Any]]:
    """Whether an entry of a checkpoint is that of a second network: a whole checkpoint in itself."""
    return isinstance(entry, Mapping) and "model" in entry


def kind_of(value: Any) -> str:
    """What came, in a few words.

    >>> kind_of(None), kind_of("abc"), kind_of(torch.zeros(2, 3)), kind_of({"a": 1}), kind_of([])
    ('nothing', "'abc'", 'a tensor of 2 x 3', 'a dict of 1 entry', 'a list of 0 entries')
    """
    if value is None:
        return "nothing"
    if isinstance(value, (Tensor, np.ndarray)):
        shape = " x ".join(map(str, value.shape)) or "no dimension"
        return f"a tensor of {shape}" + ("" if is_plain(value) else f" ({value.dtype}, {getattr(value, 'layout', '')})")
    if isinstance(value, (Mapping, list, tuple)):
        return f"a {type(value).__name__} of {len(value)} {'entry' if len(value) == 1 else 'entries'}"
    return quoted(value)
