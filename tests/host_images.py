"""Images in the file layouts of the host's data sets, a few random ones. Nothing is downloaded."""

from __future__ import annotations

import itertools
import json
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import scipy.io
from PIL import Image

RANDOM = np.random.default_rng(0)
CIFAR10_BATCHES = [f"data_batch_{number}" for number in range(1, 6)]


def pixels(*shape: int) -> np.ndarray:
    """Random ones, (shape) uint8."""
    return RANDOM.integers(0, 256, shape, dtype=np.uint8)


def write_cifar(root: Path, *, fine: bool) -> np.ndarray:
    """CIFAR-10, or CIFAR-100 (``fine``); returns the training images (N, 3, 32, 32)."""
    folder = root / ("cifar-100-python" if fine else "cifar-10-batches-py")
    folder.mkdir(parents=True)
    key, names = ("fine_labels", ["train", "test"]) if fine else ("labels", [*CIFAR10_BATCHES, "test_batch"])
    num_classes = 100 if fine else 10
    written = []
    for name in names:
        data = pixels(2 * num_classes, 3, 32, 32)
        written.append(data)
        content = {"data": data.reshape(len(data), -1), key: [*range(num_classes)] * 2}
        (folder / name).write_bytes(pickle.dumps(content))
    classes = [f"class {label}" for label in range(num_classes)]
    meta = ("meta", "fine_label_names") if fine else ("batches.meta", "label_names")
    (folder / meta[0]).write_bytes(pickle.dumps({meta[1]: classes}))
    return np.concatenate(written[:-1])


def write_svhn(root: Path, *further: str) -> np.ndarray:
    """SVHN, and of its parts the ``further`` ones, too; returns the training images (32, 32, 3, N)."""
    root.mkdir(parents=True)
    train = pixels(32, 32, 3, 20)
    for part in ("train", "test", *further):
        images = train if part == "train" else pixels(32, 32, 3, 10)
        labels = (np.arange(images.shape[-1]) % 10 + 1).reshape(-1, 1).astype(np.uint8)
        scipy.io.savemat(root / f"{part}_32x32.mat", {"X": images, "y": labels})
    return train


def write_stl10(root: Path) -> np.ndarray:
    """STL-10 with two folds; returns the labeled images (N, 3, 96, 96)."""
    folder = root / "stl10_binary"
    folder.mkdir(parents=True)
    train = pixels(10, 3, 96, 96)
    for part, images in (("train", train), ("test", pixels(10, 3, 96, 96)), ("unlabeled", pixels(7, 3, 96, 96))):
        images.tofile(folder / f"{part}_X.bin")
        if part != "unlabeled":
            np.arange(1, 11, dtype=np.uint8).tofile(folder / f"{part}_y.bin")
    folds = [" ".join(str(index) for index in range(start, 10, 2)) + " \n" for start in (0, 1)]
    (folder / "fold_indices.txt").write_text("".join(folds))
    return train


def write_tissuemnist(root: Path) -> None:
    """TissueMNIST: gray images of eight classes."""
    root.mkdir(parents=True)
    parts: dict[str, Any] = {}
    for part, number in (("train", 24), ("val", 8), ("test", 8)):
        parts[f"{part}_images"] = pixels(number, 28, 28)
        parts[f"{part}_labels"] = (np.arange(number) % 8).reshape(-1, 1)
    np.savez(root / "tissuemnist.npz", **parts)


def write_folders(num_classes: int, *roots: Path) -> None:
    """A folder for each class, in each of the ``roots``."""
    for root, label, number in itertools.product(roots, range(num_classes), range(8)):
        _write_image(root / f"class{label:03d}" / f"{number}.png")


def write_semi_aves(root: Path) -> None:
    """The Semi-Aves set of ``semi_fgvc``; images of ``u_train_out`` are of a class that no label has."""
    lists = {"l_train_val": (0, 1), "u_train_in": (0, 1), "u_train_out": (2,), "test": (0, 1)}
    for part, labels in lists.items():
        lines = []
        for number in range(8):
            name = f"images/{part}/{number}.jpg"
            _write_image(root / name)
            lines.append(f"{name} {labels[number % len(labels)]}\n")
        (root / "semi_aves").mkdir(exist_ok=True)
        (root / "semi_aves" / f"{part}.txt").write_text("".join(lines))


def write_food101(root: Path, num_classes: int) -> None:
    """Food-101, its first classes."""
    (root / "food-101" / "meta").mkdir(parents=True)
    for part in ("train", "test"):
        names = {
            f"class{label}": [f"class{label}/{part}{number}" for number in range(8)] for label in range(num_classes)
        }
        (root / "food-101" / "meta" / f"{part}.json").write_text(json.dumps(names))
        for name in (name for of_class in names.values() for name in of_class):
            _write_image(root / "food-101" / "images" / f"{name}.jpg")


def _write_image(path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels(40, 40, 3)).save(path)


WRITERS: dict[str, Callable[[Path], object]] = {
    "cifar10": lambda data: write_cifar(data / "cifar10", fine=False),
    "cifar100": lambda data: write_cifar(data / "cifar100", fine=True),
    "eurosat": lambda data: write_folders(10, data / "eurosat"),
    "food101": lambda data: write_food101(data / "food101", 4),
    "imagenet": lambda data: write_folders(2, data / "imagenet" / "train", data / "imagenet" / "val"),
    "imagenet127": lambda data: write_folders(2, data / "imagenet127" / "train", data / "imagenet127" / "val"),
    "semi_aves": lambda data: write_semi_aves(data / "semi_fgvc"),
    "semi_aves_out": lambda data: write_semi_aves(data / "semi_fgvc"),
    "stl10": lambda data: write_stl10(data / "stl10"),
    "svhn": lambda data: write_svhn(data / "svhn", "extra"),
    "tissuemnist": lambda data: write_tissuemnist(data / "medmnist" / "tissuemnist"),
}
"""What writes the host's data sets, by their names, into a ``data_dir``."""
