"""Every configuration file resolves, builds and trains ten steps, on a few random images of its data set's classes."""

from __future__ import annotations

import itertools
import logging
import math
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import usb_negsamp
from usb_negsamp.algorithms import WRAPPERS
from usb_negsamp.data import HOST_SOURCES, SOURCES, ImageArrays, ImageSource
from usb_negsamp.errors import ConfigError
from usb_negsamp.host import Hook, device
from usb_negsamp.host.build import build_algorithm
from usb_negsamp.known_classes import CLASSES_OF_SOURCE
from usb_negsamp.run.cli.main import main
from usb_negsamp.run.configuration.checks import check
from usb_negsamp.run.configuration.headers import FIELDS, read_header
from usb_negsamp.run.configuration.packaged import packaged_configs
from usb_negsamp.run.configuration.presets import split_name
from usb_negsamp.run.configuration.processes import Process
from usb_negsamp.run.configuration.resolution import Resolved, Sources, resolve
from usb_negsamp.run.report.config_tables import config_tables
from usb_negsamp.testing import seed_everything
from usb_negsamp.yaml_file import read_yaml

ROOT = Path(__file__).parents[3]
usb_negsamp.register()
CONFIGS = [f"config/{name}.yaml" for name in packaged_configs()]

# These keep their own network; the others get small_cnn, which is enough to go through their code.
OWN_NETWORK = (
    "config/ns3l/table1_cifar10_vat_ns3l.yaml",
    "config/ns3l/table4_svhn_250_mixmatch_ns3l.yaml",
)
IMG_SIZE = 16
IMAGES_PER_CLASS = 12
LARGEST = {
    "batch_size": 8,
    "uratio": 2,
    "num_last_evaluations": 2,
    "num_wu_iter": 2,
    "spl_rounds": 2,
    "spl_inner_steps": 2,
    "spl_outer_steps": 2,
}
"""A key that is larger in the file is cut to this."""

NUM_CLASSES = {**CLASSES_OF_SOURCE, "image_folder": 200}
"""By data set; image folders are TinyImageNet's, or a user's own."""

TAGS = {
    "ns3l": {"train/ns3l_loss", "train/ns3l_negatives"},
    "dnll": {"train/dnll_agreement", "train/dnll_different_negatives"},
    "fixastep": {"train/fixastep_labeled_loss", "train/fixastep_kept"},
    "spl": set(),
    "cl": {"train/cl_round", "train/cl_selected"},
    "mtc": {"train/mtc_domain_loss", "train/mtc_kept"},
}
"""What a wrapper logs in the training steps; SPL works after them."""
WITHOUT_UNLABELED_LOSS = ("supervised", "fullysupervised", "cl", *WRAPPERS)


def random_source(name: str) -> ImageSource:
    """As many classes as the data set has, a few images each."""
    num_classes = NUM_CLASSES.get(name, 10)
    rng = np.random.default_rng(0)

    def part(per_class: int, labeled: bool = True) -> ImageArrays:
        targets = np.arange(num_classes * per_class) % num_classes
        images = rng.integers(0, 256, (len(targets), IMG_SIZE, IMG_SIZE, 3), dtype=np.uint8)
        return ImageArrays(images, targets.astype(np.int64) if labeled else np.full(len(targets), -1))

    return ImageSource(
        name=name,
        classes=tuple(f"class {label}" for label in range(num_classes)),
        train=part(IMAGES_PER_CLASS),
        unlabeled=part(4, labeled=False) if name == "stl10" else None,
        validation=None,
        test=part(2),
        mean=(0.5, 0.5, 0.5),
        std=(0.25, 0.25, 0.25),
        horizontal_flip=True,
        folds=tuple(np.arange(20) + 10 * number for number in range(10)) if name == "stl10" else (),
    )


