"""TensorBoard events under the host's tags, in the shape of the logger that the host's hooks call, and what a run is.

Beside the numbers there are the configuration, a batch of views as the network gets them, the confusion matrix of each
evaluation, and at the end the settings with the results, by which TensorBoard compares runs (its tab HPARAMS).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from usb_negsamp.host import Hook
from usb_negsamp.host.algorithm import HostAlgorithm
from usb_negsamp.host.randomness import keyed_randomness
from usb_negsamp.run.figures.confusion import confusion_figure
from usb_negsamp.run.markdown_table import format_table
from usb_negsamp.run.records.scalars import scalars

VIEWS_SHOWN = 8
OF_RESULTS = ("eval/best_acc", "eval/last_acc", "test/best_acc", "test/last_acc")
"""Results that TensorBoard compares runs by."""


class TensorBoardLog:
    """Writes numbers; the file is opened by :meth:`open`, so that building a run writes nothing."""

    def __init__(self) -> None:
        self._writer: Any = None

    def open(self, directory: Path, first_iteration: int) -> None:
        """Write into ``directory`` from here on; events of a killed run past ``first_iteration`` are hidden."""
        from torch.utils.tensorboard import SummaryWriter

        self._writer = SummaryWriter(str(directory), purge_step=first_iteration or None)

    def update(self, log_dict: Mapping[str, Any], it: int, suffix: str | None = None, mode: str = "train") -> None:
        """Write every number of ``log_dict`` at step ``it``; the host's signature."""
        if self._writer is None:
            return
        for name, value in scalars(log_dict).items():
            self._writer.add_scalar((suffix or "") + name, value, it)

    def describe(self, config: Mapping[str, Any], it: int) -> None:
        """Write the configuration as a table."""
        if self._writer is not None:
            rows = [[f"`{name}`", str(value)] for name, value in sorted(config.items())]
            self._writer.add_text("configuration", format_table(["key", "value"], rows, ["-"] * 2), it)

    def views(self, tag: str, images: Tensor, it: int) -> None:
        """Write (N, C, H, W) images, their values stretched over what can be shown."""
        if self._writer is not None:
            low, high = images.amin(), images.amax()
            self._writer.add_images(tag, (images - low) / (high - low).clamp_min(1e-6), it)

    def confusion(self, part: str, shares: Any, classes: Sequence[str], it: int) -> None:
        """Write the confusion matrix (K, K) of the images of ``part``."""
        if self._writer is not None:
            self._writer.add_figure(f"{part}/confusion_matrix", confusion_figure(shares, classes), it, close=False)

    def settings(self, config: Mapping[str, Any], results: Mapping[str, float], it: int) -> None:
        """Write the configuration with the results that it had."""
        if self._writer is not None:
            plain = {
                name: value if isinstance(value, (bool, int, float, str)) else str(value)
                for name, value in config.items()
            }
            self._writer.add_hparams(plain, dict(results), run_name=".", global_step=it)

    def close(self) -> None:
        """Flush and close. May be called twice."""
        if self._writer is not None:
            self._writer.close()
            self._writer = None


class TensorBoardHook(Hook):
    """Shows in TensorBoard what a run is and what comes of it, beside its numbers.

    Args:
        log: of the session, opened.
        config: of the run.
        classes: names of the classes.
    """

    def __init__(self, log: TensorBoardLog, config: Mapping[str, Any], classes: Sequence[str]) -> None:
        self.log, self.config, self.classes = log, config, classes

    def before_run(self, algorithm: HostAlgorithm) -> None:
        """Write the configuration and the views of the first images, without a draw of the training's."""
        self.log.describe(self.config, algorithm.it)
        for part in ("train_lb", "train_ulb"):
            for name, images in _views_of(algorithm.dataset_dict.get(part)).items():
                self.log.views(f"views/{name}", images, algorithm.it)

    def after_train_step(self, algorithm: HostAlgorithm) -> None:
        """Write the confusion matrix of an evaluation."""
        if self.every_n_iters(algorithm, algorithm.num_eval_iter) or self.is_last_iter(algorithm):
            self._write_confusion(algorithm, "eval")

    def after_run(self, algorithm: HostAlgorithm) -> None:
        """Write that of the test images, and the settings with their results."""
        self._write_confusion(algorithm, "test")
        results = scalars({name: algorithm.results_dict.get(name) for name in OF_RESULTS})
        self.log.settings(self.config, results, algorithm.it)

    def _write_confusion(self, algorithm: HostAlgorithm, part: str) -> None:
        shares = getattr(algorithm, "confusion_shares", {}).get(part)
        if shares is not None:
            fits = len(self.classes) == len(shares)
            names = self.classes if fits else [str(label) for label in range(len(shares))]
            self.log.confusion(part, shares, names, algorithm.it)


def _views_of(dataset: Any) -> dict[str, Tensor]:
    """The views (N, C, H, W) of the first images of a data set, by their batch keys; none where it has no images."""
    if dataset is None:
        return {}
    with keyed_randomness(0):
        samples = [dataset[index] for index in range(min(VIEWS_SHOWN, len(dataset)))]
    return {
        name: torch.stack([sample[name] for sample in samples])
        for name, value in (samples[0].items() if samples else ())
        if isinstance(value, Tensor) and value.ndim == 3 and value.shape[0] in (1, 3)
    }
