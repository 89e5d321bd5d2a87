"""What a network says of the images of a data set, looked at outside of training."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from usb_negsamp.data.open_set_metrics import evenly_spaced
from usb_negsamp.host.algorithm import HostAlgorithm
from usb_negsamp.host.datasets.batches.whole import seconds_of_a_batch
from usb_negsamp.host.datasets.plain_images import plain_images
from usb_negsamp.host.evaluation.networks import outputs_of
from usb_negsamp.host.evaluation.rows import Rows

OWN_JUDGMENTS = ("reject_scores", "open_predictions")
"""Methods of an algorithm that judges by itself whether images are of unseen classes; both take a network's output."""


class Predictions(NamedTuple):
    """What an algorithm says of N images.

    Attributes:
        logits: (N, K).
        labels: (N,) true classes.
        reject: (N,) its own score of how surely an image is of an unseen class; None where it has none.
        decided: (N,) its own choice among the K classes and K, unseen; None where it has no rule.
        weights: (N,) what it would let an unlabeled image count; None where all count alike.
    """

    logits: Tensor
    labels: Tensor
    reject: Tensor | None = None
    decided: Tensor | None = None
    weights: Tensor | None = None

    def where(self, kept: Tensor) -> Predictions:
        """The images of the mask ``kept`` (N,)."""
        return Predictions(*(None if part is None else part[kept] for part in self))  # type: ignore[arg-type]

    def of_seen(self, num_seen: int) -> Predictions:
        """The images of seen classes."""
        return self.where((self.labels >= 0) & (self.labels < num_seen))

    def with_images(self, other: Predictions) -> Predictions:
        """These images and the ``other`` ones."""
        pairs = zip(self, other, strict=True)
        return Predictions(*(None if a is None or b is None else torch.cat([a, b]) for a, b in pairs))  # type: ignore[arg-type]


class _PlainImages(Dataset[Any]):
    """Some images of a data set under its own transform, which must be the one for evaluation, and their targets."""

    def __init__(self, dataset: Any, indices: np.ndarray) -> None:
        self.dataset, self.indices = dataset, indices
        self.targets = np.asarray(dataset.targets)

    def __len__(self) -> int:
        return len(self.indices)

    def __getitem__(self, position: int) -> dict[str, Any]:
        return {name: values[0] for name, values in self.__getitems__([position]).items()}

    def __getitems__(self, positions: list[int]) -> dict[str, torch.Tensor]:
        """A batch, which is not to be collated once more."""
        indices = self.indices[positions]
        images = plain_images(self.dataset, self.dataset.transform, indices.tolist())
        return {"x_lb": images, "y_lb": torch.from_numpy(self.targets[indices].astype(np.int64))}


def _as_it_is(batch: Any) -> Any:
    return batch


def predictions(
    algorithm: HostAlgorithm,
    dataset: Any,
    at_most: int = 0,
    weigh: Callable[[dict[str, Any], Tensor], Tensor] | None = None,
) -> Predictions:
    """Predictions of ``algorithm.model`` as it is for ``at_most`` evenly spaced images of ``dataset``; 0: for all.

    ``weigh`` makes the weights (N,) of an output of the network and the images' indices (N,); none: there are none.
    """
    images = _PlainImages(dataset, evenly_spaced(len(dataset), at_most))
    loader = DataLoader(
        images,
        batch_size=algorithm.args.eval_batch_size,
        num_workers=algorithm.args.num_workers if seconds_of_a_batch(dataset, 1) == math.inf else 0,
        collate_fn=_as_it_is,
        # Without one of its own, the loader would draw from the generator that training draws from.
        generator=torch.Generator(),
    )
    out_key = getattr(algorithm, "evaluated_out_key", "logits")
    logits, labels, weights = (Rows(len(images), "cpu") for _ in range(3))
    own = {name: Rows(len(images), "cpu") for name in OWN_JUDGMENTS if hasattr(algorithm, name)}
    with torch.no_grad():
        places = torch.split(torch.from_numpy(images.indices), algorithm.args.eval_batch_size)
        for (output, target), indices in zip(outputs_of(algorithm, loader), places, strict=True):
            logits.add(output[out_key].float())
            labels.add(target)
            for name, judged in own.items():
                judged.add(getattr(algorithm, name)(output))
            if weigh is not None:
                weights.add(weigh(output, indices))
    reject, decided = (own[name].together if name in own else None for name in OWN_JUDGMENTS)
    return Predictions(
        logits.together,
        labels.together,
        None if reject is None else reject.float(),
        decided,
        weights.together if weigh is not None else None,
    )
