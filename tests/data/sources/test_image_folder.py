"""A user's own pictures: what is read, and each line that says what is wrong."""

from __future__ import annotations

import os
import shutil
import time
import warnings
from pathlib import Path

import numpy as np
import pytest
from PIL import EpsImagePlugin, Image

from usb_negsamp import ConfigError
from usb_negsamp.data import ImageSource, load_source
from usb_negsamp.data.sources.image_folder import load_image_folder
from usb_negsamp.data.sources.own_pictures.options import FolderOptions


def save(path: Path, mode: str = "RGB", size: tuple[int, int] = (40, 30), color: object = None) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    if mode == "I;16":
        Image.fromarray(np.full(size[::-1], color, dtype=np.uint16)).save(path)
    else:
        Image.new(mode, size, color).save(path)  # type: ignore[arg-type]


def load(folder: Path, img_size: int = 16) -> ImageSource:
    return load_source("image_folder", data_dir=folder, img_size=img_size)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Two classes of one picture each."""
    save(tmp_path / "train" / "cat" / "1.png", color=(255, 0, 0))
    save(tmp_path / "train" / "dog" / "1.png", color=(0, 0, 255))
    return tmp_path


def test_classes_are_sorted_folder_names_and_statistics_are_those_of_train(folder: Path) -> None:
    save(folder / "train" / "ant" / "1.jpg", color=(0, 0, 0))
    source = load(folder)
    assert source.classes == ("ant", "cat", "dog")
    assert source.train.targets.tolist() == [0, 1, 2]
    assert source.train.images.shape == (3, 16, 16, 3)
    assert source.mean == pytest.approx((1 / 3, 0.0, 1 / 3))
    assert source.std == pytest.approx((np.sqrt(2) / 3, 1.0, np.sqrt(2) / 3))
    assert source.validation is None
    assert source.test is None
    assert source.unlabeled is None
    assert source.horizontal_flip


@pytest.mark.parametrize(
    ("mode", "color", "name"),
    [
        ("RGB", (200, 200, 200), "a.png"),
        ("L", 200, "a.jpg"),
        ("L", 200, "a.JPEG"),
        ("RGBA", (200, 200, 200, 10), "a.png"),
        ("LA", (200, 10), "a.png"),
        ("I;16", 200 * 257, "a.png"),
        ("I;16", 200 * 257, "a.tif"),
        ("CMYK", (55, 55, 55, 0), "a.tif"),
        ("RGB", (200, 200, 200), "a.gif"),
        ("RGB", (200, 200, 200), "a.bmp"),
    ],
)
@pytest.mark.parametrize("size", [(16, 16), (7, 50), (64, 16)])
def test_every_mode_and_size_becomes_eight_bit_rgb(
    folder: Path, mode: str, color: object, name: str, size: tuple[int, int]
) -> None:
    save(folder / "train" / "dog" / name, mode, size, color)
    (folder / "train" / "dog" / "1.png").unlink()
    image = load(folder).train.images[1]
    assert image.shape == (16, 16, 3)
    assert np.abs(image.astype(int) - 200).max() <= 1


def test_the_center_is_kept_and_the_shorter_side_is_resized(folder: Path) -> None:
    wide = np.zeros((32, 96, 3), dtype=np.uint8)
    wide[:, 32:64] = 255
    Image.fromarray(wide).save(folder / "train" / "dog" / "1.png")
    image = load(folder).train.images[1]
    assert (image[:, 1:-1] == 255).all()


def test_the_camera_orientation_is_followed(folder: Path) -> None:
    pixels = np.zeros((16, 16, 3), dtype=np.uint8)
    pixels[:8] = 255
    exif = Image.Exif()
    exif[0x0112] = 3  # upside down
    Image.fromarray(pixels).save(folder / "train" / "dog" / "1.png", exif=exif)
    image = load(folder).train.images[1]
    assert image[:8].max() == 0
    assert image[8:].min() == 255


def test_unlabeled_pictures_lie_at_any_depth_and_have_no_label(folder: Path) -> None:
    save(folder / "unlabeled" / "1.png")
    save(folder / "unlabeled" / "cat" / "deep" / "2.png")
    source = load(folder)
    assert source.unlabeled is not None
    assert source.unlabeled.targets.tolist() == [-1, -1]
    assert len(source.unlabeled) == 2


def test_validation_and_test_may_lack_classes_and_keep_the_class_indices_of_train(folder: Path) -> None:
    save(folder / "val" / "dog" / "1.png")
    save(folder / "test" / "cat" / "1.png")
    save(folder / "test" / "dog" / "1.png")
    source = load(folder)
    assert source.validation is not None
    assert source.test is not None
    assert source.validation.targets.tolist() == [1]
    assert source.test.targets.tolist() == [0, 1]


def test_files_that_are_no_pictures_are_ignored(folder: Path) -> None:
    for name in (".DS_Store", "notes.txt", "._1.png"):
        (folder / "train" / "dog" / name).write_text("no picture")
    (folder / "train" / ".cache").mkdir()
    (folder / "train" / "labels.csv").write_text("no picture")
    assert len(load(folder).train) == 2


def one_line(folder: Path) -> str:
    with pytest.raises(ConfigError) as caught:
        load(folder)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_a_missing_folder_says_what_was_expected(tmp_path: Path) -> None:
    assert str(Path("train") / "CLASS" / "*") in one_line(tmp_path / "nowhere")


def test_one_class_is_too_few(folder: Path) -> None:
    shutil.rmtree(folder / "train" / "cat")
    assert "1 class folder(s), at least 2" in one_line(folder)


def test_pictures_without_class_folders_are_refused(tmp_path: Path) -> None:
    save(tmp_path / "train" / "1.png")
    assert "0 class folder(s)" in one_line(tmp_path)


def test_an_empty_class_is_named(folder: Path) -> None:
    (folder / "train" / "cow").mkdir()
    assert str(Path("train") / "cow") in one_line(folder)


def test_a_file_that_does_not_decode_is_named(folder: Path) -> None:
    (folder / "train" / "cat" / "broken.jpg").write_bytes(b"no picture")
    assert "broken.jpg" in one_line(folder)


def test_a_truncated_file_is_named(folder: Path) -> None:
    path = folder / "train" / "cat" / "half.png"
    Image.fromarray(np.random.default_rng(0).integers(0, 256, (32, 32, 3), dtype=np.uint8)).save(path)
    path.write_bytes(path.read_bytes()[:500])
    assert "half.png" in one_line(folder)


def test_all_files_that_do_not_decode_are_one_error(folder: Path) -> None:
    for name in ("train/cat/a.png", "train/dog/b.png", "unlabeled/c.png", "unlabeled/d.png"):
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_text("no picture")
    save(folder / "unlabeled" / "1.png")
    message = one_line(folder)
    assert message.startswith("cannot decode 4 files as images: ")
    assert [name in message for name in ("a.png", "b.png", "c.png", "d.png")] == [True, True, True, False]
    assert f"and 1 more; --skip_bad leaves such files out, `usb-negsamp doctor --data_dir {folder}`" in message


@pytest.mark.parametrize("lazy", [False, True])
def test_files_that_do_not_decode_are_left_out_where_that_is_asked(folder: Path, lazy: bool) -> None:
    for name in ("train/cat/0.png", "unlabeled/c.png", "val/dog/x.png"):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text("no picture")
    save(folder / "train" / "cat" / "2.png", color=(0, 255, 0))
    source = load_image_folder(folder, 16, FolderOptions(skip_bad=True, lazy=lazy))
    assert np.asarray(source.train.images)[:, 0, 0].tolist() == [[255, 0, 0], [0, 255, 0], [0, 0, 255]]
    assert source.train.targets.tolist() == [0, 0, 1]
    assert (source.unlabeled, source.validation) == (None, None)
    assert [line.split(": ")[1] for line in source.log] == [
        str(folder / name) for name in ("train/cat/0.png", "unlabeled/c.png", "val/dog/x.png")
    ]
    assert "left out: cannot decode 3 files as images" in source.notes[0]


@pytest.mark.parametrize("lazy", [False, True])
def test_a_class_of_bad_files_alone_is_named(folder: Path, lazy: bool) -> None:
    (folder / "train" / "dog" / "1.png").write_text("no picture")
    with pytest.raises(ConfigError, match="class dog has no training image that can be decoded"):
        load_image_folder(folder, 16, FolderOptions(skip_bad=True, lazy=lazy))
    (folder / "train" / "cat" / "1.png").write_text("no picture")
    with pytest.raises(ConfigError, match=r"none of the training images in .* can be decoded"):
        load_image_folder(folder, 16, FolderOptions(skip_bad=True, lazy=lazy))


def test_floating_point_pixels_are_refused(folder: Path) -> None:
    Image.new("F", (16, 16)).save(folder / "train" / "cat" / "float.tif")
    message = one_line(folder)
    assert "float.tif" in message
    assert "floating-point" in message


@pytest.mark.parametrize("part", ["val", "test"])
def test_a_class_that_train_lacks_names_the_nearest(folder: Path, part: str) -> None:
    save(folder / part / "dogs" / "1.png")
    message = one_line(folder)
    assert part in message
    assert "did you mean 'dog'?" in message


def test_a_validation_folder_without_classes_is_refused(folder: Path) -> None:
    (folder / "val").mkdir()
    assert "no class folders" in one_line(folder)


def test_an_unlabeled_folder_without_pictures_is_refused(folder: Path) -> None:
    (folder / "unlabeled").mkdir()
    assert "holds no images" in one_line(folder)


def test_a_link_to_a_folder_above_is_refused(folder: Path) -> None:
    (folder / "train" / "cat" / "again").symlink_to(folder, target_is_directory=True)
    message = one_line(folder)
    assert str(folder / "train" / "cat" / "again") in message
    assert "leads back to" in message


def test_two_folders_that_link_to_each_other_are_refused(
    folder: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    elsewhere = tmp_path_factory.mktemp("elsewhere")
    save(elsewhere / "2.png")
    (elsewhere / "back").symlink_to(folder / "train" / "cat", target_is_directory=True)
    (folder / "train" / "cat" / "more").symlink_to(elsewhere, target_is_directory=True)
    assert "leads back to" in one_line(folder)


def test_links_to_folders_and_files_elsewhere_are_followed(
    folder: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    elsewhere = tmp_path_factory.mktemp("elsewhere")
    save(elsewhere / "pool" / "deep" / "2.png")
    save(elsewhere / "3.png")
    (folder / "unlabeled").symlink_to(elsewhere / "pool", target_is_directory=True)
    (folder / "train" / "cat" / "3.png").symlink_to(elsewhere / "3.png")
    source = load(folder)
    assert len(source.train) == 3
    assert source.unlabeled is not None
    assert len(source.unlabeled) == 1


@pytest.mark.parametrize("second", ["train/cat/2.png", "train/dog/2.png", "val/cat/1.png", "test/cat/1.png"])
def test_a_labeled_file_under_two_names_is_refused_with_both(folder: Path, second: str) -> None:
    (folder / second).parent.mkdir(parents=True, exist_ok=True)
    (folder / second).symlink_to(folder / "train" / "cat" / "1.png")
    message = one_line(folder)
    assert str(folder / second) in message
    assert str(folder / "train" / "cat" / "1.png") in message


def test_a_linked_folder_brings_no_file_into_validation_that_is_in_train(folder: Path) -> None:
    (folder / "val").mkdir()
    (folder / "val" / "cat").symlink_to(folder / "train" / "cat", target_is_directory=True)
    assert "is the same file as" in one_line(folder)


def test_an_unlabeled_file_counts_once_and_not_where_it_has_a_label(folder: Path) -> None:
    save(folder / "unlabeled" / "1.png", color=(0, 255, 0))
    (folder / "unlabeled" / "2.png").symlink_to(folder / "unlabeled" / "1.png")
    (folder / "unlabeled" / "3.png").symlink_to(folder / "train" / "cat" / "1.png")
    source = load(folder)
    assert source.unlabeled is not None
    assert np.asarray(source.unlabeled.images)[:, 0, 0].tolist() == [[0, 255, 0]]
    assert source.notes == (f"left out of {folder / 'unlabeled'}, since their files are counted already: 2 names",)


def test_an_unlabeled_folder_of_labeled_files_alone_is_refused(folder: Path) -> None:
    (folder / "unlabeled").symlink_to(folder / "train", target_is_directory=True)
    assert "no other than those of train, val and test" in one_line(folder)


@pytest.mark.parametrize("name", ["train/cow", "train/cat/2.png", "val", "unlabeled", "test/cat"])
@pytest.mark.parametrize("circular", [False, True], ids=["broken", "circular"])
def test_a_link_that_leads_to_nothing_is_named(folder: Path, name: str, circular: bool) -> None:
    link = folder / name
    link.parent.mkdir(parents=True, exist_ok=True)
    link.symlink_to(link if circular else folder / "nowhere")
    assert str(link) in one_line(folder)


@pytest.mark.parametrize("name", ["train/cat/pipe.png", "unlabeled"])
def test_what_is_neither_file_nor_folder_is_refused_and_not_waited_for(folder: Path, name: str) -> None:
    os.mkfifo(folder / name)
    assert str(folder / name) in one_line(folder)


def test_postscript_that_calls_itself_a_jpeg_starts_no_program(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    started = []
    monkeypatch.setattr(EpsImagePlugin, "Ghostscript", lambda *call, **more: started.append(call))
    Image.new("RGB", (16, 16)).save(folder / "train" / "cat" / "2.jpg", format="EPS")
    message = one_line(folder)
    assert "2.jpg" in message
    assert "JPEG" in message
    assert not started


@pytest.mark.parametrize("height", [50, 80])
def test_more_pixels_than_pillow_takes_for_safe_are_refused(
    folder: Path, monkeypatch: pytest.MonkeyPatch, height: int
) -> None:
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 1250)  # Pillow itself warns above it, and refuses twice as many
    save(folder / "train" / "cat" / "huge.png", size=(40, height))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", Image.DecompressionBombWarning)
        message = one_line(folder)
    assert "huge.png" in message
    assert "pixels" in message


def test_a_thousand_small_jpegs_decode_in_seconds_and_in_order(tmp_path: Path) -> None:
    generator = np.random.default_rng(0)
    shades = generator.integers(0, 256, 1000)
    for index, shade in enumerate(shades):
        save(tmp_path / "train" / f"{index % 2}" / f"{index:04d}.jpg", "L", (32, 32), int(shade))
    start = time.perf_counter()
    source = load(tmp_path, img_size=32)
    assert time.perf_counter() - start < 10
    expected = np.concatenate([shades[0::2], shades[1::2]])
    assert np.abs(np.asarray(source.train.images).mean(axis=(1, 2, 3)) - expected).max() <= 1
