"""What ``--slurm`` says of the jobs, for submitit's executor."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from usb_negsamp.errors import ConfigError

# Parameters that submitit has for every cluster; it wants the others prefixed with the cluster's name.
_SHARED = {"mem_gb": float, "nodes": int, "cpus_per_task": int, "gpus_per_node": int, "timeout_min": int}
_DELAY = "signal_delay_s"
# submitit's own value.
_USUAL_DELAY = 90


def read_parameters(parameters: Mapping[str, str]) -> dict[str, Any]:
    """Return parameters for submitit's executor.

    Raises:
        ConfigError: no time limit, or a value that cannot be.

    >>> read_parameters({"partition": "gpu", "time": "2:30:00", "gpus_per_node": "1"})
    {'gpus_per_node': 1, 'timeout_min': 150, 'slurm_partition': 'gpu'}
    """
    given = dict(parameters)
    given.pop("cluster", None)
    if "time" in given:
        given["timeout_min"] = str(_minutes(given.pop("time")))
    if "timeout_min" not in given:
        raise ConfigError("--slurm needs time=MINUTES: the cluster ends a run there, which then goes on in a new job")
    shared: dict[str, Any] = {}
    for name, kind in _SHARED.items():
        if name in given:
            try:
                shared[name] = kind(given.pop(name))
            except ValueError as error:
                raise ConfigError(f"--slurm: {name}: expected a number, but got {parameters[name]!r}") from error
    if shared.get("nodes", 1) != 1:
        raise ConfigError("--slurm: nodes: expected 1, because a run of a sweep is one process")
    own = {f"slurm_{name}": int(text) if text.isdigit() else text for name, text in given.items()}
    _check_delay(shared["timeout_min"], own.get(f"slurm_{_DELAY}", _USUAL_DELAY))
    return {**shared, **own}


def _check_delay(minutes: int, delay: Any) -> None:
    if not isinstance(delay, int):
        raise ConfigError(f"--slurm: {_DELAY}: expected a whole number of seconds, but got {delay!r}")
    if minutes * 60 <= delay:
        raise ConfigError(
            f"--slurm: time: expected more than the {delay} seconds before the limit at which a run is told to save "
            f"({_DELAY}), but got {minutes} {'minute' if minutes == 1 else 'minutes'}"
        )


def _minutes(text: str) -> int:
    """Read a time limit as SLURM does: minutes, m:s, h:m:s, d-h, d-h:m or d-h:m:s.

    >>> [_minutes(text) for text in ("90", "90:30", "1:30:00", "1-12", "0-1:30")]
    [90, 91, 90, 2160, 90]
    """
    days, dash, clock = text.rpartition("-")
    if not re.fullmatch(r"(\d+-)?\d+(:\d+){0,2}", text):
        raise ConfigError(f"--slurm: time: expected minutes, h:mm:ss or d-hh:mm:ss, but got {text!r}")
    parts = [int(part) for part in clock.split(":")]
    if dash:
        hours, minutes, seconds = (*parts, 0, 0)[:3]
    elif len(parts) == 3:
        hours, minutes, seconds = parts
    else:
        hours, (minutes, seconds) = 0, (*parts, 0)[:2]
    total = int(days or 0) * 1440 + hours * 60 + minutes + (1 if seconds else 0)
    if total < 1:
        raise ConfigError(f"--slurm: time: expected at least one minute, but got {text!r}")
    return total
