"""Operations on all images of a batch at once, bit for bit those on one image after the other.

8-bit images are arrays (N, H, W, C), as they are stored; images that are tensors already are (N, C, H, W). What is
random takes the draws that each sample's own generators would give it, see
:class:`~usb_negsamp.data.views.keyed_draws.KeyedDraws`.
"""

from __future__ import annotations

import numpy as np
import torch
from numpy.lib.stride_tricks import sliding_window_view
from torch import Tensor
from torch.nn import functional

from usb_negsamp.data.views.dnll import HorizontalShift
from usb_negsamp.data.views.image_operations import NormalizedTensor, ReflectCrop
from usb_negsamp.data.views.keyed_draws import KeyedDraws
from usb_negsamp.data.views.oliver import TensorAugmentation


def reflect_crops(crop: ReflectCrop, images: np.ndarray, draws: KeyedDraws) -> np.ndarray:
    """(N, size, size, C): a crop of each image as ``crop`` makes it.

    Raises:
        ValueError: the padded images are smaller than the crop.
    """
    rows, columns = crop.room(*images.shape[1:3])
    padded = _reflected(images, crop.padding)
    if not (rows or columns):
        return padded
    tops, lefts = draws.whole_numbers(rows), draws.whole_numbers(columns)
    windows = sliding_window_view(padded, (crop.size, crop.size), (1, 2)).transpose(0, 1, 2, 4, 5, 3)
    crops: np.ndarray = windows[np.arange(len(images)), tops, lefts]
    return crops


def mirrored_by_chance(images: np.ndarray, draws: KeyedDraws) -> np.ndarray:
    """(N, H, W, C): half of the images from right to left, as ``RandomHorizontalFlip`` of torchvision."""
    coins = draws.coins()
    images = images.copy()
    images[coins] = images[coins, :, ::-1]
    return images


def normalized_tensors(operation: NormalizedTensor, images: np.ndarray) -> Tensor:
    """(N, C, H, W) float32 of 8-bit images with the channels of ``operation``."""
    values = images.transpose(0, 3, 1, 2).astype(np.float32, order="C")
    values /= np.float32(255)
    values -= operation.mean
    values /= operation.std
    return torch.from_numpy(values)


def augmented_tensors(augmentation: TensorAugmentation, images: Tensor, draws: KeyedDraws) -> Tensor:
    """(N, C, H, W): a view of each image as ``augmentation`` makes it."""
    if augmentation.horizontal_flip:
        coins = torch.from_numpy(draws.coins())
        images = torch.where(coins[:, None, None, None], images.flip(-1), images)
    shift = augmentation.max_shift
    if shift:
        tops, lefts = draws.whole_numbers(2 * shift), draws.whole_numbers(2 * shift)
        images = _windows(functional.pad(images, (shift,) * 4, mode="reflect"), images.shape[-2:], tops, lefts)
    if augmentation.noise_std:
        images = images + augmentation.noise_std * draws.normal(images.shape[1:])
    return images


def shifted_tensors(shift: HorizontalShift, images: Tensor, draws: KeyedDraws) -> Tensor:
    """(N, C, H, W): each image shifted sideways as ``shift`` does."""
    lefts = draws.whole_numbers(2 * shift.max_shift)
    padded = functional.pad(images, (shift.max_shift, shift.max_shift, 0, 0), mode="reflect")
    return _windows(padded, images.shape[-2:], np.zeros_like(lefts), lefts)


def _reflected(images: np.ndarray, padding: int) -> np.ndarray:
    """(N, H, W, C) with a border of ``padding`` pixels, as ``numpy.pad`` does it, which takes as long as the rest."""
    if not padding:
        return images
    number, height, width, channels = images.shape
    padded = np.empty((number, height + 2 * padding, width + 2 * padding, channels), dtype=images.dtype)
    rows = padded[:, padding : padding + height]
    rows[:, :, padding : padding + width] = images
    rows[:, :, :padding] = images[:, :, padding:0:-1]
    rows[:, :, padding + width :] = images[:, :, -2 : -padding - 2 : -1]
    padded[:, :padding] = rows[:, padding:0:-1]
    padded[:, padding + height :] = rows[:, -2 : -padding - 2 : -1]
    return padded


def _windows(images: Tensor, size: torch.Size, tops: np.ndarray, lefts: np.ndarray) -> Tensor:
    """A part of ``size`` pixels of each image, from a row and a column of its own on."""
    windows = sliding_window_view(images.numpy(), tuple(size), (2, 3))
    return torch.from_numpy(windows[np.arange(len(images)), :, tops, lefts])
