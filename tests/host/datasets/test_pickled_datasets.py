"""Data sets that reach a loader's workers by pickle, as under spawn and forkserver, give the samples that they gave."""

from __future__ import annotations

import pickle
from typing import Any

import pytest
import torch

from usb_negsamp.testing import build_tiny, seed_everything

OPEN = {"seen_classes": 6, "num_classes": 6, "num_labels": 30, "mismatch_ratio": 0.5, "num_unlabeled": 200}
KINDS: dict[str, tuple[str, dict[str, Any]]] = {
    "closed": ("fixmatch", {}),
    "extra view": ("vat_ns3l", {"ns3l_passes": 2}),
    "whitened": ("vat", {"preprocessing": "gcn_zca", "augmentation": "oliver"}),
    "scaled": ("mixmatch", {"preprocessing": "minus_one_to_one", "augmentation": "mixmatch"}),
    "open set": ("fixmatch_ns3l", OPEN),
    "two data sets": (
        "dnll",
        {"labeled_dir": "here", "unlabeled_dir": "there", "num_labels": 1442, "validation_size": 0},
    ),
    "strong views of our own": ("dnll", {"augmentation": "horizontal_shift"}),
    "rotated images": ("crmatch", {}),
}


def equal(one: Any, other: Any) -> bool:
    if isinstance(one, dict):
        return one.keys() == other.keys() and all(equal(one[key], other[key]) for key in one)
    if isinstance(one, (list, tuple)):
        return len(one) == len(other) and all(equal(*pair) for pair in zip(one, other, strict=True))
    return torch.equal(one, other) if isinstance(one, torch.Tensor) else bool(one == other)


@pytest.mark.parametrize("kind", KINDS)
def test_a_pickled_dataset_gives_the_same_samples(tmp_path, kind):
    algorithm, changes = KINDS[kind]
    loaders = build_tiny(algorithm, tmp_path, **changes).loader_dict
    found = {name: loader for name, loader in loaders.items() if hasattr(loader, "dataset")}
    assert {"train_lb", "train_ulb", "eval"} <= set(found)
    for name, loader in found.items():
        index: Any = (11, 7) if name.startswith("train") else 7
        samples = []
        for dataset in (loader.dataset, pickle.loads(pickle.dumps(loader.dataset))):
            seed_everything(3)
            samples.append(dataset[index])
        assert equal(*samples), name
        pickle.dumps((loader.collate_fn, loader.worker_init_fn, loader.sampler))
