"""Evaluation of the networks that a checkpoint holds, as the run that wrote it evaluated them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from usb_negsamp.host.algorithm import HostAlgorithm
from usb_negsamp.host.checkpoints.file import read_checkpoint
from usb_negsamp.host.evaluation.batch_norm import batch_statistics_as_they_are
from usb_negsamp.host.evaluation.networks import weights_of_checkpoint
from usb_negsamp.host.evaluation.open_set import open_set_figures, open_set_of
from usb_negsamp.host.evaluation.pair import EvaluatedPair, weights_of_peer


@contextmanager
def saved_network(algorithm: HostAlgorithm, path: Path) -> Iterator[None]:
    """Inside the block ``algorithm`` is evaluated as what was saved at ``path``; afterwards it is as before.

    Where two networks were saved, that is both. What SPL has left is one network, whose batch statistics are its own
    whatever ``bn_batches`` is.

    Args:
        algorithm: built as the run was.
        path: a checkpoint of the run.
    """
    saved = read_checkpoint(path)
    with ExitStack() as stack:
        if isinstance(algorithm, EvaluatedPair):
            if "peer" in saved:
                algorithm.place_peer()
                stack.enter_context(weights_of_peer(algorithm.peer, path))
            else:
                stack.enter_context(algorithm.first_alone())
        if "masks" in saved:
            stack.enter_context(batch_statistics_as_they_are(algorithm))
        stack.enter_context(weights_of_checkpoint(algorithm, path))
        yield


def saved_figures(algorithm: HostAlgorithm, path: Path) -> dict[str, float]:
    """Figures of the averaged weights saved at ``path`` on the validation and the test images; changes nothing.

    ``eval/...`` and ``test/...`` are the host's, of an algorithm with two networks also each one's accuracy; on an
    open-set split there are the figures of :mod:`usb_negsamp.host.evaluation.open_set`.

    Args:
        algorithm: built as the run was.
        path: a checkpoint of the run.
    """
    figures: dict[str, float] = {}
    with saved_network(algorithm, path):
        for name in ("eval", "test"):
            if name in algorithm.loader_dict:
                figures.update(algorithm.evaluate(name))
        data = open_set_of(algorithm)
        if data is not None:
            figures.update(open_set_figures(algorithm, data))
    return figures
