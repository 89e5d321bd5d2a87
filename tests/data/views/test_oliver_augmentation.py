"""Views of images that are tensors already."""

from __future__ import annotations

import pickle

import pytest
import torch
from torch.nn import functional

from usb_negsamp import ConfigError
from usb_negsamp.data import TensorAugmentation, mixmatch_augmentation, oliver_augmentation

IMAGE = torch.randn(3, 32, 32, generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize("max_shift", [2, 4])
def test_every_shift_comes_and_reflects_what_lies_outside(max_shift: int) -> None:
    torch.manual_seed(0)
    padded = functional.pad(IMAGE, (max_shift,) * 4, mode="reflect")
    number = 2 * max_shift + 1
    crops = [padded[:, top : top + 32, left : left + 32] for top in range(number) for left in range(number)]
    augment = TensorAugmentation(False, max_shift, 0.0)
    shifts = []
    for _ in range(number**2 * 8):
        view = augment(IMAGE)
        matches = [index for index, crop in enumerate(crops) if torch.equal(view, crop)]
        assert len(matches) == 1
        shifts += matches
    assert set(shifts) == set(range(number**2))


def test_half_of_the_views_are_mirrored_where_that_is_allowed() -> None:
    torch.manual_seed(0)
    mirrored = TensorAugmentation(True, 0, 0.0)
    assert 60 < sum(torch.equal(mirrored(IMAGE), IMAGE.flip(-1)) for _ in range(200)) < 140
    assert torch.equal(TensorAugmentation(False, 0, 0.0)(IMAGE), IMAGE)


def test_noise_has_its_standard_deviation_and_leaves_the_image_as_it_was() -> None:
    torch.manual_seed(0)
    before = IMAGE.clone()
    noise = TensorAugmentation(False, 0, 0.15)(IMAGE) - IMAGE
    assert noise.std().item() == pytest.approx(0.15, rel=0.05)
    assert abs(noise.mean().item()) < 0.01
    assert torch.equal(IMAGE, before)


def test_a_seed_gives_one_view_and_the_number_of_draws_does_not_depend_on_their_outcome() -> None:
    augment = oliver_augmentation(horizontal_flip=True, noise=True)
    torch.manual_seed(5)
    first, after_first = augment(IMAGE), torch.rand(())
    torch.manual_seed(5)
    second, after_second = augment(IMAGE), torch.rand(())
    assert torch.equal(first, second)
    assert torch.equal(after_first, after_second)


def test_the_published_augmentations() -> None:
    assert oliver_augmentation(horizontal_flip=True, noise=True) == TensorAugmentation(True, 2, 0.15)
    assert oliver_augmentation(horizontal_flip=False, noise=False) == TensorAugmentation(False, 2, 0.0)
    assert mixmatch_augmentation(horizontal_flip=True) == TensorAugmentation(True, 4, 0.0)
    assert mixmatch_augmentation(horizontal_flip=True, max_shift=12) == TensorAugmentation(True, 12, 0.0)


def test_an_augmentation_travels_to_workers_of_a_data_loader() -> None:
    augment = pickle.loads(pickle.dumps(oliver_augmentation(horizontal_flip=True, noise=True)))
    view = augment(IMAGE)
    assert view.shape == (3, 32, 32)
    assert view.dtype == torch.float32


def test_what_cannot_be_done_is_refused() -> None:
    with pytest.raises(ConfigError, match="too large for an image of 2x32"):
        TensorAugmentation(False, 2, 0.0)(IMAGE[:, :2])
    with pytest.raises(ConfigError, match="expected at least 0"):
        TensorAugmentation(False, -1, 0.0)
    with pytest.raises(ConfigError, match="expected at least 0"):
        TensorAugmentation(False, 0, float("nan"))