@pytest.fixture
def random_images(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every source is a few random images; nothing is read or downloaded."""

    def noise(name: str, data_dir: Any, img_size: Any) -> Any:
        return random_source(name)

    for registry in (SOURCES, HOST_SOURCES):
        for name in registry:
            monkeypatch.setitem(registry, name, partial(noise, name))


def resolved(path: str, **changes: Any) -> Resolved:
    return resolve(Sources(path, {**of_file(path), "device": "cpu", **changes}, {}))


def of_file(path: str) -> dict[str, Any]:
    """What the file gives and, where it is for folders of anybody's that say it themselves, a number of classes."""
    values = read_yaml(ROOT / path)
    of_folders = {} if values.get("dataset") != "image_folder" else {"num_classes": NUM_CLASSES["image_folder"]}
    return {**of_folders, **values}


def shrunken(path: str, save_dir: Path) -> Resolved:
    """The file's run in ten steps, on :func:`random_source`."""
    full = resolved(path)
    values = full.mapping
    num_classes = NUM_CLASSES.get(values["dataset"], 10)
    changes: dict[str, Any] = {
        "save_dir": str(save_dir),
        "epoch": 1,
        "num_train_iter": 10,
        "num_eval_iter": 10,
        "num_log_iter": 1,
        "eval_batch_size": 256,
        "num_workers": 0,
        "use_tensorboard": False,
        "img_size": IMG_SIZE,
        "num_labels": 2 * values["num_classes"],
    }
    changes.update({key: min(values[key], most) for key, most in LARGEST.items() if values.get(key) is not None})
    if path not in OWN_NETWORK:
        changes["net"] = "small_cnn"
    if values["validation_size"]:
        changes["validation_size"] = 2 * num_classes
    elif values["dataset"] in HOST_SOURCES and not (values["preprocessing"] or values["augmentation"]):
        changes["preprocessing"] = "mean_std"  # ours instead of the host's loader, which reads its files itself
    if values.get("num_unlabeled"):
        changes["num_unlabeled"] = 2 * num_classes
    if "lr_decay_iters" in full.given:
        changes["lr_decay_iters"] = [5]
    return resolved(path, **changes)


class Recorder(Hook):
    """Keeps what each step logged."""

    settings_only = True

    def __init__(self) -> None:
        self.losses: list[float] = []
        self.logged: list[dict[str, Any]] = []

    def after_train_step(self, algorithm: Any) -> None:
        self.losses.append(float(algorithm.out_dict["loss"].detach()))
        self.logged.append(dict(algorithm.log_dict))


@pytest.mark.parametrize("path", CONFIGS)
def test_a_config_trains_ten_steps(path: str, tmp_path: Path, random_images: None) -> None:
    run = shrunken(path, tmp_path)
    check(run.args, Process(), run.given)
    device.select("cpu")
    seed_everything(run.args.seed)
    algorithm, _ = build_algorithm(run.args, logging.getLogger(__name__))
    recorder = Recorder()
    algorithm.register_hook(recorder, "Recorder", "LOWEST")
    steps = 0 if getattr(run.args, "spl_ablation", None) == "no_pretraining" else 10
    for stage in ("warmup", "train", "finetune"):
        if hasattr(algorithm, stage):
            getattr(algorithm, stage)()
        if stage == "train":
            assert (algorithm.it, len(recorder.losses)) == (10, steps)
    assert all(map(math.isfinite, recorder.losses))

    base, wrappers = split_name(run.args.algorithm, WRAPPERS)
    expected = {"train/sup_loss"}.union(*(TAGS[name] for name in {*wrappers, base} & set(TAGS)))
    if base not in WITHOUT_UNLABELED_LOSS:
        expected.add("train/unsup_loss")
    for key, tag in (("dnll_weight", "train/dnll_cross_loss"), ("dnll_self_weight", "train/dnll_self_loss")):
        if getattr(run.args, key, 0.0) > 0:
            expected.add(tag)
    # MTC begins with its second task alone. SPL's own steps, after these ten, log what is SPL's.
    first = math.ceil(10 * run.args.mtc_warm_up) if base == "mtc" else 0
    for logged in recorder.logged[first:steps]:
        assert expected <= logged.keys()
        assert all(math.isfinite(logged[tag]) for tag in expected)


def test_the_seed_of_the_split_is_the_fold_of_stl10(tmp_path: Path, random_images: None) -> None:
    run = shrunken("config/ns3l/table5_stl10_1000_mixmatch_ns3l.yaml", tmp_path)
    run.args.split_seed = 3
    algorithm, _ = build_algorithm(run.args, logging.getLogger(__name__))
    source = random_source("stl10")
    assert np.array_equal(algorithm.dataset_dict["train_lb"].data, source.train.images[source.folds[3]])
    assert len(algorithm.dataset_dict["train_ulb"]) == len(source.train) - 20 + 40


@pytest.mark.parametrize("path", CONFIGS)
def test_a_config_asks_for_what_can_be_and_for_nothing_that_is_not_read(path: str) -> None:
    run = resolved(path)
    check(run.args, Process(), run.given)
    assert run.notes == []
    if "save_name" in run.given:
        assert run.args.save_name == Path(path).stem


@pytest.mark.parametrize("path", CONFIGS)
def test_a_header_says_paper_expectation_time_and_a_command_that_names_the_file(path: str) -> None:
    header = read_header(ROOT / path)
    assert f"--c {path}" in header.command
    assert header.command.startswith("usb-negsamp train ")
    assert all((header.title, header.paper, header.expected, header.time))


@pytest.mark.parametrize("path", [path for path in CONFIGS if path.startswith(("config/ns3l/", "config/classic_cv/"))])
def test_what_a_file_repeats_of_the_papers_values_is_what_its_preset_says(path: str) -> None:
    own = {"ns3l_threshold"} if "table6" in path else set()
    repeated = read_yaml(ROOT / path).keys() & {"ulb_loss_ratio", "ns3l_threshold", "ns3l_weight"} - own
    given = {key: value for key, value in read_yaml(ROOT / path).items() if key not in repeated}
    filled = resolve(Sources(path, given, {})).mapping
    assert {key: filled[key] for key in repeated} == {key: resolved(path).mapping[key] for key in repeated}


ROWS = {
    # Three data sets and eight methods; VAT + Pseudo-Label is Table 2's alone, beside those of Table 1.
    "ns3l": {"Table 1": 24, "Table 2": 8, "Table 3": 4, "Table 4": 4, "Table 5": 2, "Table 6": 10, "Figure 3": 36},
    "dnll": {
        "Table 1": 15,
        "Table 2": 10,
        "Table 3": 8,
        "Table 4": 6,
        "Table 5": 8,
        "Table 6": 4,
        "Table 7": 3,
        "Figure 4": 2,
        "Figure 5": 2,
        "Figure 6": 4,
        "Figure 7": 5,
        "Figure 8": 3,
    },
    # Table 1 has 40 rows at two mismatches, Table 2 four of CL at eight.
    # Figure 2 nine methods on two data sets at seven, Figure 3 eleven ratios.
    "spl": {"Table 1": 80, "Table 2": 32, "Table 3": 21, "Figure 2": 126, "Figure 3": 11, "Figure 4": 1},
}


@pytest.mark.parametrize("paper", ROWS)
def test_every_row_of_a_paper_has_a_file_or_is_one_of_its_variants(paper: str) -> None:
    headers = [read_header(ROOT / path) for path in CONFIGS if f"/{paper}/" in path]
    rows = [place for header in headers for place in header.tables]
    rows += [place for header in headers for variant in header.variants for place in variant.tables]
    assert {place: rows.count(place) for place in rows} == ROWS[paper]


@pytest.mark.parametrize("path", [path for path in CONFIGS if read_header(ROOT / path).variants])
def test_every_variant_of_a_file_can_be_and_is_another_run(path: str) -> None:
    runs = [resolved(path).mapping]
    for variant in read_header(ROOT / path).variants:
        run = resolve(Sources(path, {**read_yaml(ROOT / path), "device": "cpu"}, dict(variant.keys)))
        check(run.args, Process(), run.given)
        assert run.notes == []
        runs.append(run.mapping)
    of_variants = (
        runs[1:] if "ns3l_threshold" in str(read_header(ROOT / path).variants) else runs
    )  # the grid holds the file's own values
    assert all(one != other for one, other in itertools.combinations(of_variants, 2))


def test_dnll_s_tables_of_negatives_have_all_their_cells() -> None:
    paths = [path for path in CONFIGS if "/dnll/" in path]
    cells = {
        (run.args.dnll_selection, run.args.dnll_num_negatives, run.args.dnll_weight, run.args.dnll_self_weight)
        for run in (resolved(path) for path in paths if {"Table 5", "Table 6"} & set(read_header(ROOT / path).tables))
    }
    both = ("equal", "error_perception")
    assert cells == {(selection, m, 2.0, 0.0) for selection in both for m in (1, 2, 3, 4)} | {
        (selection, 3, 0.0, 2.0) for selection in both
    }


def write(folder: Path, name: str, *lines: str) -> Path:
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("\n".join([*lines, "algorithm: vat", "# Time: not of the header"]), encoding="utf-8")
    return path


def test_a_table_has_a_row_for_each_file_of_a_folder(tmp_path: Path) -> None:
    rest = ("# Expected: 1.5 ± .1% error. More words.", "# Time:     an hour.", "# Command:  usb-negsamp train")
    write(tmp_path, "top.yaml", "# Not listed.", "# Paper:    A, B.", *rest)
    write(
        tmp_path,
        "a/two.yaml",
        "# Two, on",
        "# lines.",
        "# Paper:    Some, Table 2, x; the same in",
        "#   Table 10.",
        *rest,
    )
    write(tmp_path, "a/none.yaml", "# None of a table.", "# Paper:    A, B.", *rest)
    text = config_tables(tmp_path)
    row = "| [`a/two`](a/two.yaml) | Two, on lines | 1.5 ± .1% error |"
    head = "| config | what | expected |\n|---|---|---|\n"
    assert f"## Some, Table 2\n\n{head}{row}\n\n## Some, Table 10\n\n{head}{row}" in text
    assert f"## A, B\n\n{head}| [`a/none`](a/none.yaml) | None of a table | 1.5 ± .1% error |" in text
    assert "top" not in text


def test_list_configs_prints_the_names_or_the_tables(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["list", "configs"]) == 0
    names = capsys.readouterr().out.splitlines()
    assert {"vat_ns3l_digits", "ns3l/table1_cifar10_ns3l"} <= set(names)
    assert all((ROOT / "config" / f"{name}.yaml").is_file() for name in names)
    assert main(["list", "configs", "--markdown"]) == 0
    assert capsys.readouterr().out == config_tables() + "\n"


@pytest.mark.parametrize("missing", FIELDS)
def test_a_header_without_one_of_its_parts_is_one_line(missing: str, tmp_path: Path) -> None:
    lines = [f"# {field}: something" for field in FIELDS if field != missing]
    path = write(tmp_path, "a/one.yaml", "# What it is.", *lines)
    with pytest.raises(ConfigError, match=rf"one.yaml has no {missing}: in the comment at its top$"):
        read_header(path)
