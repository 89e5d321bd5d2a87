"""Sources of torchvision's data sets, downloaded by torchvision where they are not there yet.

They lie where the host keeps its own, in ``data_dir/NAME``; data that torchvision put into ``data_dir`` itself are
found as well. ``cifar10``, ``cifar100``, ``svhn`` and ``stl10`` are the host's sets in a form that can be split in our
ways; they keep the host's normalization. Two things are as in the papers and not as in the host: SVHN's training part
is ``train`` alone, without ``extra``, and its digits are not mirrored.
"""

from __future__ import annotations

import dataclasses
import http.client
import tarfile
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from torchvision import datasets

from usb_negsamp.data.announcing import announced
from usb_negsamp.data.sources.empty_folders import no_empty_folders_left
from usb_negsamp.data.sources.image_source import ImageArrays, ImageSource, channel_statistics, empty_images
from usb_negsamp.errors import ConfigError

Statistics = tuple[tuple[float, float, float], tuple[float, float, float]]

DIGIT_NAMES = tuple(str(digit) for digit in range(10))
CIFAR10_NAMES = ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")
STL10_NAMES = ("airplane", "bird", "car", "cat", "deer", "dog", "horse", "monkey", "ship", "truck")
NAMES_OF_CLASSES = {"cifar10": CIFAR10_NAMES, "stl10": STL10_NAMES, "svhn": DIGIT_NAMES}
"""Names of the classes of the host's sets; those of ``cifar100`` are in its files."""

HOST_STATISTICS: dict[str, Statistics] = {
    "cifar10": ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225)),
    "cifar100": ((129.3 / 255, 124.1 / 255, 112.4 / 255), (68.2 / 255, 65.4 / 255, 70.4 / 255)),
    "svhn": ((0.4380, 0.4440, 0.4730), (0.1751, 0.1771, 0.1744)),
    "stl10": ((112.4 / 255, 109.1 / 255, 98.6 / 255), (68.4 / 255, 66.6 / 255, 68.5 / 255)),
}
"""Mean and standard deviation that the host normalizes with; those of ``cifar10`` are ImageNet's."""

# Besides OSError (URLError, HTTPError, timeouts, full disks) and RuntimeError (torchvision's own).
UNREADABLE = (OSError, RuntimeError, ValueError, AssertionError, IndexError, EOFError, http.client.HTTPException)
BROKEN_ARCHIVE = (tarfile.TarError, zlib.error)


def load_mnist(data_dir: Path, img_size: int) -> ImageSource:
    """Return MNIST: 60,000 training and 10,000 test digits, 28x28, in their own mean and standard deviation."""
    return _train_and_test("mnist", datasets.MNIST, data_dir, img_size, DIGIT_NAMES, horizontal_flip=False)


def load_fashion_mnist(data_dir: Path, img_size: int) -> ImageSource:
    """Return Fashion-MNIST: 60,000 training and 10,000 test pictures of clothes, 28x28."""
    classes = tuple(datasets.FashionMNIST.classes)
    return _train_and_test("fashion_mnist", datasets.FashionMNIST, data_dir, img_size, classes, horizontal_flip=True)


def load_usps(data_dir: Path, img_size: int) -> ImageSource:
    """Return USPS: 7,291 training and 2,007 test digits, 16x16."""
    return _train_and_test("usps", datasets.USPS, data_dir, img_size, DIGIT_NAMES, horizontal_flip=False)


def load_cifar10(data_dir: Path, img_size: int) -> ImageSource:
    """Return CIFAR-10: 50,000 training and 10,000 test images, 32x32."""
    return _train_and_test("cifar10", datasets.CIFAR10, data_dir, img_size, None, horizontal_flip=True)


def load_cifar100(data_dir: Path, img_size: int) -> ImageSource:
    """Return CIFAR-100: 50,000 training and 10,000 test images, 32x32."""
    return _train_and_test("cifar100", datasets.CIFAR100, data_dir, img_size, None, horizontal_flip=True)


def load_svhn(data_dir: Path, img_size: int) -> ImageSource:
    """Return SVHN: 73,257 training and 26,032 test house numbers, 32x32, without the 531,131 of ``extra``."""
    parts = [open_part("svhn", datasets.SVHN, data_dir, split=split) for split in ("train", "test")]
    train, test = (image_arrays(part.data, part.labels, img_size) for part in parts)
    return _source("svhn", DIGIT_NAMES, train, test, horizontal_flip=False)


def load_stl10(data_dir: Path, img_size: int) -> ImageSource:
    """Return STL-10: 5,000 labeled, 100,000 unlabeled and 8,000 test images, 96x96, and its ten folds."""
    splits = ("train", "test", "unlabeled")
    train, test, pool = (
        image_arrays(part.data, part.labels, img_size)
        for part in (open_part("stl10", datasets.STL10, data_dir, split=split) for split in splits)
    )
    source = _source("stl10", STL10_NAMES, train, test, horizontal_flip=True, unlabeled=pool)
    return dataclasses.replace(source, folds=stl10_folds(data_dir))


