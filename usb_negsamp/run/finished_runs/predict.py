"""Predictions of a finished run's network on other images, of any size and mode."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import numpy as np

from usb_negsamp.errors import ConfigError, unknown
from usb_negsamp.run.finished_runs.network import LoadedNetwork
from usb_negsamp.run.finished_runs.pictures_in import Batch, batches, pictures_in, tensor_batches
from usb_negsamp.run.finished_runs.predicted import UNREADABLE, PredictedImages

if TYPE_CHECKING:
    import torch

    from usb_negsamp.run.training.console import Console

DEVICES = ("auto", "cpu", "cuda")


def predict(
    loaded: LoadedNetwork, images: Any, device: str = "auto", console: Console | None = None
) -> PredictedImages:
    """What the network says of ``images``.

    They are made as the run's test images are: the shorter side resized to ``img_size``, the center kept, gray repeated
    over the channels. An image that cannot be read has a reason in place of a prediction.

    Args:
        loaded: the network; it is on the CPU again afterwards.
        images: a folder, a file, a sequence of files, PIL images or arrays in uint8, or a tensor (N, 3, S, S) in uint8
            or in floating point in [0, 1], which is taken as it is.
        device: ``auto``, ``cpu`` or ``cuda``.
        console: where progress is shown; None for nowhere.

    Raises:
        ConfigError: nothing is there to look at, or it is none of these; no such device.
    """
    import torch

    where = _device(device)
    if isinstance(images, torch.Tensor):
        side = loaded.network.img_size
        if images.dim() != 4 or tuple(images.shape[1:]) != (3, side, side):
            raise ConfigError(
                f"images: expected a tensor (N, 3, {side}, {side}), but got {tuple(images.shape)}; files, PIL images "
                "and arrays may be of any size"
            )
        number, parts = len(images), tensor_batches(images, loaded.batch_size)
    else:
        pictures = pictures_in(images)
        number, parts = len(pictures), batches(pictures, loaded.network.img_size, loaded.batch_size)
    loaded.network.to(where)
    try:
        with torch.no_grad(), _shown(parts, number, console) as shown:
            found = [_of_batch(loaded, part, where) for part in shown]
    finally:
        loaded.network.to("cpu")
    return _joined(loaded, found)


def _of_batch(loaded: LoadedNetwork, batch: Batch, where: torch.device) -> PredictedImages:
    read = np.array([not error for error in batch.errors], dtype=bool)
    number, classes = len(batch.names), loaded.images.classes
    labels = np.full(number, UNREADABLE, dtype=np.int64)
    probs = np.full((number, len(classes)), np.nan, dtype=np.float32)
    scores = np.full(number, np.nan)
    rejected = np.zeros(number, dtype=bool) if loaded.judge.rejects else None
    if read.any():
        output = {
            name: value.cpu()
            for name, value in loaded.network.outputs(batch.images.to(where)).items()
            if hasattr(value, "cpu")
        }
        of_read, are_rejected = loaded.judge.judged(output)
        probs[read] = output["logits"].float().softmax(1).numpy()
        labels[read] = output["logits"].argmax(1).numpy()
        scores[read] = of_read.numpy()
        if rejected is not None and are_rejected is not None:
            rejected[read] = are_rejected.numpy()
    return PredictedImages(
        tuple(batch.names), classes, labels, probs, scores, rejected, tuple(batch.errors), loaded.open_set
    )


def _joined(loaded: LoadedNetwork, parts: list[PredictedImages]) -> PredictedImages:
    if not parts:
        raise ConfigError("images: expected at least one image, but got none")
    arrays = ((part.labels, part.probs, part.outlier_scores) for part in parts)
    labels, probs, scores = (np.concatenate(arrays_of) for arrays_of in zip(*arrays, strict=True))
    flags = [part.rejected for part in parts if part.rejected is not None]
    return PredictedImages(
        tuple(name for part in parts for name in part.files),
        loaded.images.classes,
        labels,
        probs,
        scores,
        np.concatenate(flags) if flags else None,
        tuple(error for part in parts for error in part.errors),
        loaded.open_set,
    )


@contextmanager
def _shown(parts: Iterable[Batch], number: int, console: Console | None) -> Iterator[Iterable[Batch]]:
    """The batches, with a bar on a terminal, or else a line now and then where they take long."""
    if console is None:
        yield parts
        return

    from usb_negsamp.data.announcing import announced
    from usb_negsamp.run.training.console import long_work_shown

    bar = console.bar(number, 0, unit="image")

    def counted(tell: Any) -> Iterator[Batch]:
        done = 0
        for part in parts:
            yield part
            done += len(part.names)
            tell(done)

    if bar is not None:
        with bar:
            yield counted(lambda done: bar.update(done - bar.n))
        return
    with long_work_shown(console), announced("predicting images", number) as tell:
        yield counted(tell)


def _device(name: str) -> torch.device:
    import torch

    if name not in DEVICES:
        raise unknown("device", name, DEVICES)
    if name == "cuda" and not torch.cuda.is_available():
        raise ConfigError("device: expected a CUDA GPU, but PyTorch finds none; use --device cpu or --device auto")
    return torch.device("cuda" if name != "cpu" and torch.cuda.is_available() else "cpu")
