"""Pictures that are decoded when they are asked for are those that are kept in memory."""

from __future__ import annotations

import pickle
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from usb_negsamp import ConfigError
from usb_negsamp.data.sources import image_folder
from usb_negsamp.data.sources.decoding import decode_images
from usb_negsamp.data.sources.image_folder import load_image_folder
from usb_negsamp.data.sources.images_in_files import ImagesInFiles
from usb_negsamp.data.sources.own_pictures.options import FolderOptions


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Random pictures of two classes and of none, a bad file among each."""
    random = np.random.default_rng(0)
    for part, number in (("train/cat", 5), ("train/dog", 4), ("unlabeled", 6), ("test/dog", 3)):
        (tmp_path / part).mkdir(parents=True)
        for index in range(number):
            image = Image.fromarray(random.integers(0, 256, (20 + index, 30, 3), dtype=np.uint8))
            image.save(tmp_path / part / f"{index}.png")
        (tmp_path / part / "0bad.png").write_text("no picture")
    return tmp_path


def test_every_index_gives_what_it_gives_of_the_decoded_array(folder: Path) -> None:
    files = sorted((folder / "unlabeled").glob("[0-9].png"))
    lazy, array = ImagesInFiles(files, 8), decode_images(files, 8)
    assert (lazy.shape, lazy.dtype, lazy.ndim, len(lazy)) == (array.shape, array.dtype, array.ndim, len(array))
    for places in (2, -1, slice(1, 4), slice(0, 0), np.array([5, 0, 5]), np.arange(6) % 2 == 0):
        assert np.array_equal(lazy[places], array[places])
    assert np.array_equal(pickle.loads(pickle.dumps(lazy))[:], array)
    with pytest.raises(IndexError):
        lazy[6]


def test_both_ways_read_the_same_source(folder: Path) -> None:
    eager, lazy = (
        load_image_folder(folder, 8, FolderOptions(None, skip_bad=True, lazy=lazy)) for lazy in (False, True)
    )
    assert isinstance(lazy.train.images, ImagesInFiles)
    assert (lazy.mean, lazy.std, lazy.classes, lazy.log) == (eager.mean, eager.std, eager.classes, eager.log)
    assert len(lazy.log) == 4
    for part in ("train", "unlabeled", "test"):
        one, other = getattr(eager, part), getattr(lazy, part)
        assert np.array_equal(one.images, np.asarray(other.images))
        assert np.array_equal(one.targets, other.targets)


def test_pictures_are_kept_where_they_take_up_to_half_of_the_memory(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    number = 5 + 4 + 6 + 3 + 4  # files that turn out bad count, since they are listed before they are opened
    for memory, is_lazy in ((2 * 3 * number * 8 * 8, False), (2 * 3 * number * 8 * 8 - 1, True)):
        monkeypatch.setattr(image_folder, "memory_of_machine", lambda memory=memory: memory)
        source = load_image_folder(folder, 8, FolderOptions(skip_bad=True))
        assert isinstance(source.train.images, ImagesInFiles) == is_lazy
        assert ("pictures are decoded each time they are asked for (lazy_images)" in source.notes) == is_lazy


def test_a_picture_that_is_gone_later_is_named(folder: Path) -> None:
    source = load_image_folder(folder, 8, FolderOptions(None, skip_bad=True, lazy=True))
    (folder / "train" / "cat" / "1.png").unlink()
    with pytest.raises(ConfigError, match=r"1\.png.*it could be decoded when the run began"):
        source.train.images[0:3]
