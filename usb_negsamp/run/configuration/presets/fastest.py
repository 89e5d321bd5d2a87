"""``accelerate: fastest``: the options that make a step fastest on the device of the run, set together."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

OPTIONS: dict[str, dict[str, Any]] = {
    "cpu": {"channels_last": True, "amp": True, "amp_dtype": "bfloat16"},
    "cuda": {"channels_last": True, "amp": True, "amp_dtype": "bfloat16"},
}
"""What is set on each kind of device, where the device and the run allow it."""
_HALF_PRECISION = ("amp", "amp_dtype")
_BFLOAT16_OF_A_CPU = ("avx512_bf16", "amx_bf16", "bf16")
"""Instructions of x86 and of Arm; without them bfloat16 is slower than float32."""
_BFLOAT16_OF_A_GPU = (8, 0)
"""Compute capability of the first ones that multiply in it."""


def accelerated(values: Mapping[str, Any], given: Collection[str], definitions: Collection[str]) -> dict[str, Any]:
    """Return the keys that ``values["accelerate"]`` sets on the device of this machine that ``values`` ask for.

    Args:
        values: defaults, with what the user gave over them.
        given: the keys that the user gave, which keep their values.
        definitions: the keys that the run reads.
    """
    if values["accelerate"] != "fastest":
        return {}
    device = device_of(values["device"])
    return chosen(device, values, given, definitions, bfloat16=multiplies_in_bfloat16(device))


def chosen(
    device: str, values: Mapping[str, Any], given: Collection[str], definitions: Collection[str], *, bfloat16: bool
) -> dict[str, Any]:
    """Return what ``accelerate: fastest`` sets on ``device``, ``cpu`` or ``cuda``.

    >>> chosen("cpu", {"amp": False}, [], OPTIONS["cpu"], bfloat16=True)
    {'channels_last': True, 'amp': True, 'amp_dtype': 'bfloat16'}
    >>> chosen("cpu", {"amp": False}, ["amp"], OPTIONS["cpu"], bfloat16=True)
    {'channels_last': True}
    >>> chosen("cpu", {"amp": False}, [], OPTIONS["cpu"], bfloat16=False)
    {'channels_last': True}
    """
    options = {key: value for key, value in OPTIONS[device].items() if key in definitions and key not in given}
    in_single_precision = "amp" in given and not values["amp"]
    asked_for = "amp" in given or "amp_dtype" in given
    if in_single_precision or not (bfloat16 or asked_for):
        options = {key: value for key, value in options.items() if key not in _HALF_PRECISION}
    return options


def device_of(name: str) -> str:
    """Return the kind of device that ``device: name`` leads to on this machine, ``cpu`` or ``cuda``."""
    import torch

    return "cuda" if name != "cpu" and torch.cuda.is_available() else "cpu"


def multiplies_in_bfloat16(device: str) -> bool:
    """Whether this machine's ``device`` has instructions for it, as far as PyTorch tells (on a CPU from 2.10 on)."""
    import torch

    if device == "cuda":
        return torch.cuda.get_device_capability() >= _BFLOAT16_OF_A_GPU
    tell = getattr(torch.cpu, "get_capabilities", None)
    capabilities: Mapping[str, Any] = {} if tell is None else tell()
    return any(capabilities.get(name, False) for name in _BFLOAT16_OF_A_CPU)


def note_on(device: str, options: Mapping[str, Any]) -> str:
    """Return the line that says what was set.

    >>> note_on("cpu", {"channels_last": True, "amp_dtype": "bfloat16"})
    'accelerate fastest on cpu sets channels_last true, amp_dtype bfloat16'
    """
    words = ", ".join(f"{key} {str(value).lower() if value is True else value}" for key, value in options.items())
    return f"accelerate fastest on {device} sets {words}"
