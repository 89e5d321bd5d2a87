"""Preprocessing of all images at once, against the formulas written out in float64."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
import torch
from PIL import Image

from usb_negsamp import ConfigError
from usb_negsamp.data import GCNZCA, ImageArrays, ImageSource, evaluation_transform, fit_preprocessing, load_source

# Neighboring pixels that go together, as in pictures; whitening is to take that away.
SMOOTH = np.random.default_rng(0).normal(size=(300, 4, 4, 3)).repeat(2, axis=1).repeat(2, axis=2)
NOISE = np.random.default_rng(1).normal(size=(300, 8, 8, 3))
IMAGES = np.clip(128 + 50 * SMOOTH + 15 * NOISE, 0, 255).astype(np.uint8)


@pytest.fixture(scope="module")
def source() -> ImageSource:
    """The digits' source with other pictures: 300 training images of 8x8."""
    digits = load_source("digits", data_dir=".", img_size=8)
    return dataclasses.replace(digits, train=ImageArrays(IMAGES, np.zeros(300, dtype=np.int64)))


def straightforward(training: np.ndarray, images: np.ndarray) -> np.ndarray:
    """The published formula, channels first, in float64."""

    def normalized(part: np.ndarray) -> np.ndarray:
        flat = part.transpose(0, 3, 1, 2).reshape(len(part), -1).astype(np.float64)
        flat = flat - flat.mean(axis=1, keepdims=True)
        norm = np.sqrt((flat**2).sum(axis=1, keepdims=True))
        norm[norm < 1e-10] = 1
        return 55 * flat / norm

    reference = normalized(training)
    covariance = np.cov(reference, rowvar=False)
    u, s, _ = np.linalg.svd(covariance + 0.1 * np.eye(len(covariance)))
    whitening = u @ np.diag(1 / np.sqrt(s + 1e-10)) @ u.T
    result = (normalized(images) - reference.mean(axis=0)) @ whitening
    return result.reshape(len(images), 3, *images.shape[1:3])


def test_whitened_images_are_those_of_the_formula() -> None:
    new = IMAGES[::-1][:50]
    whitened = GCNZCA.fit(IMAGES)(new)
    assert whitened.dtype == np.float32
    assert whitened.shape == (50, 3, 8, 8)
    assert np.abs(whitened - straightforward(IMAGES, new)).max() < 1e-4


def test_the_chunks_do_not_show(monkeypatch: pytest.MonkeyPatch) -> None:
    whole = GCNZCA.fit(IMAGES)
    monkeypatch.setattr("usb_negsamp.data.views.preprocessing.IMAGES_PER_CHUNK", 7)
    parts = GCNZCA.fit(IMAGES)
    assert np.abs(whole(IMAGES) - parts(IMAGES)).max() < 1e-4
    assert whole.digest == parts.digest


def test_pixels_of_whitened_training_images_are_uncorrelated_where_they_vary() -> None:
    whitened = GCNZCA.fit(IMAGES)(IMAGES).reshape(300, -1)
    variances = np.linalg.eigvalsh(np.cov(whitened, rowvar=False))
    assert variances.max() < 1.0
    assert np.median(variances) > 0.8
    assert np.abs(whitened.mean(axis=0)).max() < 1e-4


def test_a_flat_image_has_no_contrast_and_stays_finite() -> None:
    preprocessing = GCNZCA.fit(IMAGES)
    flat = preprocessing(np.full((1, 8, 8, 3), 77, dtype=np.uint8))
    assert np.isfinite(flat).all()
    assert np.allclose(flat, straightforward(IMAGES, np.full((1, 8, 8, 3), 77, dtype=np.uint8)), atol=1e-4)


def test_the_digest_tells_training_images_apart() -> None:
    changed = IMAGES.copy()
    changed[0, 0, 0, 0] ^= 1
    assert GCNZCA.fit(changed).digest != GCNZCA.fit(IMAGES).digest
    assert GCNZCA.fit(IMAGES).digest == "648d33f110c482fb0d614757a3eca53e0cb5d5ebc6873be681e3fd3bc267f62a"


def test_statistics_come_from_all_training_images_of_the_source(source: ImageSource) -> None:
    assert fit_preprocessing("gcn_zca", source).digest == GCNZCA.fit(IMAGES).digest


def test_the_default_is_what_the_evaluation_view_does(source: ImageSource) -> None:
    scaled = fit_preprocessing("mean_std", source)(IMAGES)
    views = [evaluation_transform(source.mean, source.std)(Image.fromarray(image)) for image in IMAGES]
    assert np.abs(scaled - torch.stack(views).numpy()).max() < 1e-5
    assert scaled.dtype == np.float32


def test_minus_one_to_one_ends_at_minus_one_and_one(source: ImageSource) -> None:
    preprocessing = fit_preprocessing("minus_one_to_one", source)
    corners = np.array([0, 255], dtype=np.uint8).reshape(2, 1, 1, 1).repeat(3, axis=-1)
    assert preprocessing(corners).ravel().tolist() == [-1, -1, -1, 1, 1, 1]
    assert preprocessing.digest != fit_preprocessing("mean_std", source).digest


def test_an_unknown_preprocessing_names_the_nearest(source: ImageSource) -> None:
    with pytest.raises(ConfigError, match="did you mean 'gcn_zca'"):
        fit_preprocessing("gcnzca", source)


def test_images_that_cannot_be_whitened_are_refused() -> None:
    with pytest.raises(ConfigError, match="at least 2 training images, but got 1"):
        GCNZCA.fit(IMAGES[:1])
    with pytest.raises(ConfigError, match="up to 48x48 pixels, but got 96x96"):
        GCNZCA.fit(np.zeros((2, 96, 96, 3), dtype=np.uint8))
    with pytest.raises(ConfigError, match="192 values"):
        GCNZCA.fit(IMAGES)(IMAGES[:, :4])
