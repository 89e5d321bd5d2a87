"""RandAugment without Pillow's detours: bit for bit the host's, from the same draws."""

from __future__ import annotations

import pickle
import random
from typing import Any

import numpy as np
import pytest
from PIL import Image
from semilearn.datasets.augmentation import RandAugment
from semilearn.datasets.augmentation import randaugment as host

from usb_negsamp.host.datasets.batches.rand_augment import ON_ARRAYS, ON_PICTURES, SameRandAugment


def pixels(number: int) -> np.ndarray:
    """Noise or a smooth image, of any size."""
    generator = np.random.default_rng(number)
    height, width = generator.integers(4, 40, 2)
    grain = generator.integers(0, 256, (height, width, 3) if number % 2 else (3, 4, 3), dtype=np.uint8)
    return np.asarray(Image.fromarray(grain).resize((width, height), Image.Resampling.BICUBIC))


def draws_after(seed: int, augment: Any, image: Any) -> tuple[np.ndarray, float, float]:
    random.seed(seed)
    np.random.seed(seed)
    return np.asarray(augment(image)), random.random(), np.random.rand()


def test_a_thousand_views() -> None:
    original = RandAugment(3, 5)
    ours = SameRandAugment(original)
    for seed in range(1000):
        picture = Image.fromarray(pixels(seed))
        expected, *expected_draws = draws_after(seed, original, picture)
        found, *found_draws = draws_after(seed, ours, picture)
        assert np.array_equal(found, expected), seed
        assert found_draws == expected_draws


@pytest.mark.parametrize("operation", [entry[0] for entry in RandAugment(3, 5).augment_list])
def test_every_operation(operation: Any) -> None:
    original = RandAugment(2, 5)
    original.augment_list = [entry for entry in original.augment_list if entry[0] is operation]
    ours = SameRandAugment(original)
    for seed in range(40):
        picture = Image.fromarray(pixels(seed))
        assert np.array_equal(draws_after(seed, ours, picture)[0], draws_after(seed, original, picture)[0])


def test_the_image_itself_stays_as_it_is() -> None:
    image = pixels(3)
    before = image.copy()
    for seed in range(20):
        SameRandAugment(RandAugment(3, 5)).changed(image, random.Random(seed), np.random.RandomState(seed).uniform)
    assert np.array_equal(image, before)


def test_pillows_tables_are_not_made(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: Any) -> None:
        raise AssertionError("a table in a loop of Python")

    for name in ("AutoContrast", "Equalize", "Posterize", "Solarize", "Contrast"):
        assert getattr(host, name) in {*ON_ARRAYS, *ON_PICTURES}
    monkeypatch.setattr(host.PIL.ImageOps, "_lut", refuse)
    ours = SameRandAugment(RandAugment(3, 5))
    for seed in range(50):
        draws_after(seed, ours, Image.fromarray(pixels(seed)))


@pytest.mark.parametrize("mode", ["L", "RGBA"])
def test_pictures_of_other_modes_go_to_the_host(mode: str) -> None:
    asked: list[Any] = []

    class Asked(RandAugment):
        def __call__(self, image: Any) -> Any:
            asked.append(image)
            return image

    picture = Image.new(mode, (8, 8))
    assert SameRandAugment(Asked(3, 5))(picture) is picture
    assert asked == [picture]
    assert not SameRandAugment.suits(Asked(3, 5))


def test_workers_can_be_sent_it() -> None:
    ours = SameRandAugment(RandAugment(3, 5))
    sent = pickle.loads(pickle.dumps(ours))
    picture = Image.fromarray(pixels(1))
    assert np.array_equal(draws_after(1, ours, picture)[0], draws_after(1, sent, picture)[0])
