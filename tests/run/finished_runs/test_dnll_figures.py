"""Pictures of runs with two networks, and the command that draws them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from matplotlib import image

from usb_negsamp.functional import negative_error_rate
from usb_negsamp.host.evaluation.network_features import ImageLabels, NetworkFeatures, features_of_run
from usb_negsamp.run.cli.main import main
from usb_negsamp.run.figures import embedding as figures_embedding
from usb_negsamp.run.figures.embedding import draw_embeddings, embedding
from usb_negsamp.run.figures.negatives_curve import (
    AGREEMENT,
    DIFFERENT,
    LABEL_ERROR,
    LARGEST_NUMBER_OF_POINTS,
    NEGATIVE_ERROR,
    Point,
    draw_negatives,
    points_of,
    ratios_so_far,
)
from usb_negsamp.run.records.metrics import read_metrics
from usb_negsamp.testing import build_tiny, train_tiny

WriteConfig = Callable[..., str]


def record(it: int, label_error: float | None = 0.3, negative_error: float | None = 0.1) -> dict[str, Any]:
    found = {"it": it, "train/sup_loss": 1.0, AGREEMENT: 0.5, DIFFERENT: 0.9}
    return found if label_error is None else {**found, LABEL_ERROR: label_error, NEGATIVE_ERROR: negative_error}


def test_many_logged_iterations_are_averaged_and_few_are_not() -> None:
    few = points_of([record(10, 0.2, 0.1), record(20, 0.4, 0.1)])
    assert [(point.it, point.label_error, point.ratio) for point in few] == [(10, 0.2, 0.5), (20, 0.4, 0.25)]
    many = points_of([record(it, label_error=(it % 2) / 2) for it in range(1, 601)])
    assert len(many) == LARGEST_NUMBER_OF_POINTS
    assert all(point.label_error == pytest.approx(0.25) for point in many)
    assert many[0].it == pytest.approx(5.5)


def test_a_line_of_an_evaluation_is_no_point_and_a_run_without_dnll_has_none() -> None:
    assert points_of([{"it": 5, "eval/top-1-acc": 0.5}]) == []
    assert len(points_of([record(5), {"it": 6, "eval/top-1-acc": 0.5}])) == 1


def test_no_ratio_where_no_pseudo_label_is_wrong() -> None:
    right = Point(1, 0.9, 0.9, 0.0, 0.0)
    assert right.ratio is None
    assert ratios_so_far([right]) == []
    assert ratios_so_far([right, Point(2, 0.9, 0.9, 0.2, 0.1), Point(3, 0.9, 0.9, None, None)]) == [(2, 0.5)]


@pytest.mark.parametrize("num_negatives", [1, 9])
def test_the_curve_draws_known_and_unknown_errors(num_negatives: int, tmp_path: Path) -> None:
    path = tmp_path / "negatives.png"
    heights = []
    for records in ([record(10), record(20)], [record(10, None), record(20, None)]):
        assert draw_negatives(records, path, "a run", num_classes=10, num_negatives=num_negatives)
        heights.append(image.imread(path).shape[0])
    assert heights[0] > heights[1], "three panels with true labels, one without"
    assert [found.name for found in tmp_path.iterdir()] == ["negatives.png"]


def test_without_dnll_nothing_is_drawn(tmp_path: Path) -> None:
    assert not draw_negatives([{"it": 1, "train/sup_loss": 1.0}], tmp_path / "negatives.png", "a run", 10, 1)
    assert list(tmp_path.iterdir()) == []


def test_the_embedding_is_of_the_seed_and_keeps_classes_apart() -> None:
    rng = np.random.default_rng(0)
    labels = np.repeat([0, 1], 30)
    features = (rng.normal(size=(60, 8)) + 30 * labels[:, None]).astype(np.float32)
    found = embedding(features, seed=1)
    assert found.shape == (60, 2)
    assert np.array_equal(found, embedding(features, seed=1))
    centers = [found[labels == label].mean(0) for label in (0, 1)]
    spread = max(found[labels == label].std() for label in (0, 1))
    assert np.linalg.norm(centers[0] - centers[1]) > spread
    assert embedding(features[:4], seed=0).shape == (4, 2)


def test_classes_have_names_in_the_picture_and_unseen_ones_are_crosses(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    figures: list[Any] = []
    monkeypatch.setattr(figures_embedding, "write_picture", lambda figure, path: figures.append(figure))
    labels = np.repeat([0, 1, 2], 5)
    network = NetworkFeatures("first network", np.eye(15, dtype=np.float32), np.zeros(15, dtype=np.int64))
    images = ImageLabels(labels, 2, ("cat", "dog", "truck"))
    draw_embeddings([network], images, tmp_path / "tsne.png", "a run", seed=0)
    [figure] = figures
    [panel] = figure.axes
    assert panel.get_title() == "first network: 50.0% of 10 test images of seen classes right"
    assert figure.get_suptitle() == "a run; crosses: classes without labels"
    [legend] = figure.legends
    assert [text.get_text() for text in legend.get_texts()] == ["cat", "dog", "truck, unseen"]
    shapes = [len(found.get_paths()[0].vertices) for found in panel.collections]
    assert shapes[0] == shapes[1] != shapes[2]


def test_features_of_an_open_set_run_are_of_seen_and_unseen_test_images(tmp_path: Path) -> None:
    keys = {"num_classes": 6, "num_labels": 30, "seen_classes": [2, 3, 4, 5, 6, 7], "mismatch_ratio": 0.5}
    short = {"num_train_iter": 2, "num_eval_iter": 2, "num_log_iter": 1, "num_unlabeled": 100, **keys}
    trained = train_tiny("supervised", tmp_path, **short)
    checkpoint = Path(trained.save_dir) / trained.save_name / "latest_model.pth"
    [network], images = features_of_run(trained, checkpoint, num_images=1000, seed=0)
    assert images.names == ("2", "3", "4", "5", "6", "7", "0", "1", "8", "9")
    assert images.num_seen == 6
    assert set(images.labels) == set(range(10))
    assert len(network.features) == len(images.labels) == 355


def test_features_are_those_of_the_averaged_weights_of_both_networks(tmp_path: Path) -> None:
    short = {"num_train_iter": 4, "num_eval_iter": 2, "num_log_iter": 1}
    trained = train_tiny("dnll", tmp_path, **short)
    checkpoint = Path(trained.save_dir) / trained.save_name / "latest_model.pth"
    fresh = build_tiny("dnll", tmp_path / "fresh", **short)
    networks, images = features_of_run(fresh, checkpoint, num_images=1000, seed=0)
    labels = images.labels
    assert images.names == tuple("0123456789")
    figures = trained.evaluate("test")
    assert len(labels) == len(trained.dataset_dict["test"])
    for network, name in zip(networks, ("first", "peer"), strict=True):
        assert network.features.shape == (len(labels), trained.model.num_features)
        assert (network.predictions == labels).mean() == pytest.approx(figures[f"test/{name}_acc"])
    some, of_some = features_of_run(fresh, checkpoint, num_images=20, seed=3)
    assert len(of_some.labels) == 20
    again, _ = features_of_run(fresh, checkpoint, num_images=20, seed=3)
    assert np.array_equal(some[0].features, again[0].features)


def test_the_error_rate_of_negatives_over_a_run_is_near_the_theorems(tmp_path: Path) -> None:
    m, every = 4, {"num_train_iter": 12, "num_eval_iter": 6, "num_log_iter": 1}
    errors: list[tuple[float, float]] = []
    algorithm = build_tiny("dnll", tmp_path, **every, dnll_num_negatives=m, batch_size=32)
    hook = algorithm.hooks_dict["DNLLHook"]
    couple = hook.couple

    def noted(first: Any, peer: Any) -> None:
        couple(first, peer)
        errors.append((first.log_dict[LABEL_ERROR].item(), first.log_dict[NEGATIVE_ERROR].item()))

    hook.couple = noted
    algorithm.train()
    label_error, negative_error = np.mean(errors, axis=0)
    # 12 steps of 2 x 64 samples: the standard deviation is at most 0.5 / sqrt(1536) = 0.013.
    assert negative_error == pytest.approx(negative_error_rate(float(label_error), 10, m), abs=0.05)


@pytest.mark.parametrize(("algorithm", "with_negatives"), [("dualstudent_dnll", True), ("supervised", False)])
def test_the_command_draws_into_the_runs_folder(
    algorithm: str, with_negatives: bool, write_config: WriteConfig, capsys: pytest.CaptureFixture[str]
) -> None:
    short = {"num_train_iter": 4, "num_log_iter": 1, "num_eval_iter": 2, "img_size": 16, "validation_size": 60}
    assert main(["train", "--c", write_config(algorithm=algorithm, **short)]) == 0
    run = Path("runs/one")
    assert (run / "negatives.png").exists() == with_negatives, "drawn at the end of the training"
    before = {path.name: path.read_bytes() for path in run.iterdir() if path.is_file() and path.suffix != ".png"}
    capsys.readouterr()
    assert main(["figure", str(run), "--images", "50", "--seed=2"]) == 0
    names = ["negatives.png", "tsne.png"] if with_negatives else ["tsne.png"]
    assert capsys.readouterr().out.split() == [str(run / name) for name in names]
    widths = image.imread(run / "tsne.png").shape[1]
    assert (widths > 1000) == with_negatives, "a panel for each network"
    assert {name: (run / name).read_bytes() for name in before} == before
    if with_negatives:
        assert LABEL_ERROR in read_metrics(run / "metrics.jsonl")[-1]
    # A new run in its place does not keep the old pictures.
    assert main(["train", "--c", write_config(algorithm="supervised", **short), "--overwrite"]) == 0
    assert not (run / "negatives.png").exists()


@pytest.mark.parametrize(
    ("words", "line"),
    [
        ([], "figure needs the folder of a run"),
        (["nowhere"], "nowhere holds no run: expected its manifest.json"),
        (["nowhere", "--imges", "5"], "unknown option '--imges'; did you mean '--images'"),
        (["nowhere", "--images"], "--images needs a value"),
        (["nowhere", "--images", "2000"], "--images: expected a number from 10 to 1000, but got 2000"),
        (["nowhere", "--seed", "-1"], "--seed: expected a whole number of at least 0, but got -1"),
    ],
)
def test_a_wrong_request_is_one_line(
    words: list[str], line: str, work_dir: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["figure", *words]) == 2
    error = capsys.readouterr().err
    assert line in error
    assert error.count("\n") == 1


def test_help(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["figure", "--help"]) == 0
    assert "tsne.png" in capsys.readouterr().out