def stl10_folds(data_dir: str | Path) -> tuple[np.ndarray, ...]:
    """Return the ten predefined folds of STL-10: indices (int64) of 1,000 labeled training images each.

    Raises:
        ConfigError: the data set can neither be found nor downloaded.
    """
    part = open_part("stl10", datasets.STL10, Path(data_dir), split="test")
    file = Path(part.root) / part.base_folder / part.folds_list_file
    try:
        lines = file.read_text().splitlines()
    except OSError as error:
        raise ConfigError(f"cannot read the folds of data set 'stl10' in {file} ({_reason(error)})") from error
    return tuple(np.array(line.split(), dtype=np.int64) for line in lines if line.strip())


def open_part(name: str, dataset: Callable[..., Any], data_dir: Path, **part: Any) -> Any:
    """Open one part of a torchvision data set where it lies, or download it to ``data_dir/name``.

    Args:
        name: name of the data set, for the folder and for messages.
        dataset: the class of torchvision.
        data_dir: the folder of all data sets.
        part: which part, in the words of ``dataset``.

    Raises:
        ConfigError: it is not there and cannot be downloaded, or its files cannot be read.
    """
    data_dir = data_dir.expanduser().absolute()
    home = data_dir / name
    for folder in (home, data_dir):
        try:
            return dataset(str(folder), download=False, **part)
        except (*UNREADABLE, *BROKEN_ARCHIVE) as error:
            if not _is_absent(error):
                raise _unreadable(name, folder, error) from error
    try:
        with no_empty_folders_left(home):
            return dataset(str(home), download=True, **part)
    except (*UNREADABLE, *BROKEN_ARCHIVE) as error:
        raise ConfigError(
            f"data set {name!r} is not complete in {home} nor in {data_dir}, and its download failed ({_reason(error)})"
        ) from error


def _is_absent(error: Exception) -> bool:
    return isinstance(error, (FileNotFoundError, NotADirectoryError)) or (
        isinstance(error, RuntimeError) and "not found" in str(error)
    )


def _unreadable(name: str, folder: Path, error: Exception) -> ConfigError:
    return ConfigError(
        f"data set {name!r} in {folder} cannot be read ({_reason(error)}); remove its files to download them again"
    )


def _reason(error: Exception) -> str:
    return " ".join(f"{type(error).__name__}: {error}".split()).removesuffix(":")


def image_arrays(images: Any, targets: Any, img_size: int) -> ImageArrays:
    """Bring images as torchvision keeps them into the form of a source.

    Args:
        images: uint8 of shape (N, H, W), (N, H, W, 3) or (N, 3, H, W); gray is repeated over three channels.
        targets: N class indices.
        img_size: side of the result; images of another size are resized (bicubic).
    """
    pixels = images.numpy() if isinstance(images, torch.Tensor) else np.asarray(images)
    if pixels.ndim == 4 and pixels.shape[1] == 3:
        pixels = np.moveaxis(pixels, 1, -1)
    if pixels.shape[1:3] != (img_size, img_size):
        size = (img_size, img_size)
        resized = empty_images(len(pixels), img_size)
        with announced(f"resizing images to {img_size} x {img_size}", len(pixels)) as tell:
            for index, image in enumerate(pixels):
                contiguous = np.ascontiguousarray(image)
                image = np.asarray(Image.fromarray(contiguous).resize(size, Image.Resampling.BICUBIC))
                resized[index] = image if image.ndim == 3 else image[..., None]
                tell(index + 1)
        pixels = resized
    if pixels.ndim == 3:
        pixels = np.repeat(pixels[..., None], 3, axis=-1)
    return ImageArrays(pixels, np.asarray(targets).astype(np.int64))


def _train_and_test(
    name: str,
    dataset: Callable[..., Any],
    data_dir: Path,
    img_size: int,
    classes: tuple[str, ...] | None,
    horizontal_flip: bool,
) -> ImageSource:
    """Load a data set whose parts are told apart by ``train``; ``classes`` None takes the names in its files."""
    parts = [open_part(name, dataset, data_dir, train=train) for train in (True, False)]
    train, test = (image_arrays(part.data, part.targets, img_size) for part in parts)
    return _source(name, classes or tuple(parts[0].classes), train, test, horizontal_flip)


def _source(
    name: str,
    classes: tuple[str, ...],
    train: ImageArrays,
    test: ImageArrays,
    horizontal_flip: bool,
    unlabeled: ImageArrays | None = None,
) -> ImageSource:
    mean, std = HOST_STATISTICS.get(name) or channel_statistics(np.asarray(train.images))
    return ImageSource(
        name=name,
        classes=classes,
        train=train,
        unlabeled=unlabeled,
        validation=None,
        test=test,
        mean=mean,
        std=std,
        horizontal_flip=horizontal_flip,
    )
