"""What sweeps are asked, and which runs that makes."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from made_sweeps import WriteConfig, plan_of
from one_line import assert_one_line

from usb_negsamp.run.cli.main import main

WRONG: list[tuple[list[str], str]] = [
    ([], "nothing to sweep: give --grid key=value,value"),
    (["--grid"], "--grid needs a value"),
    (["--grid", "lr"], "--grid: expected key=value,value, but got 'lr'"),
    (["--grid", "=1"], "--grid: expected key=value,value, but got '=1'"),
    (["--grid", "lr="], "--grid: lr has no values; expected lr=value,value"),
    (["--grid", "lr=1,,2"], "--grid: lr has an empty value in 'lr=1,,2'"),
    (["--grid", "lr=1", "lr=2"], "--grid: lr is given twice"),
    (["--grid", "save_name=a,b"], "--grid: save_name cannot be varied"),
    (["--grid", "lr=1,2", "--lr", "3"], "lr is given in the grid and as --lr"),
    (["--grid", "ns3l_treshold=0.01"], "unknown key 'ns3l_treshold'; did you mean 'ns3l_threshold'?"),
    (
        ["--grid", "ns3l_weight=1,much"],
        "--grid ns3l_weight=much: ns3l_weight: expected a number of at least 0, but got 'much'",
    ),
    (
        ["--grid", "ns3l_threshold=0.01,0.2"],
        "ns3l_threshold=0.2: ns3l_threshold: expected a number above 0",
    ),
    (["--grid", "lr=1,-2", "momentum=0.5"], "--grid lr=-2 momentum=0.5: lr: expected a number above 0, but got -2"),
    (["--grid", "lr=1,1.0"], "--grid: a combination is there twice"),
    (["--algorithms", "vat_ns3l,vat_ns3"], "unknown algorithm 'vat_ns3'; did you mean 'vat_ns3l'?"),
    (["--algorithms", "vat", "--grid", "algorithm=vat_ns3l"], "--grid: algorithm is given twice"),
    (["--seeds", "0"], "--seeds: expected a whole number of at least 1, but got 0"),
    (["--seeds", "some"], "--seeds: expected a whole number of at least 1, but got 'some'"),
    (["--seeds", "2", "--seed", "1", "--split_seed", "1"], "--seeds sets seed and split_seed, but both are given"),
    (["--seeds", "2", "--jobs", "0"], "jobs: expected a whole number of at least 1, but got 0"),
    (["--seeds", "2", "--load_path", "x.pth"], "--load_path belongs to a single run"),
    (["--seeds", "2", "--save_name", "a/b"], "save_name: expected the name of the sweep's folder, but got 'a/b'"),
    (["--seeds", "2", "--epochs", "3"], "unknown key 'epochs'; did you mean 'epoch'?"),
    (["--seeds", "2", "--slurm", "gpu"], "--slurm: expected name=value,name=value"),
]


@pytest.mark.parametrize(
    ("words", "message"), WRONG, ids=lambda value: " ".join(value) if isinstance(value, list) else ""
)
def test_a_bad_grid_is_one_line_and_nothing_is_written(
    words: list[str], message: str, write_config: WriteConfig, work_dir: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["sweep", "--c", write_config(), *words]) == 2
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 1
    assert lines[0].startswith("usb-negsamp: error: ")
    assert message in lines[0]
    assert [path.name for path in work_dir.iterdir()] == ["run.yaml"]


@pytest.mark.parametrize(
    "words",
    [["sweep", "--help"], ["report", "--help"], ["sweep", "--seeds", "0"], ["sweep", "--c", "absent.yaml"]],
    ids=str,
)
def test_help_and_the_first_mistakes_load_nothing_heavy(words: list[str]) -> None:
    code = f"import sys; from usb_negsamp.run.cli.main import main; main({words!r}); print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert not {"torch", "semilearn", "numpy", "scipy", "matplotlib"} & set(done.stdout.splitlines()[-1].split())


def test_an_error_of_the_file_itself_does_not_blame_the_grid(
    write_config: WriteConfig, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["sweep", "--c", write_config(batch_size=0), "--grid", "lr=0.1,0.3"]) == 2
    assert capsys.readouterr().err == "usb-negsamp: error: batch_size: expected a whole number above 0, but got 0\n"


@pytest.mark.parametrize("obstacle", ["runs/run_sweep", "runs/run_sweep/results.csv", "runs/run_sweep/.lock"])
def test_what_lies_where_the_sweep_writes_is_one_line_and_left(
    obstacle: str, write_config: WriteConfig, work_dir: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = work_dir / obstacle
    path.parent.mkdir(parents=True)
    path.symlink_to(path)
    assert_one_line(["sweep", "--c", write_config(), "--seeds", "2"], f"{obstacle} is a link that", work_dir, capsys)


def test_all_combinations_run_with_all_seeds_each_in_its_own_folder(write_config: WriteConfig) -> None:
    plan = plan_of(write_config, "--grid", "ns3l-threshold=0.01,0.02", "ns3l_weight=0.3,1,3", "--seeds", "2")
    assert len(plan.runs) == 12
    assert plan.directory == Path("runs/run_sweep")
    first = plan.runs[0]
    assert first.name == "ns3l_threshold=0.01_ns3l_weight=0.3_seed=0"
    assert first.directory == Path("runs/run_sweep") / first.name
    assert first.point == {"ns3l_threshold": 0.01, "ns3l_weight": 0.3}
    assert {(run.config["seed"], run.config["split_seed"]) for run in plan.runs} == {(0, 0), (1, 1)}
    assert len({run.directory for run in plan.runs}) == 12
    assert plan.grid == {"ns3l_threshold": (0.01, 0.02), "ns3l_weight": (0.3, 1.0, 3.0)}


def test_what_a_run_is_told_is_what_was_checked(write_config: WriteConfig) -> None:
    from usb_negsamp.run.configuration import resolution as configuration

    for run in plan_of(write_config, "--grid", "lr=0.1,3e-3", "--seeds", "1", "--epoch", "1", "--curve").runs:
        assert configuration.resolve(configuration.read_sources(run.argv)).mapping == run.config


@pytest.mark.parametrize(
    ("fixed", "seeds", "folder"),
    [
        (["--seed", "7"], [(7, 0), (7, 1)], "split_seed=1"),
        (["--split_seed", "7"], [(0, 7), (1, 7)], "seed=1"),
        (["--grid", "split_seed=3"], [(0, 3), (1, 3)], "split_seed=3_seed=1"),
    ],
)
def test_a_seed_that_is_fixed_stays(
    fixed: list[str], seeds: list[tuple[int, int]], folder: str, write_config: WriteConfig
) -> None:
    plan = plan_of(write_config, "--seeds", "2", *fixed)
    assert [(run.config["seed"], run.config["split_seed"]) for run in plan.runs] == seeds
    assert plan.runs[1].name == folder


def test_without_seeds_the_files_own_seed_is_taken(write_config: WriteConfig) -> None:
    plan = plan_of(write_config, "--algorithms", "vat,vat_ns3l", seed=5)
    assert [(run.name, run.config["seed"]) for run in plan.runs] == [("algorithm=vat", 5), ("algorithm=vat_ns3l", 5)]
