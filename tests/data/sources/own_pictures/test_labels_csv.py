"""Labels that a file gives: which pictures have which, and each line that says what is wrong."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image

from usb_negsamp import ConfigError
from usb_negsamp.data.sources.image_folder import load_image_folder
from usb_negsamp.data.sources.image_source import ImageSource
from usb_negsamp.data.sources.own_pictures.options import FolderOptions

PICTURES = {"a.png": 10, "deep/b.png": 20, "c.png": 30, "d.png": 40, "e.png": 50}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Five pictures, each of one shade."""
    for name, shade in PICTURES.items():
        save(tmp_path / "pictures" / name, shade)
    return tmp_path / "pictures"


def save(path: Path, shade: int) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("L", (8, 8), shade).save(path)


@pytest.fixture
def read(folder: Path, tmp_path: Path) -> Callable[[str], ImageSource]:
    """Read the pictures with labels in a file of that text."""

    def from_text(text: str) -> ImageSource:
        (tmp_path / "labels.csv").write_text(text, encoding="utf-8")
        return load_image_folder(folder, 8, FolderOptions(labels_csv=tmp_path / "labels.csv"))

    return from_text


def shades(source: ImageSource, part: str) -> list[int]:
    images = getattr(source, part).images
    return [int(images[number][0, 0, 0]) for number in range(len(images))]


def test_the_named_have_their_labels_and_the_rest_none(read: Callable[[str], ImageSource]) -> None:
    source = read("label,file,note\ndog,c.png,x\n cat , deep/b.png,y\ncat,a.png,\n")
    assert source.classes == ("cat", "dog")
    assert dict(zip(shades(source, "train"), source.train.targets.tolist(), strict=True)) == {10: 0, 20: 0, 30: 1}
    assert shades(source, "unlabeled") == [40, 50]
    assert (source.validation, source.test) == (None, None)


def test_a_byte_order_mark_and_rows_of_windows_are_read(read: Callable[[str], ImageSource]) -> None:
    assert read("\ufefffile,label\r\na.png,Hündin\r\nc.png,猫\r\n").classes == ("Hündin", "猫")


def test_where_all_are_named_there_is_no_pool(read: Callable[[str], ImageSource]) -> None:
    rows = "".join(f"{name},{number % 2}\n" for number, name in enumerate(PICTURES))
    assert read("file,label\n" + rows).unlabeled is None


def test_folders_val_and_test_are_parts_whose_labels_the_file_gives(
    folder: Path, read: Callable[[str], ImageSource]
) -> None:
    save(folder / "val" / "f.png", 60)
    save(folder / "test" / "cat" / "g.png", 70)
    source = read("file,label\na.png,cat\nc.png,dog\nval/f.png,dog\ntest/cat/g.png,dog\n")
    assert source.validation is not None
    assert source.test is not None
    assert (shades(source, "validation"), source.validation.targets.tolist()) == ([60], [1])
    assert (shades(source, "test"), source.test.targets.tolist()) == ([70], [1])
    assert len(source.train) == 2


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("", "expected the columns file,label, but got an empty file"),
        ("name;class\na.png;cat\n", "expected the columns file,label, but got name;class"),
        ("file,label\n", "expected rows, but got none"),
        ("file,label\na.png,cat\nc.png,\nd.png,  \n", "expected a label in every row, but got none in lines 3, 4"),
        ("file,label\na.png,cat\n,dog\n", "expected a file in every row, but got none in line 3"),
        ("file,label\na.png,cat\nc.png\n", "expected a label in every row, but got none in line 3"),
        ("file,label\na.png,cat\nx.png,dog\ny/z.png,dog\n", "but got x.png (line 3), y/z.png (line 4)"),
        (
            "file,label\na.png,cat\nc.png,dog\na.png,cat\n",
            "expected each file once, but got twice: a.png (lines 2 and 4)",
        ),
        ("file,label\na.png,cat\nc.png,dog\n./a.png,dog\n", "but got twice: ./a.png (lines 2 and 4)"),
        ("file,label\na.png,cat\nc.png,cat\n", "expected at least 2 classes, but all rows have the same label"),
        ("file,label\na.png,cat\n../labels.csv,dog\n", "names of pictures in"),
    ],
)
def test_what_is_wrong_is_one_line(read: Callable[[str], ImageSource], text: str, line: str) -> None:
    with pytest.raises(ConfigError) as caught:
        read(text)
    assert line in str(caught.value)
    assert "labels.csv" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_many_wrong_rows_are_counted_and_the_first_named(read: Callable[[str], ImageSource]) -> None:
    rows = "".join(f"no{number}.png,cat\n" for number in range(9))
    with pytest.raises(ConfigError, match=r"no0.png \(line 2\), no1.png \(line 3\), no2.png \(line 4\) and 6 more$"):
        read(f"file,label\na.png,dog\n{rows}".replace("a.png,dog\n", "") + "a.png,dog\n")


def test_a_picture_of_test_without_a_row_is_named(folder: Path, read: Callable[[str], ImageSource]) -> None:
    save(folder / "test" / "g.png", 70)
    with pytest.raises(ConfigError, match="expected a label of every picture in val and test, but got none of test/g"):
        read("file,label\na.png,cat\nc.png,dog\n")


def test_a_class_of_test_alone_is_named(folder: Path, read: Callable[[str], ImageSource]) -> None:
    save(folder / "test" / "g.png", 70)
    with pytest.raises(ConfigError, match="class cow has no training image"):
        read("file,label\na.png,cat\nc.png,dog\ntest/g.png,cow\n")


@pytest.mark.parametrize(("name", "words"), [("none.csv", "No such file"), ("", "Is a directory")])
def test_a_file_that_cannot_be_read_is_named(folder: Path, name: str, words: str) -> None:
    with pytest.raises(ConfigError, match=f"labels_csv: cannot read .*{words}"):
        load_image_folder(folder, 8, FolderOptions(labels_csv=folder / name))


def test_text_that_is_no_utf_8_is_refused(folder: Path) -> None:
    (folder / "labels.csv").write_bytes("file,label\na.png,Hündin\n".encode("latin-1"))
    with pytest.raises(ConfigError, match="expected text in UTF-8"):
        load_image_folder(folder, 8, FolderOptions(labels_csv=folder / "labels.csv"))
