"""One text or sound of the host's data sets: where it lies in a sample, its views, and what the network takes of it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any

from semilearn.datasets.audio_datasets.datasetbase import BasicDataset as SoundDataset
from semilearn.datasets.nlp_datasets.datasetbase import BasicDataset as TextDataset
from semilearn.datasets.utils import random_subsample

Collate = Callable[[list[dict[str, Any]]], dict[str, Any]]
"""From the host's samples to a batch."""


def is_of_texts_or_sounds(dataset: Any) -> bool:
    """Whether ``dataset``, or what it stands around, is one of the host's of texts or sounds."""
    return isinstance(innermost(dataset), (TextDataset, SoundDataset))


def innermost(dataset: Any) -> Any:
    """The host's own data set inside those that stand around it."""
    while not isinstance(dataset, (TextDataset, SoundDataset)) and "dataset" in vars(dataset):
        dataset = dataset.dataset
    return dataset


def name_of_sample(dataset: Any) -> str:
    """The key of a sample that holds what the host calls the weak view; those of others begin with it."""
    return "text" if isinstance(innermost(dataset), TextDataset) else "wav"


def plain_sample(dataset: Any, index: int) -> Any:
    """A text as it was written, or all of a sound."""
    sample = dataset.data[index]
    return sample[0] if name_of_sample(dataset) == "text" else sample


def weak_sample(dataset: Any, index: int) -> Any:
    """A text as it was written, or another piece of a sound that is longer than ``max_length_seconds``."""
    plain = plain_sample(dataset, index)
    if name_of_sample(dataset) == "text":
        return plain
    return random_subsample(plain, max_length=dataset.max_length, sample_rate=dataset.sample_rate)


def strong_sample(dataset: Any, index: int) -> Any:
    """One of a text's two rewordings, or a piece of a sound that effects have changed."""
    if name_of_sample(dataset) == "text":
        return dataset.data[index][dataset.random_choose_sen()]
    changed = dataset.strong_transform(dataset.data[index])
    return random_subsample(changed, max_length=dataset.max_length, sample_rate=dataset.sample_rate)


def inputs_of(samples: Sequence[Any], indices: Iterable[int], name: str, collate: Collate) -> Any:
    """What the network takes of ``samples``: tokens and their mask, (N, L) each, or values (N, L)."""
    # Without a label the host's collators take a sample for an unlabeled one.
    return collate([{"idx": index, name: sample} for index, sample in zip(indices, samples, strict=True)])["x_ulb_w"]


def plain_inputs(dataset: Any, indices: Sequence[int]) -> Any:
    """What the network takes of the samples at ``indices`` as they are; ``dataset`` as a run has loaded it."""
    samples = [plain_sample(dataset, index) for index in indices]
    return inputs_of(samples, indices, name_of_sample(dataset), dataset.collate_inputs)
