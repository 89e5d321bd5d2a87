"""Which classes a sample does not belong to: the rules of the NS3L paper (section 4.3 and Appendix B, Table 6)."""

from __future__ import annotations

import torch
from torch import Tensor

from usb_negsamp.functional._numerics import (
    at_least_float32,
    check_labels,
    check_num_negatives,
    one_class,
    top_classes,
    uniform_keys,
)

NEIGHBOR_RULES = ("exclude", "exclude_nearest", "furthest")


def default_threshold(num_classes: int) -> float:
    """Return 0.4/K, the threshold of the paper's experiments: 0.04 for 10 classes, 0.004 for 100.

    Raises:
        ValueError: fewer than two classes.

    >>> default_threshold(10)
    0.04
    """
    if num_classes < 2:
        raise ValueError(f"Expected argument `num_classes` to be at least 2, but got {num_classes}")
    return 0.4 / num_classes


def threshold_negatives(probs: Tensor, threshold: float) -> Tensor:
    """Return the (N, K) bool mask of the classes with ``probs < threshold`` (Algorithm 1).

    The most probable class has at least 1/K, so below 1/K no row ever has all its classes negative.

    Args:
        probs: (N, K), floating, rows that sum to 1.
        threshold: in (0, 1/K); :func:`default_threshold` is the usual value.

    Raises:
        ValueError: ``probs`` is not two-dimensional, or the threshold is out of range.

    >>> threshold_negatives(torch.tensor([[0.90, 0.07, 0.03]]), 0.05)
    tensor([[False, False,  True]])
    """
    if probs.dim() != 2:
        raise ValueError(f"Expected argument `probs` to have shape (N, K), but got {tuple(probs.shape)}")
    num_classes = probs.shape[1]
    if not threshold < 1.0 / num_classes:
        raise ValueError(
            f"Expected argument `threshold` to be below 1/K = {1.0 / num_classes:g}, but got {threshold} "
            f"(the usual value is 0.4/K = {0.4 / num_classes:g})"
        )
    if not threshold > 0.0:
        raise ValueError(
            f"Expected argument `threshold` to be above 0, but got {threshold} "
            f"(the usual value is 0.4/K = {0.4 / num_classes:g})"
        )
    # Half precision would round the threshold as well.
    return at_least_float32(probs) < threshold


def uniform_negatives(
    num_samples: int,
    num_classes: int,
    num_negatives: int,
    generator: torch.Generator | None = None,
    device: torch.device | str | None = None,
) -> Tensor:
    """Return an (N, K) bool mask: in each row ``num_negatives`` distinct classes, uniform over *all* classes.

    The row "Uniform - P" of Table 6. The right class is not spared: it is drawn in P/K of the rows.

    Args:
        num_samples: N.
        num_classes: K.
        num_negatives: P, in 1..K-1.
        generator: source of randomness; where it is on another device than ``device``, keys are drawn there and moved.
        device: of the mask; by default the generator's, or torch's default device.

    Raises:
        ValueError: ``num_negatives`` is not in 1..K-1.
    """
    check_num_negatives(num_negatives, num_classes - 1)
    return top_classes(uniform_keys(num_samples, num_classes, generator, device), num_negatives)


def oracle_negatives(
    labels: Tensor, num_classes: int, num_negatives: int, generator: torch.Generator | None = None
) -> Tensor:
    """Return an (N, K) bool mask: in each row ``num_negatives`` distinct *wrong* classes, uniformly.

    The row "Oracle - P" of Table 6, an upper bound: it needs the true labels of the unlabeled data.

    Args:
        labels: (N,), integer, the true classes.
        num_classes: K.
        num_negatives: P, in 1..K-1.
        generator: source of randomness.

    Raises:
        ValueError: ``labels`` is not (N,) integer, or ``num_negatives`` is not in 1..K-1.

    >>> oracle_negatives(torch.tensor([0, 2]), num_classes=3, num_negatives=2)
    tensor([[False,  True,  True],
            [ True,  True, False]])
    """
    check_labels("labels", labels)
    check_num_negatives(num_negatives, num_classes - 1)
    return negatives_outside(one_class(labels, num_classes), num_negatives, generator)


