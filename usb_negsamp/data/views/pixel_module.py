"""The preprocessing of a run as a module: from raw pixels to what its network takes, on any device, exportable."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from usb_negsamp.data.views.preprocessing import CONTRAST_NORM, GCNZCA, LEAST_NORM, Preprocessing


class PixelModule(nn.Module):
    """Base: takes images (N, 3, S, S), uint8 or floating-point in [0, 1], and returns float32 ones.

    Args:
        img_size: S, in pixels.
    """

    def __init__(self, img_size: int) -> None:
        super().__init__()
        self.img_size = img_size

    def forward(self, images: Tensor) -> Tensor:
        """Return the images (N, 3, S, S) as the network takes them.

        Raises:
            ValueError: images of another shape or dtype.
        """
        side = self.img_size
        # A tracer would make the comparison a part of what it records.
        is_traced = torch.jit.is_tracing()  # type: ignore[attr-defined, no-untyped-call]  # it is in the documents
        if not is_traced and (images.dim() != 4 or tuple(images.shape[1:]) != (3, side, side)):
            raise ValueError(
                f"expected images (N, 3, {side}, {side}), but got {tuple(images.shape)}; Run.predict resizes images of "
                "any size"
            )
        if images.dtype != torch.uint8 and not images.is_floating_point():
            raise ValueError(f"expected images in uint8, or in floating point in [0, 1], but got {images.dtype}")
        return self.preprocessed(images)

    def preprocessed(self, images: Tensor) -> Tensor:
        """The images of right shape and dtype, preprocessed."""
        raise NotImplementedError


class ScaledChannels(PixelModule):
    """Pixels in [0, 1], less a mean and over a standard deviation per channel."""

    mean: Tensor
    std: Tensor

    def __init__(self, img_size: int, mean: tuple[float, float, float], std: tuple[float, float, float]) -> None:
        super().__init__(img_size)
        self.register_buffer("mean", torch.tensor(mean, dtype=torch.float32).view(3, 1, 1))
        self.register_buffer("std", torch.tensor(std, dtype=torch.float32).view(3, 1, 1))

    def preprocessed(self, images: Tensor) -> Tensor:
        """As :class:`~usb_negsamp.data.views.image_operations.NormalizedTensor`, bit for bit, of uint8 images."""
        pixels = images.float() / 255 if images.dtype == torch.uint8 else images.float()
        return (pixels - self.mean) / self.std


class WhitenedPixels(PixelModule):
    """Global contrast normalization, then ZCA whitening by stored statistics (:class:`GCNZCA`)."""

    mean: Tensor
    whitening: Tensor

    def __init__(self, img_size: int, statistics: GCNZCA) -> None:
        super().__init__(img_size)
        self.register_buffer("mean", torch.tensor(statistics.mean))
        self.register_buffer("whitening", torch.tensor(statistics.whitening))

    def preprocessed(self, images: Tensor) -> Tensor:
        """As :class:`GCNZCA`, but for the order in which sums are taken."""
        values = (images.float() if images.dtype == torch.uint8 else images.float() * 255).flatten(1)
        values = values - values.mean(1, keepdim=True)
        norms = values.square().sum(1, keepdim=True).sqrt()
        norms = torch.where(norms < LEAST_NORM, torch.ones_like(norms), norms)
        whitened = (values * (CONTRAST_NORM / norms) - self.mean) @ self.whitening
        return whitened.reshape(images.shape)


def pixel_module(preprocessing: Preprocessing, img_size: int) -> PixelModule:
    """The module that preprocesses images of side ``img_size`` as ``preprocessing`` does."""
    if isinstance(preprocessing, GCNZCA):
        return WhitenedPixels(img_size, preprocessing)
    return ScaledChannels(img_size, preprocessing.mean, preprocessing.std)
