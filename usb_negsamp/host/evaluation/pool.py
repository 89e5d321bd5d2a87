"""What the averaged network makes of every unlabeled image, for algorithms that choose among them while they train."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import torch
from torch import Tensor

from usb_negsamp.host.algorithm import HostAlgorithm
from usb_negsamp.host.datasets.plain_images import plain_images
from usb_negsamp.host.evaluation.networks import averaged_weights, outputs_of
from usb_negsamp.host.evaluation.rows import Rows
from usb_negsamp.host.wrapping.among_processes import share_of, summed


@torch.no_grad()
def values_of_pool(algorithm: HostAlgorithm, read: Callable[[dict[str, Any]], Tensor]) -> Tensor:
    """What ``read`` makes of the output for each unlabeled image without augmentation, by the averaged weights.

    The network is in evaluation mode, as it is evaluated (``bn_batches``), and afterwards as before. Of several
    processes each takes its share of the images, and all have the same values, bit for bit. Nothing is drawn.

    Args:
        algorithm: in training.
        read: the network's output (logits, features, what heads add) of M images to M floating numbers, or M rows.

    Returns:
        (N,) or (N, ...), float32, on the device of the model, in the order of ``idx_ulb``.
    """
    rank, count = share_of(algorithm)
    size = len(algorithm.dataset_dict["train_ulb"])
    own = range(rank, size, count)
    with averaged_weights(algorithm):
        # A process without a share looks at an image all the same, whose values tell it the shape.
        looked_at = own or range(1)
        rows = Rows(len(looked_at))
        for output, _ in outputs_of(algorithm, _batches(algorithm, looked_at)):
            rows.add(read(output).float())
    found = rows.together
    values = torch.zeros((size, *found.shape[1:]), device=found.device)
    values[rank::count] = found[: len(own)]
    return summed(values, algorithm)


def _batches(algorithm: HostAlgorithm, indices: range) -> Iterator[dict[str, Tensor]]:
    """Batches of the pool's images, as an evaluation reads them."""
    pool, transform = algorithm.dataset_dict["train_ulb"], algorithm.dataset_dict["eval"].transform
    size = algorithm.args.eval_batch_size
    for first in range(0, len(indices), size):
        images = plain_images(pool, transform, indices[first : first + size])
        yield {"x_lb": images, "y_lb": torch.zeros(len(images))}
