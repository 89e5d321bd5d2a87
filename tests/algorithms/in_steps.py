"""Steps of an algorithm one by one, for the tests of what it carries from step to step."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from usb_negsamp.testing import build_tiny


def started(name: str, directory: Any, **overrides: Any) -> Any:
    """An algorithm that is about to take its first step."""
    algorithm = build_tiny(name, directory, **overrides)
    algorithm.model.train()
    algorithm.epoch = 0
    algorithm.call_hook("before_run")
    algorithm.call_hook("before_train_epoch")
    return algorithm


def batches(algorithm: Any) -> Iterator[dict[str, Any]]:
    """The batches of its first epoch, prepared for its steps."""
    for labeled, unlabeled in zip(*(algorithm.loader_dict[f"train_{kind}"] for kind in ("lb", "ulb")), strict=False):
        yield algorithm.process_batch(**labeled, **unlabeled)


def step(algorithm: Any, batch: dict[str, Any]) -> None:
    """One step, its update included."""
    algorithm.call_hook("before_train_step")
    algorithm.out_dict, algorithm.log_dict = algorithm.train_step(**batch)
    algorithm.call_hook("after_train_step")
    algorithm.it += 1
