"""``usb-negsamp reproduce``: the runs of a paper's table, and the paper's figures beside theirs."""

from __future__ import annotations

import csv
import shlex
from pathlib import Path

import pytest
from one_line import assert_one_line
from yaml_text import yaml_text

from usb_negsamp.run.cli.main import main
from usb_negsamp.run.configuration import packaged
from usb_negsamp.run.configuration.resolution import read_sources, resolve
from usb_negsamp.run.sweep.papers.cited import CITED, Cited
from usb_negsamp.run.sweep.papers.rows import tables
from usb_negsamp.run.sweep.papers.scales import SCALES

HEADER = """\
# {title}.
# Paper:    Nobody, "Small Tables", nowhere, Table {table}.
# Expected: 12.5 ± 1.0% test error in the paper. Not measured here.
# Time:     seconds.
# Command:  usb-negsamp train --c config/small/{name}.yaml
"""
KEYS = {
    "dataset": "digits", "net": "small_cnn", "num_classes": 10, "num_labels": 40, "batch_size": 8, "num_train_iter": 4,
    "num_log_iter": 2, "num_eval_iter": 2, "img_size": 16, "validation_size": 60, "device": "cpu", "lr": 0.03,
    "use_tensorboard": False, "curve": False,
}  # fmt: skip
SPL = {"spl_mismatch": 0.3, "spl_rounds": 1, "spl_inner_steps": 2, "spl_outer_steps": 2}


