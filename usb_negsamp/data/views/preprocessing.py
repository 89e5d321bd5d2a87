"""What is done once to all images of a run, before any view is drawn: the choices of the key ``preprocessing``.

``mean_std``          the source's mean and standard deviation per channel, as in the host.
``minus_one_to_one``  pixels to [-1, 1], as MixMatch for all sets and Oliver et al. for SVHN.
``gcn_zca``           global contrast normalization, then ZCA whitening, as Oliver et al. for CIFAR.

The first two are a :class:`ChannelScaling`, whose mean and standard deviation also serve the transforms on PIL images.
After ``gcn_zca`` images are float arrays: transforms on PIL images do not apply, those on tensors do.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from usb_negsamp.data.announcing import announced
from usb_negsamp.data.sources.image_source import ImageSource
from usb_negsamp.data.sources.looked_up import LookedUpImages
from usb_negsamp.errors import ConfigError, expected, unknown

PREPROCESSING = ("mean_std", "minus_one_to_one", "gcn_zca")

CONTRAST_NORM = 55.0
LEAST_NORM = 1e-10
COVARIANCE_RIDGE = 0.1
LEAST_EIGENVALUE = 1e-10

IMAGES_PER_CHUNK = 2000
MAX_WHITENED_SIDE = 48
"""The covariance of larger images takes gigabytes and its eigenvectors a quarter of an hour."""


@dataclass(frozen=True)
class ChannelScaling:
    """Mean and standard deviation per channel, of pixels scaled to [0, 1].

    Attributes:
        name: ``mean_std`` or ``minus_one_to_one``.
        mean: what is subtracted.
        std: what is divided by.
    """

    name: str
    mean: tuple[float, float, float]
    std: tuple[float, float, float]

    @property
    def digest(self) -> str:
        """Sha256, in hex, of the name and the six numbers."""
        return hashlib.sha256(repr((self.name, self.mean, self.std)).encode()).hexdigest()

    def __call__(self, images: np.ndarray) -> np.ndarray:
        """Return (N, H, W, 3) uint8 images as (N, 3, H, W) float32."""
        mean = np.array(self.mean, dtype=np.float32)[:, None, None]
        std = np.array(self.std, dtype=np.float32)[:, None, None]
        result = _empty_like_channels_first(images)
        for part in _chunks(len(images)):
            pixels = _channels_first(images[part]).astype(np.float32) / np.float32(255)
            result[part] = (pixels - mean) / std
        return result


MINUS_ONE_TO_ONE = ChannelScaling("minus_one_to_one", (0.5, 0.5, 0.5), (0.5, 0.5, 0.5))


@dataclass(frozen=True)
class GCNZCA:
    """Global contrast normalization, then whitening by statistics of training images.

    Each image loses its mean over all its pixels and channels and is scaled to L2 norm 55; then the mean image is
    subtracted and the result multiplied by (C + 0.1 I)^(-1/2), C being the covariance of the training images.

    Attributes:
        mean: (D,) float32, D = 3 H W: the mean of the normalized training images, channels first.
        whitening: (D, D) float32, symmetric.
        digest: sha256, in hex, of the training images and the constants, which determine the statistics; equal on every
            machine, while the last bits of the statistics depend on its linear algebra.
    """

    mean: np.ndarray
    whitening: np.ndarray
    digest: str
    name: str = "gcn_zca"

    @classmethod
    def fit(cls, images: np.ndarray) -> GCNZCA:
        """Compute the statistics from (N, H, W, 3) uint8 images.

        The covariance is summed in float64, 2,000 images at a time. For 50,000 images of 32x32 that and the
        eigenvectors take about half a minute on two cores, and half a gigabyte beside the images.

        Raises:
            ConfigError: fewer than two images, or images larger than 48x48.
        """
        if len(images) < 2:
            raise ConfigError(f"preprocessing gcn_zca needs at least 2 training images, but got {len(images)}")
        if max(images.shape[1:3]) > MAX_WHITENED_SIDE:
            raise ConfigError(
                f"preprocessing gcn_zca takes images of up to {MAX_WHITENED_SIDE}x{MAX_WHITENED_SIDE} pixels, but got "
                f"{images.shape[1]}x{images.shape[2]}; choose minus_one_to_one or mean_std"
            )
        size = int(np.prod(images.shape[1:]))
        total = np.zeros(size)
        products = np.zeros((size, size))
        with announced("contrast normalization (GCN) and covariance of the training images", len(images)) as tell:
            for part in _chunks(len(images)):
                normalized = contrast_normalized(images[part], np.float64)
                total += normalized.sum(axis=0)
                products += normalized.T @ normalized
                tell(min(part.stop, len(images)))
        mean = total / len(images)
        covariance = (products - len(images) * np.outer(mean, mean)) / (len(images) - 1)
        covariance[np.diag_indices(size)] += COVARIANCE_RIDGE
        with announced(f"eigenvectors of their {size} x {size} covariance (ZCA)"):
            values, vectors = np.linalg.eigh(covariance)
        whitening = (vectors / np.sqrt(values + LEAST_EIGENVALUE)) @ vectors.T
        return cls(mean.astype(np.float32), whitening.astype(np.float32), _digest_of(images))

    def __call__(self, images: np.ndarray) -> np.ndarray:
        """Return (N, H, W, 3) uint8 images as (N, 3, H, W) float32.

        Raises:
            ConfigError: the images are not of the size of those that the statistics come from.
        """
        if int(np.prod(images.shape[1:])) != len(self.mean):
            raise ConfigError(
                f"preprocessing gcn_zca was computed from images of {len(self.mean)} values, but got images of shape "
                f"{images.shape[1:]}"
            )
        result = _empty_like_channels_first(images)
        with announced("whitening images (GCN and ZCA)", len(images)) as tell:
            for part in _chunks(len(images)):
                whitened = (contrast_normalized(images[part], np.float32) - self.mean) @ self.whitening
                result[part] = whitened.reshape(result[part].shape)
                tell(min(part.stop, len(images)))
        return result


Preprocessing = ChannelScaling | GCNZCA


def fit_preprocessing(name: str, source: ImageSource) -> Preprocessing:
    """Return the preprocessing ``name``, with statistics of all training images of ``source``.

    All training images: also those that a split holds out for validation, as in the papers. No label and no test image
    goes into the statistics.

    Args:
        name: one of :data:`PREPROCESSING`.
        source: where the images come from.

    Raises:
        ConfigError: unknown name; images that are too few or too large to be whitened.
    """
    if name == "mean_std":
        return ChannelScaling(name, source.mean, source.std)
    if name == "minus_one_to_one":
        return MINUS_ONE_TO_ONE
    if name == "gcn_zca":
        if isinstance(source.train.images, LookedUpImages):
            raise expected("lazy_images", "false with preprocessing gcn_zca, which keeps whitened images", "true")
        return GCNZCA.fit(source.train.images)
    raise unknown("preprocessing", name, PREPROCESSING)


def contrast_normalized(images: np.ndarray, dtype: type[np.floating]) -> np.ndarray:
    """Return (N, H, W, 3) images as (N, 3 H W), each without its mean and of L2 norm 55; flat images become zeros."""
    values = _channels_first(images).reshape(len(images), -1).astype(dtype)
    values -= values.mean(axis=1, keepdims=True)
    norms = np.linalg.norm(values, axis=1, keepdims=True)
    norms[norms < LEAST_NORM] = 1.0
    values *= CONTRAST_NORM / norms
    return values


def _channels_first(images: np.ndarray) -> np.ndarray:
    return np.moveaxis(images, -1, 1)


def _empty_like_channels_first(images: np.ndarray) -> np.ndarray:
    number, height, width, channels = images.shape
    return np.empty((number, channels, height, width), dtype=np.float32)


def _chunks(number: int) -> Iterator[slice]:
    return (slice(start, start + IMAGES_PER_CHUNK) for start in range(0, number, IMAGES_PER_CHUNK))


def _digest_of(images: np.ndarray) -> str:
    digest = hashlib.sha256(repr((CONTRAST_NORM, LEAST_NORM, COVARIANCE_RIDGE, LEAST_EIGENVALUE)).encode())
    digest.update(repr(images.shape).encode())
    for part in _chunks(len(images)):
        digest.update(np.ascontiguousarray(images[part]).tobytes())
    return digest.hexdigest()
