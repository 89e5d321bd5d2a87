"""What is measured once more for the page, by the network that a run has left on the data that it had."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np

from usb_negsamp.run.finished_runs.no_download import nothing_downloaded
from usb_negsamp.run.finished_runs.rebuild import build_again
from usb_negsamp.run.records.directory import BEST, LATEST, SPL_MODEL
from usb_negsamp.run.records.manifest import config_of
from usb_negsamp.run.report.page.pictures import example_uri
from usb_negsamp.run.report.page.statistics import Negatives, probabilities, surest

if TYPE_CHECKING:
    from usb_negsamp.host.evaluation.judgment import Judgment

NETWORKS = {
    SPL_MODEL: "the network that SPL has left",
    BEST: "the model that was best on the evaluation images",
    LATEST: "the last model",
}
"""What a page is about, the first that there is."""
MOST_EMBEDDED = 600
"""Images of the picture by t-SNE."""
NUM_EXAMPLES = 12
"""Images that the network was surest of, right and wrong each."""

T = TypeVar("T")


@dataclass(frozen=True)
class Example:
    """An image that the network was sure of.

    Attributes:
        uri: its picture.
        label: its true class.
        predicted: what the network takes it for.
        confidence: how surely, from 0 to 1.
    """

    uri: str
    label: int
    predicted: int
    confidence: float


@dataclass(frozen=True)
class Measured:
    """What the network that a run has left says of its data.

    Attributes:
        network: which one, in words.
        part: ``test``, or ``eval`` for a run without other images than those that it chose its model by.
        probs: (N, K), of the images whose label is one of the K classes.
        labels: (N,), their true classes.
        right: the examples that it was surest of.
        wrong: the same of those that it has wrong.
        scores: largest probabilities of test images of seen and of unseen classes, on an open-set split.
        negatives: what NS3L's negatives are to it; None for a run without NS3L.
        points: (M, 2), the features of test images by t-SNE; None where there is no such picture.
        point_labels: (M,), their classes; K or above, or negative, is unseen.
        missing: a line for each thing that could not be measured.
    """

    network: str
    part: str
    probs: np.ndarray
    labels: np.ndarray
    right: tuple[Example, ...] = ()
    wrong: tuple[Example, ...] = ()
    scores: tuple[np.ndarray, np.ndarray] | None = None
    negatives: Negatives | None = None
    points: np.ndarray | None = None
    point_labels: np.ndarray | None = None
    missing: tuple[str, ...] = field(default=())


def network_file(run: Path) -> Path | None:
    """The checkpoint of the network that the page is about; None before there is one."""
    return next((run / name for name in NETWORKS if (run / name).is_file()), None)


def measure(run: Path, checkpoint: Path, seed: int = 0) -> Measured:
    """Look at the network of a run once more; nothing is written, and no data are downloaded.

    Args:
        run: its folder.
        checkpoint: the network's, one of ``NETWORKS`` in it.
        seed: of t-SNE.

    Raises:
        ConfigError: the data are not there, or others than the run's, or the checkpoint does not fit.
    """
    with nothing_downloaded():
        algorithm = build_again(run)
    uses_negatives = "ns3l_rule" in config_of(run)

    from usb_negsamp.host.evaluation import judgment as judging
    from usb_negsamp.host.evaluation.saved import saved_network
    from usb_negsamp.run.report.page.measured_negatives import judged_negatives, table_of_rule

    missing: list[str] = []
    # Before the network has other weights: a rule may look at the features that the training started with.
    table = _attempt("negatives", missing, lambda: table_of_rule(algorithm)) if uses_negatives else None
    with saved_network(algorithm, checkpoint):
        found = judging.judgment(algorithm)
        probs = probabilities(found.logits)
        unseen = _attempt("seen and unseen images", missing, lambda: _scores(algorithm))
        counted = _attempt("negatives", missing, lambda: judged_negatives(algorithm, table)) if uses_negatives else None
        embedded = _attempt("t-SNE", missing, lambda: _embedded(algorithm, seed))
    examples = _attempt("examples", missing, lambda: _examples(found, probs)) or ((), ())
    right, wrong = examples
    points, point_labels = embedded or (None, None)
    return Measured(
        NETWORKS[checkpoint.name],
        found.part,
        probs,
        found.labels,
        right=right,
        wrong=wrong,
        scores=unseen,
        negatives=counted,
        points=points,
        point_labels=point_labels,
        missing=tuple(missing),
    )


def _attempt(what: str, missing: list[str], look: Callable[[], T]) -> T | None:
    """What ``look`` finds; where it cannot, a line more in ``missing``: one part must not cost the others."""
    try:
        return look()
    except Exception as error:
        reason = " ".join(f"{type(error).__name__}: {error}".split())
        missing.append(f"Not measured: {what} ({reason}).")
        return None


def _examples(found: Judgment, probs: np.ndarray) -> tuple[tuple[Example, ...], tuple[Example, ...]]:
    from usb_negsamp.host.evaluation.judgment import picture_of

    predicted, confidence = probs.argmax(1), probs.max(1)

    def shown(rows: np.ndarray) -> tuple[Example, ...]:
        pictures = [(row, picture_of(found.dataset, int(found.indices[row]))) for row in rows]
        return tuple(
            Example(example_uri(picture), int(found.labels[row]), int(predicted[row]), float(confidence[row]))
            for row, picture in pictures
            if picture is not None
        )

    right, wrong = surest(confidence, predicted == found.labels, NUM_EXAMPLES)
    return shown(right), shown(wrong)


def _scores(algorithm: Any) -> tuple[np.ndarray, np.ndarray] | None:
    from usb_negsamp.data.open_set_metrics import max_softmax_score
    from usb_negsamp.host.evaluation.judgment import judged_test_images

    found = judged_test_images(algorithm)
    if found is None:
        return None
    scores = max_softmax_score(found.logits).numpy()
    labels = found.labels.numpy()
    seen = (labels >= 0) & (labels < found.logits.shape[1])
    return scores[seen], scores[~seen]


def _embedded(algorithm: Any, seed: int) -> tuple[np.ndarray, np.ndarray] | None:
    from usb_negsamp.host.evaluation.judgment import features_of_test_images
    from usb_negsamp.run.figures.embedding import embedding

    features, labels = features_of_test_images(algorithm, MOST_EMBEDDED)
    if len(features) < 3:
        return None
    return embedding(features, seed), labels