@pytest.fixture
def small_tables(work_dir: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Two configurations of Table 1 and one of Table 2 of a paper, in the place of ours."""
    folder = work_dir / "config" / "small"
    folder.mkdir(parents=True)
    for name, table, keys in (
        ("table1_labels", 1, {"algorithm": "supervised"}),
        ("table1_repaired", 1, {"algorithm": "pseudolabel_spl", **SPL}),
        ("table2_labels", 2, {"algorithm": "supervised"}),
    ):
        header = HEADER.format(title=f"The one | of {name}", table=table, name=name)
        (folder / f"{name}.yaml").write_text(header + yaml_text({**KEYS, **keys, "save_name": name}))
    monkeypatch.setattr(packaged, "packaged_folder", lambda name: work_dir / name)
    return work_dir


def table_lines(text: str) -> list[list[str]]:
    """The cells of all lines of all parts of a table, without their heads."""
    parts = [part.splitlines() for part in text.strip().split("\n\n") if part.startswith("|")]
    return [cells(line) for part in parts for line in part[2:]]


def cells(line: str) -> list[str]:
    return [cell.strip() for cell in line.replace("\\|", "/").strip("|").split("|")]


def test_a_table_is_trained_and_shown_beside_the_paper_s_and_goes_on(
    small_tables: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    command = ["reproduce", "small/table1", "--seeds", "1", "--jobs", "2"]
    assert main(command) == 0
    printed = capsys.readouterr().out
    directory = Path("saved_models/small_table1")
    table = (directory / "table.md").read_text()
    assert table.strip() in printed
    with (directory / "results.csv").open(newline="") as file:
        rows = {row["algorithm"]: row for row in csv.DictReader(file)}
    labels, repaired = table_lines(table)
    assert "**digits, 40 labels of 10 classes, 60 validation images; small_cnn, 4 iterations**" in table
    assert labels[:3] == ["table1_labels", "The one / of table1_labels", "12.5 ± 1.0% test error in the paper"]
    accuracy = 100 * float(rows["supervised"]["test_acc_at_best"])
    shown = f"{100 - accuracy:.2f}% test error, {accuracy:.2f}% accuracy"
    assert labels[3:] == [f"{shown} (best on validation)", "1", ""]
    gained = accuracy
    accuracy = 100 * float(rows["pseudolabel_spl"]["spl_test_acc"])
    shown = f"{100 - accuracy:.2f}% test error, {accuracy:.2f}% accuracy"
    assert repaired[3:5] == [f"{shown} (what the run ends with)", "1"]
    assert repaired[5] == f"{gained - accuracy:+.2f} to table1_labels"
    assert main(command) == 0
    streams = capsys.readouterr()
    assert "2 runs, 2 finished before" in streams.err
    assert table.strip() in streams.out
    before = (directory / "results.csv").read_text().splitlines()
    assert main([*command, "--only", "labels"]) == 0
    assert sorted((directory / "results.csv").read_text().splitlines()) == sorted(before)


def test_the_commands_of_a_dry_run_are_those_of_the_table_and_nothing_is_written(
    work_dir: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["--only", "full,no_outer", "--dry-run", "--save_dir", "out", "--lr=0.01"]
    assert main(["reproduce", "spl/table3", *words]) == 0
    lines = [shlex.split(line) for line in capsys.readouterr().out.splitlines()]
    assert len(lines) == 2 * 3 * SCALES["full"].seeds  # three numbers of labels each
    assert all(line[:2] == ["usb-negsamp", "train"] for line in lines)
    args = [resolve(read_sources(line[2:])).args for line in lines]
    assert {found.spl_ablation for found in args} == {None, "no_outer"}
    assert [found.seed for found in args] == [found.split_seed for found in args] == [*range(5)] * 6
    assert [found.num_labels for found in args[::5]] == [2400, 600, 1200] * 2
    assert {found.lr for found in args} == {0.01}
    assert args[0].save_dir == "out/spl_table3/table3_cifar10_full"
    assert list(work_dir.iterdir()) == []


@pytest.mark.parametrize("name", ["small/table1_labels", "config/small/table1_labels.yaml"])
def test_one_configuration_can_be_named_in_the_place_of_a_table(
    name: str, small_tables: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["reproduce", name, "--seeds", "2", "--dry_run"]) == 0
    args = [resolve(read_sources(shlex.split(line)[2:])).args for line in capsys.readouterr().out.splitlines()]
    assert [found.seed for found in args] == [0, 1]
    assert {found.algorithm for found in args} == {"supervised"}
    assert {found.save_dir for found in args} == {"saved_models/small_table1_labels/table1_labels"}


def commands(capsys: pytest.CaptureFixture[str], *words: str) -> list[str]:
    """The configurations that a dry run names, each once."""
    assert main(["reproduce", *words, "--dry_run", "--seeds", "1"]) == 0
    lines = capsys.readouterr().out.splitlines()
    return [Path(resolve(read_sources(shlex.split(line)[2:])).args.save_dir).name for line in lines]


def test_only_takes_whole_words_of_names_or_a_whole_name(work_dir: Path, capsys: pytest.CaptureFixture[str]) -> None:
    of_cifar10 = commands(capsys, "ns3l/table1", "--only", "cifar10")
    assert len(of_cifar10) == 8
    assert all(name.startswith("table1_cifar10_") for name in of_cifar10)
    with_ns3l = commands(capsys, "ns3l/table1", "--only", "svhn_vat_ns3l,cifar100_pimodel")
    assert with_ns3l == ["table1_cifar100_pimodel", "table1_cifar100_pimodel_ns3l", "table1_svhn_vat_ns3l"]
    assert commands(capsys, "ns3l/table1", "--only", "table1_svhn_vat") == ["table1_svhn_vat"]


def test_runs_of_other_settings_stand_under_a_heading_of_their_own(
    small_tables: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = small_tables / "config/small/table1_repaired.yaml"
    path.write_text(path.read_text().replace("num_labels: 40", "num_labels: 20"))
    words = ["--seeds", "1", "--num_labels", "20", "--num_train_iter=2", "--curve", "false", "--split-seed", "0"]
    assert main(["reproduce", "small/table1", *words]) == 0, capsys.readouterr()
    table = Path("saved_models/small_table1/table.md").read_text()
    assert table.strip() in capsys.readouterr().out
    _, first, _, first_table, second, _, second_table = table.strip().split("\n\n")
    assert first == (
        "Not the paper's settings: num_labels 20, num_train_iter 2. The paper's figures are not of these runs."
    )
    assert cells(first_table.splitlines()[0]) == ["config", "in the paper", "measured", "n", "difference"]
    row, *others = (cells(line) for line in first_table.splitlines()[2:])
    assert (row[:2], row[3:], others) == (["table1_labels", "num_labels 40, num_train_iter 4"], ["1", ""], [])
    assert second.startswith("Not the paper's settings: num_train_iter 2. ")
    assert cells(second_table.splitlines()[2])[:2] == ["table1_repaired", "num_train_iter 4"]
    assert "12.5" not in table


def test_a_key_with_the_paper_s_own_value_changes_no_heading(
    small_tables: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["--only", "labels", "--seeds", "1", "--num_labels", "40", "--num_workers", "0"]
    assert main(["reproduce", "small/table1", *words]) == 0, capsys.readouterr()
    assert "Not the paper's settings" not in Path("saved_models/small_table1/table.md").read_text()
    assert "12.5" in Path("saved_models/small_table1/table.md").read_text()


def test_every_configuration_of_a_table_is_found_there() -> None:
    found = {path.stem for headers in tables().values() for path in headers if "table" in path.stem}
    assert found == {Path(name).stem for name in packaged.packaged_configs() if "/table" in name}
    assert {"ns3l/table1", "ns3l/table6", "dnll/table5", "spl/table3"} <= set(tables())


VARIANTS = """\
# Variants: --num_labels 20: 15.5% test error in the paper;
#           --num_labels 30 --lr 0.01 0.02 (Figure 4): no number in the paper
"""


@pytest.fixture
def with_variants(small_tables: Path) -> Path:
    """The same tables, one file of Table 1 with rows of fewer labels, and points of Figure 4."""
    path = small_tables / "config/small/table1_labels.yaml"
    path.write_text(path.read_text().replace("# Time:", f"{VARIANTS}# Time:"))
    return small_tables


def test_a_file_s_variants_are_rows_of_its_table_and_points_of_a_figure(
    with_variants: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert commands(capsys, "small/table1", "--only", "labels") == ["table1_labels", "table1_labels_num_labels=20"]
    points = [f"table1_labels_num_labels=30_lr={lr}" for lr in (0.01, 0.02)]
    assert commands(capsys, "small/figure4") == points
    assert main(["reproduce", "small/figure4", "--dry_run", "--seeds", "1"]) == 0
    lines = [shlex.split(line) for line in capsys.readouterr().out.splitlines()]
    found = [resolve(read_sources(line[2:])).args for line in lines]
    assert [(args.num_labels, args.lr) for args in found] == [(30, 0.01), (30, 0.02)]
    # The file by its name is all that it trains.
    assert len(commands(capsys, "small/table1_labels")) == 4


def test_a_variant_whose_key_is_given_for_all_is_no_row_of_its_own(
    with_variants: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert commands(capsys, "small/table1", "--only", "labels", "--num_labels", "30") == ["table1_labels"]
    assert_one_line(
        ["reproduce", "small/figure4", "--lr", "0.1"],
        "small/figure4 is the runs of several values of lr",
        with_variants,
        capsys,
    )


def test_a_variant_stands_beside_its_own_figure_and_under_its_own_heading(
    with_variants: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    command = ["reproduce", "small/table1", "--only", "labels", "--seeds", "1"]
    assert main(command) == 0, capsys.readouterr()
    first, second = table_lines(Path("saved_models/small_table1/table.md").read_text())
    assert [first[0], second[0]] == ["table1_labels", "table1_labels_num_labels=20"]
    assert second[1:3] == ["The one / of table1_labels, --num_labels 20", "15.5% test error in the paper"]
    assert first[3] != second[3]
    assert main([*command, "--lr", "0.02", "--overwrite"]) == 0, capsys.readouterr()
    table = Path("saved_models/small_table1/table.md").read_text()
    assert "\n\nNot the paper's settings: lr 0.02. " in table
    assert "table1_labels_num_labels=20 | lr 0.03" in table


def test_rows_that_are_only_cited_are_said_by_a_dry_run_and_stand_in_the_table(
    small_tables: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(CITED, "small/table2", (Cited("Other", "9.9% error"),))
    command = ["reproduce", "small/table2", "--seeds", "1"]
    assert main([*command, "--dry_run"]) == 0
    assert capsys.readouterr().out.splitlines()[1:] == ["cited: Other, 9.9% error"]
    assert main(command) == 0, capsys.readouterr()
    *_, last = Path("saved_models/small_table2/table.md").read_text().splitlines()
    assert cells(last) == ["Other", "9.9% error in the paper", "not trained here"]


def test_what_is_cited_is_of_a_table_that_there_is() -> None:
    assert CITED.keys() <= tables().keys()


def test_a_variant_that_says_no_figure_is_one_line(with_variants: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = with_variants / "config/small/table1_labels.yaml"
    path.write_text(path.read_text().replace("20: 15.5% test error in the paper", "20"))
    line = "expected variants as '--key value ...: what is expected' between ';', but got '--num_labels 20'"
    assert_one_line(["reproduce", "small/table1"], line, with_variants, capsys)


@pytest.mark.parametrize(
    ("words", "line"),
    [
        ([], "reproduce needs a table first, e.g. ns3l/table1"),
        (["small/tabel1"], "unknown table 'small/tabel1'; did you mean 'small/table1'"),
        (["small/table1_lables"], "unknown table 'small/table1_lables'; did you mean 'small/table1_labels'"),
        (["nothing"], "unknown table 'nothing'; expected one of: small/table1, small/table2"),
        (["small/table1", "--only", "vat"], "got 'vat'; there are table1_labels, table1_repaired"),
        (["small/table1", "--only", "label"], "between commas, but got 'label'; did you mean 'labels'"),
        (["small/table1", "--only", "labels,repared"], "but got 'repared'; did you mean 'repaired'"),
        (["small/table1", "--only", ","], "--only: expected names, or words of names, between commas, but got ''"),
        (["small/table1", "--only", "labels", "--only", "repaired"], "--only is given twice"),
        (["small/table1", "--scale", "smok"], "unknown --scale 'smok'; did you mean 'smoke'"),
        (["small/table1", "--scale", "short", "--scale", "smoke"], "--scale is given twice"),
        (["small/table1", "--save_name", "x"], "save_name cannot be given"),
        (["small/table1", "--lrr", "1"], "unknown key 'lrr'; did you mean 'lr'"),
        (["small/table1", "--seeds", "0"], "seeds: expected a whole number of at least 1, but got 0"),
        (["small/table1", "--spl_rounds", "2"], "spl_rounds"),
    ],
)
def test_a_wrong_request_is_one_line(
    words: list[str], line: str, small_tables: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert_one_line(["reproduce", *words], line, small_tables, capsys)


def test_help(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["reproduce", "--help"]) == 0
    assert "--dry_run" in capsys.readouterr().out
