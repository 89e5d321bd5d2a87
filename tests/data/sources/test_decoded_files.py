"""Decoded pictures that a folder keeps are those that are decoded, as long as the files are the same."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from usb_negsamp import ConfigError
from usb_negsamp.data.sources import decoded_files
from usb_negsamp.data.sources.decoded_files import decode_once
from usb_negsamp.data.sources.decoding import Decoded, decode_readable
from usb_negsamp.data.sources.image_folder import load_image_folder
from usb_negsamp.data.sources.own_pictures.options import FolderOptions

SIZE = 8


@pytest.fixture
def files(tmp_path: Path) -> list[Path]:
    random = np.random.default_rng(0)
    (tmp_path / "pictures").mkdir()
    found = [tmp_path / "pictures" / f"{number}.png" for number in range(5)]
    for number, file in enumerate(found):
        Image.fromarray(random.integers(0, 256, (20 + number, 30, 3), dtype=np.uint8)).save(file)
    return found


@pytest.fixture
def decoded_anew(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How many files were decoded, each time that some were."""
    numbers: list[int] = []

    def counting(files: list[Path], img_size: int, into: np.ndarray) -> Decoded:
        numbers.append(len(files))
        return decode_readable(files, img_size, into)

    monkeypatch.setattr(decoded_files, "decode_readable", counting)
    return numbers


def kept_in(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_a_second_time_nothing_is_decoded_and_the_pixels_are_the_same(
    files: list[Path], tmp_path: Path, decoded_anew: list[int]
) -> None:
    folder, right = tmp_path / "new" / "kept", decode_readable(files, SIZE)
    for _ in range(2):
        images, places, bad = decode_once(files, SIZE, folder)
        assert np.array_equal(images, right.images)
        assert np.array_equal(places, right.places)
        assert places.dtype == right.places.dtype
        assert bad == []
    assert decoded_anew == [5]
    assert len(kept_in(folder)) == 1


def test_who_writes_into_the_images_writes_into_no_file(files: list[Path], tmp_path: Path) -> None:
    for _ in range(2):
        decode_once(files, SIZE, tmp_path / "kept").images[:] = 0
    assert np.array_equal(decode_once(files, SIZE, tmp_path / "kept").images, decode_readable(files, SIZE).images)


@pytest.mark.parametrize("change", ["pixels", "time", "order", "one less", "size", "Pillow"])
def test_other_files_another_size_or_another_pillow_are_decoded_anew(
    change: str, files: list[Path], tmp_path: Path, decoded_anew: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    folder, size = tmp_path / "kept", SIZE
    decode_once(files, size, folder)
    if change == "pixels":
        Image.new("RGB", (30, 20), (1, 2, 3)).save(files[2])
    elif change == "time":
        os.utime(files[2], ns=(0, 1))
    elif change == "order":
        files = files[::-1]
    elif change == "one less":
        files = files[1:]
    elif change == "size":
        size = SIZE + 1
    else:
        monkeypatch.setattr("PIL.__version__", "0.0")
    assert np.array_equal(decode_once(files, size, folder).images, decode_readable(files, size).images)
    assert decoded_anew == [5, len(files)]
    assert len(kept_in(folder)) == 2


@pytest.mark.parametrize("share", [0.0, 0.01, 0.5, 0.99])
def test_a_file_that_was_cut_short_is_made_anew(
    share: float, files: list[Path], tmp_path: Path, decoded_anew: list[int]
) -> None:
    folder = tmp_path / "kept"
    decode_once(files, SIZE, folder)
    kept = folder / kept_in(folder)[0]
    whole = kept.read_bytes()
    kept.write_bytes(whole[: int(share * len(whole))])
    assert np.array_equal(decode_once(files, SIZE, folder).images, decode_readable(files, SIZE).images)
    assert decoded_anew == [5, 5]
    assert kept.read_bytes() == whole


def test_with_a_bad_file_nothing_is_kept_until_it_is_mended(files: list[Path], tmp_path: Path) -> None:
    folder, pixels = tmp_path / "kept", files[1].read_bytes()
    files[1].write_text("no picture")
    images, places, bad = decode_once(files, SIZE, folder)
    assert [one.file for one in bad] == [files[1]]
    assert places.tolist() == [0, 2, 3, 4]
    assert np.array_equal(images, decode_readable(files, SIZE).images)
    assert kept_in(folder) == []
    files[1].write_bytes(pixels)
    assert decode_once(files, SIZE, folder).bad == []
    assert len(kept_in(folder)) == 1


def test_a_file_that_is_gone_is_a_bad_one(files: list[Path], tmp_path: Path) -> None:
    files[3].unlink()
    assert [one.file for one in decode_once(files, SIZE, tmp_path / "kept").bad] == [files[3]]


def test_a_full_disk_is_one_line_and_leaves_nothing(
    files: list[Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(descriptor: int, start: int, length: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "posix_fallocate", full)
    with pytest.raises(ConfigError, match=r"decoded_dir: expected a folder with room.*kept.*No space left on device"):
        decode_once(files, SIZE, tmp_path / "kept")
    assert kept_in(tmp_path / "kept") == []


def test_a_folder_that_cannot_be_made_is_one_line_before_anything_is_decoded(
    files: list[Path], decoded_anew: list[int]
) -> None:
    with pytest.raises(ConfigError, match=r"decoded_dir: expected.*but got /dev/null/there: .*Not a directory"):
        decode_once(files, SIZE, Path("/dev/null/there"))
    assert decoded_anew == []


def test_a_training_that_is_stopped_while_it_decodes_leaves_nothing(
    files: list[Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def stopped(*arguments: object, **keywords: object) -> Decoded:
        raise KeyboardInterrupt

    monkeypatch.setattr(decoded_files, "decode_readable", stopped)
    with pytest.raises(KeyboardInterrupt):
        decode_once(files, SIZE, tmp_path / "kept")
    assert kept_in(tmp_path / "kept") == []


def test_a_source_is_the_same_and_never_lazy_where_a_folder_keeps_its_pictures(
    files: list[Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for part, chosen in (("train/cat", files[:2]), ("train/dog", files[2:4]), ("unlabeled", files[4:])):
        (tmp_path / "set" / part).mkdir(parents=True)
        for file in chosen:
            (tmp_path / "set" / part / file.name).write_bytes(file.read_bytes())
    right = load_image_folder(tmp_path / "set", SIZE)
    monkeypatch.setattr("usb_negsamp.data.sources.image_folder.memory_of_machine", lambda: 1)
    for _ in range(2):
        source = load_image_folder(tmp_path / "set", SIZE, FolderOptions(decoded_dir=tmp_path / "kept"))
        assert (source.mean, source.std, source.notes) == (right.mean, right.std, right.notes)
        for part in ("train", "unlabeled"):
            found, wanted = getattr(source, part), getattr(right, part)
            assert isinstance(found.images, np.memmap)
            assert np.array_equal(found.images, wanted.images)
            assert np.array_equal(found.targets, wanted.targets)
