"""``usb-negsamp predict`` and ``Run.predict``: odd images are looked at as the run's own, broken ones have a reason."""

from __future__ import annotations

import csv
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from one_line import assert_one_line, contents
from PIL import Image

import usb_negsamp
from usb_negsamp.data import load_source
from usb_negsamp.host.checkpoints.file import read_checkpoint, write_checkpoint
from usb_negsamp.run.cli.main import main

WriteConfig = Callable[..., str]
SHORT = {"num_train_iter": 4, "num_log_iter": 2, "num_eval_iter": 2, "img_size": 16, "validation_size": 60, "lr": 0.03}
OPEN = {"num_classes": 6, "seen_classes": 6, "mismatch_ratio": 0.5, "num_unlabeled": 300, "num_labels": 30}


def rows_of(file: str = "predictions.csv") -> list[dict[str, str]]:
    with open(file, newline="") as opened:
        return list(csv.DictReader(opened))


def odd_images(folder: Path) -> None:
    """Gray, with a palette, with transparency, of 16 bits, large, in a folder of its own, and two broken ones."""
    rng = np.random.default_rng(0)
    (folder / "more").mkdir(parents=True)
    Image.fromarray(rng.integers(0, 256, (40, 70), dtype=np.uint8)).save(folder / "gray.png")
    Image.fromarray(rng.integers(0, 256, (9, 9, 4), dtype=np.uint8)).save(folder / "clear.png")
    Image.fromarray(rng.integers(0, 65536, (30, 20)).astype(np.uint16)).save(folder / "deep.tiff")
    Image.fromarray(rng.integers(0, 256, (300, 200, 3), dtype=np.uint8)).save(folder / "more" / "photo.JPG", "JPEG")
    Image.fromarray(rng.integers(0, 256, (30, 30, 3), dtype=np.uint8)).convert("P").save(folder / "palette.gif")
    whole = (folder / "gray.png").read_bytes()
    (folder / "half.png").write_bytes(whole[: len(whole) // 2])
    (folder / "no image.png").write_text("hello")
    (folder / "notes.txt").write_text("hello")


@pytest.fixture
def run(write_config: WriteConfig) -> usb_negsamp.Run:
    assert main(["train", "--c", write_config(algorithm="supervised", **SHORT)]) == 0
    return usb_negsamp.Run("runs/one")


def test_images_of_any_size_and_mode_have_a_row_and_broken_ones_a_reason(
    run: usb_negsamp.Run, capsys: pytest.CaptureFixture[str]
) -> None:
    odd_images(Path("photos"))
    before = contents(run.path)
    capsys.readouterr()
    assert main(["predict", str(run.path), "photos"]) == 0
    assert contents(run.path) == before
    streams = capsys.readouterr()
    assert streams.out == "predictions.csv: 5 images, 2 could not be read\n"
    rows = {row["file"]: row for row in rows_of()}
    assert list(rows) == [
        "clear.png", "deep.tiff", "gray.png", "half.png", "more/photo.JPG", "no image.png", "palette.gif",
    ]  # fmt: skip
    assert list(rows["gray.png"]) == ["file", "class", "probability", "outlier_score", "error"]
    for name in ("half.png", "no image.png"):
        broken = rows.pop(name)
        assert f"cannot decode photos/{name} as an image: " in broken["error"]
        assert {broken[column] for column in ("class", "probability", "outlier_score")} == {""}
    for row in rows.values():
        assert row["class"] in "0123456789"
        assert row["error"] == ""
        assert 0.1 <= float(row["probability"]) <= 1
        assert float(row["outlier_score"]) == pytest.approx(1 - float(row["probability"]), abs=2e-6)


def test_every_form_of_the_same_images_is_predicted_alike(run: usb_negsamp.Run) -> None:
    test = load_source("digits", data_dir="nowhere", img_size=16).test
    assert test is not None
    pixels = test.images[:40]
    Path("digits").mkdir()
    files = [Path("digits", f"{number:03}.png") for number in range(len(pixels))]
    for file, image in zip(files, pixels, strict=True):
        Image.fromarray(image).save(file)
    tensor = torch.from_numpy(pixels).permute(0, 3, 1, 2).contiguous()
    network = run.network()
    expected = network(tensor).softmax(1).numpy()
    forms: list[Any] = [
        "digits",
        files,
        pixels,
        [Image.fromarray(image) for image in pixels],
        tensor,
        tensor.float() / 255,
    ]
    for images in forms:
        found = run.predict(images, progress=False)
        np.testing.assert_allclose(found.probs, expected, rtol=1e-5, atol=1e-7)
        assert found.labels.tolist() == expected.argmax(1).tolist()
        assert found.names == [str(label) for label in expected.argmax(1)]
        assert (found.rejected, len(found), repr(found)) == (None, 40, "PredictedImages(40 images)")
    assert run.predict(pixels[0], progress=False).labels.tolist() == [expected[0].argmax()]
    assert run.predict("digits/000.png").files == ("000.png",)


def test_a_run_with_unseen_classes_rejects_below_its_threshold(
    write_config: WriteConfig, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["train", "--c", write_config(algorithm="supervised", **SHORT, **OPEN)]) == 0
    source = load_source("digits", data_dir="nowhere", img_size=16).test
    assert source is not None
    Path("digits").mkdir()
    for number, image in enumerate(source.images[:30]):
        Image.fromarray(image).save(f"digits/{number}.png")
    saved = read_checkpoint("runs/one/model_best.pth")
    assert saved["rejection"]["score"] == "max_softmax"
    probs = [float(row["probability"]) for row in _predicted("digits")]
    threshold = float(np.median(probs))
    for chosen, rejected in ((threshold, [prob < threshold for prob in probs]), (None, None)):
        write_checkpoint(
            {**saved, "rejection": {"score": "max_softmax", "threshold": chosen}}, "runs/one/model_best.pth"
        )
        capsys.readouterr()
        found = _predicted("digits")
        if rejected is None:
            assert {row["rejected"] for row in found} == {""}
            assert "no image is rejected" in capsys.readouterr().err
        else:
            assert [row["rejected"] == "true" for row in found] == rejected
            assert f"{sum(rejected)} of them rejected" in capsys.readouterr().out


def _predicted(folder: str) -> list[dict[str, str]]:
    assert main(["predict", "runs/one", folder, "--out", "found.csv"]) == 0
    return rows_of("found.csv")


def test_class_names_are_those_of_the_folders(write_config: WriteConfig) -> None:
    rng = np.random.default_rng(0)
    for name in ("cat", "dog"):
        Path(f"own/train/{name}").mkdir(parents=True)
        for number in range(12):
            Image.fromarray(rng.integers(0, 256, (20, 20, 3), dtype=np.uint8)).save(f"own/train/{name}/{number}.png")
    keys = {"dataset": "image_folder", "data_dir": "own", "num_classes": 2, "num_labels": 8, "validation_size": 4}
    assert main(["train", "--c", write_config(algorithm="supervised", **{**SHORT, **keys})]) == 0
    run = usb_negsamp.Run("runs/one")
    Path("own").rename("elsewhere")
    assert run.network().classes == ("cat", "dog")
    assert set(run.predict("elsewhere/train").names) <= {"cat", "dog"}


WRONG: tuple[tuple[list[str], str], ...] = (
    ([], "predict needs the folder of a run and one of images"),
    (["runs/one"], "predict needs the folder of a run and one of images"),
    (["runs/two", "empty"], "runs/two holds no run: expected its manifest.json"),
    (["runs/one", "nothing"], "nothing: expected a folder with images, or an image, but there is none"),
    (["runs/one", "empty"], "empty: expected images in it, but it holds none (known endings: .bmp"),
    (["runs/one", "empty", "--model", "spl"], "expected model_spl.pth (--model spl)"),
    (["runs/one", "empty", "--model", "lost"], "unknown --model 'lost'; did you mean 'last'?"),
    (["runs/one", "empty", "--out", "no/such/file.csv"], "--out: expected a file in a folder that is there"),
    (["runs/one", "empty", "--device", "gpu"], "unknown device 'gpu'; did you mean"),
)


def test_what_cannot_be_predicted_is_one_line(run: usb_negsamp.Run, capsys: pytest.CaptureFixture[str]) -> None:
    Path("empty").mkdir()
    capsys.readouterr()
    for words, line in WRONG:
        assert_one_line(["predict", *words], line, Path(), capsys)


def test_images_of_no_known_form_are_one_line(run: usb_negsamp.Run) -> None:
    for images, line in (
        (torch.zeros(2, 3, 8, 8), r"images: expected a tensor \(N, 3, 16, 16\), but got \(2, 3, 8, 8\)"),
        (3, "expected a folder, files, PIL images"),
        (np.zeros((2, 5, 5, 3)), r"image 0: expected a file, .* in uint8, but got float64 \(5, 5, 3\)"),
        ([], "expected at least one image"),
    ):
        with pytest.raises(usb_negsamp.ConfigError, match=line):
            run.predict(images)
    found = run.predict([Image.new("F", (5, 5)), Image.new("1", (5, 5))], progress=False)
    assert (found.errors[0], found.labels[0]) == (
        "cannot take the image: floating-point pixels; save it with 8 or 16 bits a channel",
        -1,
    )
    assert (found.errors[1], found.labels[1] >= 0) == ("", True)
    with pytest.raises(usb_negsamp.ConfigError, match="unknown device 'gpu'"):
        run.predict(np.zeros((5, 5), dtype=np.uint8), device="gpu")