def neighbor_negatives(
    features: Tensor,
    reference_features: Tensor,
    reference_labels: Tensor,
    num_classes: int,
    rule: str = "exclude",
    num_negatives: int = 1,
    num_excluded: int = 4,
    generator: torch.Generator | None = None,
    chunk_size: int = 4096,
) -> Tensor:
    """Return an (N, K) bool mask of negatives found with the nearest labeled neighbors (Appendix B, Table 6).

    The paper gives one sentence and the names of three rows. Read here with the distance from a sample to a class,
    the Euclidean distance to the nearest labeled example of that class:

    - ``"exclude"`` ("Exclude class of NN"): drop the nearest class, draw uniformly from the other K-1;
    - ``"exclude_nearest"`` ("Exclude 4 nearest classes with NN"): drop the ``num_excluded`` nearest *classes*, which
      are distinct also where the nearest examples share a class, and draw uniformly from the rest;
    - ``"furthest"`` ("Furthest class with NN"): the ``num_negatives`` furthest classes; nothing is drawn.

    A class without a labeled example is infinitely far, so the first two rules never drop it.

    Args:
        features: (N, ...), the unlabeled data; trailing dimensions are flattened. The paper takes the pixels.
        reference_features: (M, ...), the labeled data, flattened to the same width.
        reference_labels: (M,), integer, in 0..K-1.
        num_classes: K.
        rule: one of the above.
        num_negatives: how many negatives a row gets.
        num_excluded: how many classes ``"exclude_nearest"`` drops; the other rules do not use it.
        generator: source of randomness.
        chunk_size: the largest block of distances in memory is ``chunk_size`` squared.

    Raises:
        ValueError: unknown rule, widths or lengths that do not match, no reference example, more negatives than classes
            that remain, or under ``"furthest"`` a class without a labeled example.

    >>> points, labels = torch.tensor([[0.0], [1.0], [5.0]]), torch.tensor([0, 1, 2])
    >>> neighbor_negatives(torch.tensor([[0.2], [4.0]]), points, labels, num_classes=3, rule="furthest")
    tensor([[False, False,  True],
            [ True, False, False]])
    """
    if rule not in NEIGHBOR_RULES:
        raise ValueError(f"Expected argument `rule` to be one of {', '.join(NEIGHBOR_RULES)}, but got {rule!r}")
    dropped = {"exclude": 1, "exclude_nearest": num_excluded, "furthest": 1}[rule]
    if not 1 <= dropped <= num_classes - 1:
        raise ValueError(f"Expected argument `num_excluded` to be in 1..{num_classes - 1}, but got {num_excluded}")
    check_num_negatives(num_negatives, num_classes - dropped)
    distances = class_distances(features, reference_features, reference_labels, num_classes, chunk_size)
    if rule == "furthest":
        absent = sorted(set(range(num_classes)) - set(reference_labels.tolist()))
        if absent:
            raise ValueError(
                f"Expected argument `reference_labels` to hold every class for the rule 'furthest', "
                f"but got none of the classes {absent}"
            )
        return top_classes(distances, num_negatives)
    return negatives_outside(top_classes(-distances, dropped), num_negatives, generator)


def class_distances(
    features: Tensor, reference_features: Tensor, reference_labels: Tensor, num_classes: int, chunk_size: int = 4096
) -> Tensor:
    """Return the (N, K) distances from each sample to the nearest reference example of each class, inf where none is.

    Arguments are those of :func:`neighbor_negatives`.

    Raises:
        ValueError: widths or lengths do not match, there is no reference example, or ``chunk_size`` is not positive.
    """
    check_labels("reference_labels", reference_labels)
    x, reference = (at_least_float32(data.detach().flatten(1)) for data in (features, reference_features))
    if reference.shape[0] != reference_labels.shape[0] or reference.shape[0] == 0:
        raise ValueError(
            f"Expected argument `reference_labels` to hold a label for each of {reference.shape[0]} reference examples "
            f"(one or more), but got {reference_labels.shape[0]}"
        )
    if x.shape[1] != reference.shape[1]:
        raise ValueError(
            f"Expected argument `features` to have the width {reference.shape[1]} of the reference features, "
            f"but got {x.shape[1]}"
        )
    if chunk_size < 1:
        raise ValueError(f"Expected argument `chunk_size` to be at least 1, but got {chunk_size}")
    distances = x.new_full((x.shape[0], num_classes), float("inf"))
    for label in range(num_classes):
        for members in torch.split(reference[reference_labels == label], chunk_size):
            if members.shape[0] == 0:
                continue
            for start in range(0, x.shape[0], chunk_size):
                block = torch.cdist(x[start : start + chunk_size], members).amin(dim=1)
                column = distances[start : start + chunk_size, label]
                column.copy_(torch.minimum(column, block))
    return distances


def negatives_outside(excluded: Tensor, num_negatives: int, generator: torch.Generator | None = None) -> Tensor:
    """Return an (N, K) bool mask: in each row ``num_negatives`` distinct classes, uniformly, none of the excluded.

    Args:
        excluded: (N, K), bool; a row that leaves fewer than ``num_negatives`` classes gets excluded ones too.
        num_negatives: how many a row gets.
        generator: source of randomness.

    >>> negatives_outside(torch.tensor([[True, False, False]]), 2)
    tensor([[False,  True,  True]])
    """
    keys = uniform_keys(excluded.shape[0], excluded.shape[1], generator, excluded.device)
    return top_classes(keys.masked_fill(excluded, -1.0), num_negatives)
