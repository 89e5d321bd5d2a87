"""RandAugment's operations against Pillow's, bit for bit, on images of any size and colors."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image, ImageDraw, ImageEnhance, ImageOps

from usb_negsamp.data.views import rand_augment as ours


@st.composite
def images(draw: Any) -> np.ndarray:
    """Few pixels or many, of all values, of a narrow range, or of one in a channel."""
    height, width = draw(st.integers(1, 40)), draw(st.integers(1, 40))
    generator = np.random.default_rng(draw(st.integers(0, 2**32)))
    low = generator.integers(0, 256, 3)
    high = draw(st.sampled_from([low, np.minimum(low + 3, 255), np.full(3, 255)]))
    pixels = generator.integers(low, high + 1, (height, width, 3), dtype=np.uint16).astype(np.uint8)
    gray = draw(st.booleans())
    return np.repeat(pixels[..., :1], 3, axis=2) if gray else pixels


def same(pixels: np.ndarray, found: np.ndarray, expected: Image.Image) -> None:
    assert found.dtype == np.uint8
    assert found.shape == pixels.shape
    assert np.array_equal(found, np.asarray(expected))


OPERATIONS: dict[str, tuple[Callable[[np.ndarray], np.ndarray], Callable[[Image.Image], Image.Image]]] = {
    "auto_contrast": (ours.auto_contrast, ImageOps.autocontrast),
    "equalize": (ours.equalize, ImageOps.equalize),
}


@pytest.mark.parametrize("name", OPERATIONS)
@given(pixels=images())
def test_stretching_and_spreading(name: str, pixels: np.ndarray) -> None:
    operation, of_pillow = OPERATIONS[name]
    before = pixels.copy()
    same(pixels, operation(pixels), of_pillow(Image.fromarray(pixels)))
    assert np.array_equal(pixels, before)


@given(pixels=images(), bits=st.integers(1, 8))
def test_posterize(pixels: np.ndarray, bits: int) -> None:
    same(pixels, ours.posterize(pixels, bits), ImageOps.posterize(Image.fromarray(pixels), bits))


@given(pixels=images(), threshold=st.floats(0, 256) | st.integers(0, 256))
def test_solarize(pixels: np.ndarray, threshold: float) -> None:
    # Pillow takes fractions too, which it does not declare, and which the host gives it.
    of_pillow: Callable[[Image.Image, float], Image.Image] = ImageOps.solarize  # type: ignore[assignment]
    same(pixels, ours.solarize(pixels, threshold), of_pillow(Image.fromarray(pixels), threshold))


@given(pixels=images(), factor=st.floats(0, 2))
def test_contrast(pixels: np.ndarray, factor: float) -> None:
    picture = Image.fromarray(pixels)
    same(pixels, np.asarray(ours.contrast(picture, factor)), ImageEnhance.Contrast(picture).enhance(factor))


@given(pixels=images(), side=st.floats(0.001, 25), column=st.floats(0, 40), row=st.floats(0, 40))
def test_cut_out(pixels: np.ndarray, side: float, column: float, row: float) -> None:
    height, width = pixels.shape[:2]
    column, row = min(column, width), min(row, height)
    picture = Image.fromarray(pixels)
    left, top = int(max(0, column - side / 2)), int(max(0, row - side / 2))
    box = (left, top, min(width, left + side), min(height, top + side))
    ImageDraw.Draw(picture).rectangle(box, (125, 123, 114))
    found = pixels.copy()
    ours.cut_out(found, side, column, row)
    same(pixels, found, picture)
