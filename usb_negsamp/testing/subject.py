"""The algorithm under check, and its runs, each in a folder of its own."""

from __future__ import annotations

import contextlib
import functools
import os
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from usb_negsamp.errors import ConfigError
from usb_negsamp.testing.report import Broken
from usb_negsamp.testing.tiny import build_tiny, parameters_of

if TYPE_CHECKING:
    from usb_negsamp.host.algorithm import HostAlgorithm


@dataclass
class Finished:
    """A run that has ended: its algorithm and parameters, and the files it left in the current directory."""

    algorithm: Any
    parameters: dict[str, Tensor]
    strays: list[str]


@dataclass
class Subject:
    """A registered algorithm, with the settings to check it under.

    Attributes:
        name: in the host's registry.
        overrides: keys and values beside those of ``TINY_RUN``.
        directory: an empty folder for all runs.
        weight_keys: the keys whose value 0 switches off what a wrapper adds; empty: found from the wrapper's own.
        register: ``package.module`` or ``path/file.py``, optionally ``:function``, for other processes.
        expected_tags: what must be among the logged figures.
    """

    name: str
    overrides: Mapping[str, Any]
    directory: Path
    weight_keys: tuple[str, ...] = ()
    register: str | None = None
    expected_tags: tuple[str, ...] = ()
    _logs: list[dict[str, Any]] = field(default_factory=list)

    def build(self, run: str, name: str | None = None, /, **more: Any) -> Any:
        """An algorithm that is ready to train in the folder ``run``: this one, or the one called ``name``."""
        return build_tiny(name or self.name, self.directory / run, **{**self.overrides, **more})

    def train(self, run: str, name: str | None = None, /, **more: Any) -> dict[str, Tensor]:
        """The parameters after a run in the folder ``run``."""
        algorithm = self.build(run, name, **more)
        stages(algorithm)
        return parameters_of(algorithm)

    @property
    def finished(self) -> Finished:
        """The run that other runs are compared with, made once.

        Raises:
            Broken: it ends with an error.
        """
        if isinstance(self._whole, Broken):
            raise self._whole
        return self._whole

    @property
    def logs(self) -> list[dict[str, Any]]:
        """What each step of that run logged, also where it ends with an error."""
        _ = self._whole
        return self._logs

    @functools.cached_property
    def _whole(self) -> Finished | Broken:
        """The run, in an empty current directory, or the error that it ends with."""
        current = self.directory / "current_directory"
        current.mkdir()
        try:
            with changed_directory(current):
                algorithm = self.build("whole")
                after_each_step(algorithm, lambda algorithm: self._logs.append(dict(algorithm.log_dict)))
                stages(algorithm)
        except ConfigError:
            raise
        except Exception as error:
            return Broken(f"expected a run of {self.name} to end normally, but {described(error)}")
        strays = sorted(str(path.relative_to(current)) for path in current.rglob("*") if path.is_file())
        return Finished(algorithm, parameters_of(algorithm), strays)


def stages(algorithm: HostAlgorithm) -> None:
    """All that the launcher does with a built algorithm: warm-up, training, fine-tuning, those that it has."""
    for stage in ("warmup", "train", "finetune"):
        if hasattr(algorithm, stage):
            getattr(algorithm, stage)()


def after_each_step(algorithm: Any, act: Callable[[Any], None]) -> None:
    """Call ``act(algorithm)`` after every training step, when all other hooks but the host's log have run."""
    from usb_negsamp.host import Hook
    from usb_negsamp.host.wrapping.hook_order import insert_hook

    class Observer(Hook):
        settings_only = True

        def after_train_step(self, algorithm: HostAlgorithm) -> None:
            act(algorithm)

    insert_hook(algorithm, Observer(), "ConformanceObserver", before="LoggingHook")


def described(error: BaseException) -> str:
    """What an error was and where it was raised, in one line."""
    traceback, place = error.__traceback__, ""
    while traceback is not None:
        code = traceback.tb_frame.f_code
        place, traceback = (
            f"{os.path.basename(code.co_filename)}:{traceback.tb_lineno} {code.co_name}",
            traceback.tb_next,
        )
    text = " ".join(str(error).split())
    return f"{type(error).__name__} came from {place}: {text}"


def difference(expected: Mapping[str, Tensor], found: Mapping[str, Tensor], tolerance: float = 0.0) -> str | None:
    """Say how many tensors differ by more than ``tolerance`` (0: in any bit), and which one most; None where none does.

    >>> one = {"fc.weight": torch.tensor([1.0, 2.0])}
    >>> difference(one, one)
    >>> difference(one, {"fc.weight": torch.tensor([1.0, 2.5])})
    '1 of 1 tensors, fc.weight most, by 0.5'
    >>> difference(one, {})
    'fc.weight is missing'
    """
    for name in (*expected, *found):
        if name not in found or name not in expected:
            return f"{name} is {'missing' if name not in found else 'new'}"
        if expected[name].shape != found[name].shape:
            return f"{name} has shape {tuple(found[name].shape)} instead of {tuple(expected[name].shape)}"
    distances = {}
    for name, tensor in expected.items():
        if torch.equal(tensor, found[name]):
            continue
        apart = (tensor.double() - found[name].double()).abs()
        distance = float(apart.max()) if bool(apart.isfinite().all()) else float("inf")
        if distance > tolerance or tolerance == 0.0:
            distances[name] = distance
    if not distances:
        return None
    worst = max(distances, key=lambda name: distances[name])
    return f"{len(distances)} of {len(expected)} tensors, {worst} most, by {distances[worst]:.3g}"


@contextlib.contextmanager
def changed_directory(directory: Path) -> Iterator[None]:
    """Stand in ``directory`` for the length of the block."""
    before = os.getcwd()
    os.chdir(directory)
    try:
        yield
    finally:
        os.chdir(before)
