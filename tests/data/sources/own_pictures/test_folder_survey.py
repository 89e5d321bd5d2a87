"""What is counted of a folder of pictures, and what is found wrong in it."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from usb_negsamp import ConfigError
from usb_negsamp.data.sources.own_pictures.survey import survey


def save(path: Path, mode: str = "RGB", size: tuple[int, int] = (12, 9)) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new(mode, size).save(path)
    return path


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Two classes of three and one pictures, one for test, and two without a label."""
    for number in range(3):
        save(tmp_path / "train" / "cat" / f"{number}.png")
    save(tmp_path / "train" / "dog" / "1.jpg", "CMYK", (30, 40))
    save(tmp_path / "test" / "dog" / "1.bmp", "L")
    save(tmp_path / "unlabeled" / "1.png", "RGBA", (1, 1))
    frames = [Image.new("L", (5, 5), shade) for shade in (0, 90, 180)]
    frames[0].save(tmp_path / "unlabeled" / "2.gif", save_all=True, append_images=frames[1:])
    return tmp_path


def test_classes_parts_sizes_modes_and_formats_are_counted(folder: Path) -> None:
    found = survey(folder)
    assert (found.problem, found.bad) == (None, [])
    assert found.classes == ("cat", "dog")
    assert found.counts == {"train": [3, 1], "test": [0, 1]}
    assert found.num_unlabeled == 2
    assert found.sizes == {(12, 9): 4, (30, 40): 1, (1, 1): 1, (5, 5): 1}
    of_gif = found.modes - Counter({"RGB": 3, "CMYK": 1, "L": 1, "RGBA": 1})
    assert of_gif.total() == 1  # gray or with a palette, as Pillow's version says
    assert found.formats == {"PNG": 4, "JPEG": 1, "BMP": 1, "GIF": 1}
    assert (found.num_animated, found.number) == (1, 7)


def test_every_bad_file_of_every_part_is_named(folder: Path) -> None:
    random = np.random.default_rng(0).integers(0, 256, (40, 40, 3), dtype=np.uint8)
    Image.fromarray(random).save(folder / "train" / "dog" / "half.jpg")
    whole = (folder / "train" / "dog" / "half.jpg").read_bytes()
    (folder / "train" / "dog" / "half.jpg").write_bytes(whole[: len(whole) // 2])
    (folder / "unlabeled" / "text.png").write_text("no picture")
    found = survey(folder)
    assert [bad.file.name for bad in found.bad] == ["half.jpg", "text.png"]
    assert "truncated" in found.bad[0].reason
    assert found.number == 7


def test_a_folder_that_cannot_be_listed_is_looked_at_all_the_same(folder: Path) -> None:
    (folder / "train" / "cow").mkdir()
    found = survey(folder)
    assert found.problem is not None
    assert "cow" in found.problem
    assert (found.classes, found.number) == ((), 7)


def test_labels_of_a_file_are_counted(folder: Path) -> None:
    (folder / "labels.csv").write_text("file,label\ntrain/cat/0.png,a\ntrain/cat/1.png,b\ntest/dog/1.bmp,b\n")
    found = survey(folder, folder / "labels.csv")
    assert (found.counts, found.num_unlabeled) == ({"train": [1, 1], "test": [0, 1]}, 4)


def test_a_folder_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"no folder .*nowhere; expected one with pictures"):
        survey(tmp_path / "nowhere")
