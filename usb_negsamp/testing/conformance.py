"""The public check of an algorithm."""

from __future__ import annotations

import random
import tempfile
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import torch

from usb_negsamp.errors import ConfigError, unknown
from usb_negsamp.run.training.determinism import determinism
from usb_negsamp.testing.registration import as_text, follow
from usb_negsamp.testing.report import FAILED, PASSED, SKIPPED, Broken, ConformanceError, Outcome, Report, Skipped
from usb_negsamp.testing.run_checks import (
    check_determinism,
    check_evaluation,
    check_files,
    check_resume,
    check_run,
    check_running_statistics,
)
from usb_negsamp.testing.step_checks import check_batch_keys, check_log_tags, check_output
from usb_negsamp.testing.subject import Subject, described
from usb_negsamp.testing.two_processes import check_two_processes
from usb_negsamp.testing.weight_zero import check_weight_zero

_FUNCTIONS: dict[str, Callable[[Subject], None]] = {
    "batch_keys": check_batch_keys,
    "output": check_output,
    "log_tags": check_log_tags,
    "run": check_run,
    "evaluation": check_evaluation,
    "running_statistics": check_running_statistics,
    "files": check_files,
    "determinism": check_determinism,
    "weight_zero": check_weight_zero,
    "resume": check_resume,
    "two_processes": check_two_processes,
}
CHECKS: tuple[str, ...] = tuple(_FUNCTIONS)
"""The names of all checks, in the order in which they are made."""

# An algorithm that fails one of these cannot be trained, or not as the others suppose.
_PATHS = ("_dir", "_path", "_file")
_NEEDED_BY_ALL = ("batch_keys", "output", "run")


def check_algorithm(
    name: str,
    *,
    overrides: Mapping[str, Any] | None = None,
    weight_key: str | Collection[str] | None = None,
    two_processes: bool = True,
    checks: Collection[str] | None = None,
    expected_tags: Collection[str] = (),
    register: str | Callable[[], Any] | None = None,
) -> Report:
    """Check, by real runs of ten steps, that an algorithm keeps to what the host and we expect of one.

    They are on the CPU; with ``overrides={"device": "cuda"}`` on a GPU.

    The checks, each of which passes, fails or is skipped with a reason:

    - ``batch_keys``: every parameter of ``train_step`` is a key of the batch or has a default;
    - ``output``: ``out_dict`` has a scalar, finite loss whose gradient reaches the model; ``feat`` fits the batch;
    - ``log_tags``: every logged tag begins with ``train/``, ``eval/`` or ``test/`` (or is ``lr``) and is a finite
      scalar;
    - ``run``: the run ends normally;
    - ``evaluation``: ``evaluate`` gives an accuracy and logits of all classes, and changes nothing;
    - ``running_statistics``: parameters and batch-norm statistics are finite at the end;
    - ``files``: nothing is written in the current directory instead of ``save_dir``;
    - ``determinism``: the same seed gives the same bits;
    - ``weight_zero``: a wrapper whose weights are 0 is its plain base, bit for bit;
    - ``resume``: stopped in mid-epoch and resumed in a new object, a run ends with the same bits;
    - ``two_processes``: two gloo processes with half the batch each follow one process to rounding.

    Works in pytest and in a plain script. The caller's random generators, also those of GPUs, and the selected device
    are put back.

    Args:
        name: the name in the host's registry, after ``usb_negsamp.register()``: an algorithm of one's own has its
            wrapped forms (``<name>_ns3l``) there too.
        overrides: configuration keys and values that differ from :data:`usb_negsamp.testing.TINY_RUN`.
        weight_key: the key, or keys, that at 0 switch off what a wrapper adds; by default those of its own keys that
            end in ``_weight``.
        two_processes: False for an algorithm that draws random numbers, or keeps statistics, in each process for its
            own part of the batch; such do not follow one process.
        checks: names of the checks to make; by default all of :data:`CHECKS`.
        expected_tags: tags that must have been logged.
        register: what makes the algorithm known in another process: ``"package.module"`` is imported there, and the
            function of ``"package.module:function"`` or ``"file.py:function"`` called; a function at the top level of a
            module or script does as well. It is called in this process too where ``name`` is not registered yet. Not
            needed for algorithms of the host or ours.

    Returns:
        The report; print it to see one line a check.

    Raises:
        ConformanceError: one check or more failed; its text is the report.
        ConfigError: an unknown algorithm, check or key, or a ``register`` that cannot be followed.
    """
    import usb_negsamp
    from usb_negsamp.host import ALGORITHMS

    for check in checks or ():
        if check not in CHECKS:
            raise unknown("check", check, CHECKS)
    text = as_text(register)
    usb_negsamp.register()
    if name not in ALGORITHMS and text is not None:
        register() if callable(register) else follow(text)
        usb_negsamp.register()
    if name not in ALGORITHMS:
        raise unknown("algorithm", name, ALGORITHMS.keys())
    weight_keys = (weight_key,) if isinstance(weight_key, str) else tuple(weight_key or ())
    report, keys = Report(name), _located(overrides or {})
    with (
        tempfile.TemporaryDirectory(prefix="usb_negsamp_check_") as directory,
        _surroundings_kept(),
        determinism(True, "cpu" if keys.get("device", "cpu") == "cpu" else "cuda"),
    ):
        subject = Subject(name, keys, Path(directory), weight_keys, text, tuple(expected_tags))
        for check in CHECKS if checks is None else [check for check in CHECKS if check in checks]:
            report.outcomes.append(_outcome(check, subject, report, two_processes))
    if report.failures:
        raise ConformanceError(report)
    return report


def _outcome(check: str, subject: Subject, report: Report, two_processes: bool) -> Outcome:
    broken = next((failure.check for failure in report.failures if failure.check in _NEEDED_BY_ALL), None)
    if broken is not None:
        return Outcome(check, SKIPPED, f"not tried, as {broken} failed")
    if check == "two_processes" and not two_processes:
        return Outcome(check, SKIPPED, "two_processes=False")
    try:
        _FUNCTIONS[check](subject)
    except Skipped as reason:
        return Outcome(check, SKIPPED, str(reason))
    except Broken as reason:
        return Outcome(check, FAILED, str(reason))
    except ConfigError:
        raise
    except Exception as error:
        return Outcome(check, FAILED, f"expected the runs of this check to end normally, but {described(error)}")
    return Outcome(check, PASSED)


def _located(overrides: Mapping[str, Any]) -> dict[str, Any]:
    """``overrides``, with paths that exist made absolute: the runs stand in other directories."""
    if "save_dir" in overrides:
        raise ConfigError(
            "overrides: expected no save_dir, as the check writes to a folder that it deletes, but got one"
        )
    return {
        key: str(Path(value).absolute()) if key.endswith(_PATHS) and isinstance(value, str) else value
        for key, value in overrides.items()
    }


@contextmanager
def _surroundings_kept() -> Iterator[None]:
    """Put back the random generators and the selected device."""
    from usb_negsamp.host import device

    selected, states = device.selected().type, (random.getstate(), np.random.get_state(), torch.get_rng_state())
    if torch.cuda.is_available():
        # Before that its generators have no state that could be put back.
        torch.cuda.init()  # type: ignore[no-untyped-call]
    cuda_states = torch.cuda.get_rng_state_all()
    try:
        yield
    finally:
        random.setstate(states[0])
        np.random.set_state(states[1])
        torch.set_rng_state(states[2])
        torch.cuda.set_rng_state_all(cuda_states)
        device.select(selected)
