"""A run that has not finished has a page, too, which says why or how far."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from made_runs import make_run

from usb_negsamp.run.cli.main import main
from usb_negsamp.run.records.directory import is_occupied
from usb_negsamp.run.report.page.facts import read_run, runs_in


def test_a_run_at_work_says_how_far_it_is(work_dir: Path, occupied: Callable[[Path], None]) -> None:
    run = make_run(Path("one"), exit_reason=None, accuracy=None, iterations=100)
    assert read_run(run).state.kind == "killed"
    occupied(run)
    state = read_run(run).state
    assert (state.kind, state.sentence) == ("running", "The run is at work: 100 of 400 iterations (25%) so far.")


def test_looking_whether_a_run_is_at_work_neither_makes_nor_takes_its_lock(
    work_dir: Path, occupied: Callable[[Path], None]
) -> None:
    assert not is_occupied(work_dir)
    assert not (work_dir / ".lock").exists()
    occupied(work_dir)
    assert is_occupied(work_dir)


@pytest.mark.parametrize(
    ("reason", "kind", "sentence"),
    [
        (None, "killed", "The run has not said how it ended, 200 of 400 iterations (50%), and no process"),
        (
            "error: RuntimeError: no more",
            "crashed",
            "The run has failed, 200 of 400 iterations (50%): RuntimeError: no more",
        ),
        ("interrupted by SIGTERM", "interrupted", "The run was stopped, 200 of 400 iterations (50%): interrupted by"),
    ],
)
def test_a_run_that_ended_early_says_why(
    reason: str | None, kind: str, sentence: str, work_dir: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    make_run(Path("one"), exit_reason=reason, accuracy=None, iterations=200, log="first line\nlast line\n")
    assert main(["report", "one"]) == 0
    shown = capsys.readouterr()
    assert shown.out == ""
    assert shown.err.splitlines()[0] == "usb-negsamp: one has not finished: it stands in no table"
    state = read_run(Path("one")).state
    assert state.kind == kind
    assert state.sentence.startswith(sentence)
    text = Path("one/report.html").read_text()
    assert "last line" in text
    assert "usb-negsamp train --resume one" in text


def test_a_run_before_its_first_line_and_one_with_a_damaged_manifest_have_pages(work_dir: Path) -> None:
    for name in ("early", "damaged"):
        run = make_run(Path(name), exit_reason=None, accuracy=None, iterations=0)
    (run / "manifest.json").write_text('{"config": ')
    (run / "results.csv").write_text("nothing,of,ours\n")
    early, damaged = read_run(Path("early")), read_run(run)
    assert early.missing == ("Nothing was logged yet: metrics.jsonl is empty or not there.",)
    assert damaged.missing[0].startswith("damaged/manifest.json is damaged")
    assert damaged.missing[-1].startswith("damaged/results.csv is no table of results")
    assert main(["report", "early"]) == 0
    assert "0 of 400 iterations" in Path("early/report.html").read_text()
    (run / "results.csv").unlink()
    assert main(["report", "early", "damaged"]) == 0
    assert "damaged/manifest.json is damaged" in Path("report.html").read_text()


def test_spl_s_steps_are_no_iterations_of_the_training(work_dir: Path) -> None:
    run = make_run(Path("one"))
    with (run / "metrics.jsonl").open("a") as file:
        file.write(json.dumps({"it": 470, "train/spl_round": 2.0, "train/spl_v1_loss": 1.0, "eval/spl_v2_acc": 0.5}))
    state = read_run(run).state
    assert state.sentence == "The run has finished: 400 of 400 iterations (100%) and 2 rounds of SPL."


def test_runs_are_found_in_sweeps_and_in_folders_of_those(work_dir: Path) -> None:
    for name in ("a/x", "a/y", "b"):
        make_run(Path("all") / name)
    Path("all/c").mkdir()
    assert runs_in(Path("all/b")) == [Path("all/b")]
    assert runs_in(Path("all")) == [Path("all/a/x"), Path("all/a/y"), Path("all/b")]
    assert runs_in(Path("nowhere")) == []
