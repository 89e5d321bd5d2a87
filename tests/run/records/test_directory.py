"""What may be in a run's folder before, and what --overwrite removes."""

from __future__ import annotations

import os
from argparse import Namespace
from pathlib import Path
from typing import Any

import pytest

from usb_negsamp.errors import ConfigError
from usb_negsamp.run.records.directory import check_directory, prepare_directory, run_files, written_files

NO_PROCESS = 2**22 + 1
"""More than any process number of Linux."""


def asked(work_dir: Path, **changes: Any) -> Namespace:
    values = {"save_dir": str(work_dir), "save_name": "one", "resume": False, "overwrite": False, "load_path": None}
    return Namespace(**{**values, **changes})


@pytest.fixture
def old_run(work_dir: Path) -> Path:
    """A run's folder in which somebody else keeps things too."""
    run = work_dir / "one"
    for name in (
        "latest_model.pth",
        "model_best.pth",
        "log.txt",
        "results.csv",
        "tensorboard/events.out.tfevents.1.x",
        "split/split.npz",
        "notes.txt",
        "tensorboard/mine.txt",
        "split/README",
        "figures/curve.png",
    ):
        (run / name).parent.mkdir(parents=True, exist_ok=True)
        (run / name).write_text(name)
    return run


def test_overwriting_removes_what_runs_write_and_leaves_the_rest(old_run: Path) -> None:
    prepare_directory(old_run, stale=written_files(old_run))
    left = {str(path.relative_to(old_run)) for path in old_run.rglob("*") if path.is_file()}
    assert left == {"notes.txt", "tensorboard/mine.txt", "split/README", "figures/curve.png"}


def test_preparing_for_a_run_that_goes_on_removes_nothing(old_run: Path) -> None:
    before = sorted(old_run.rglob("*"))
    prepare_directory(old_run, stale={})
    assert sorted(old_run.rglob("*")) == before


def test_a_file_that_this_start_has_written_is_not_stale(old_run: Path) -> None:
    stale = written_files(old_run)
    written = old_run / "manifest.json"
    os.utime(written, ns=(0, stale[written] + 1))
    prepare_directory(old_run, stale)
    assert run_files(old_run) == [written]


def test_a_folder_with_a_run_is_refused_and_both_ways_out_are_named(old_run: Path) -> None:
    with pytest.raises(ConfigError, match=r"already holds a run; give --resume .* --overwrite"):
        check_directory(asked(old_run.parent))
    assert check_directory(asked(old_run.parent, overwrite=True)) is None


def test_a_folder_without_a_run_may_be_used_and_what_is_in_it_stays(work_dir: Path) -> None:
    (work_dir / "one").mkdir()
    (work_dir / "one/notes.txt").write_text("mine")
    assert check_directory(asked(work_dir)) is None
    prepare_directory(work_dir / "one", stale={})
    assert (work_dir / "one/notes.txt").read_text() == "mine"
    assert run_files(work_dir / "one") == []


def test_resume_alone_takes_the_runs_own_latest_checkpoint(old_run: Path) -> None:
    assert check_directory(asked(old_run.parent, resume=True)) == old_run / "latest_model.pth"


def test_resume_with_a_path_takes_that_checkpoint_also_into_a_new_folder(old_run: Path) -> None:
    path = old_run / "model_best.pth"
    assert check_directory(asked(old_run.parent, resume=True, load_path=str(path))) == path
    assert check_directory(asked(old_run.parent, resume=True, load_path=str(path), save_name="two")) == path


def test_checking_a_folder_that_is_not_there_does_not_make_it(work_dir: Path) -> None:
    assert check_directory(asked(work_dir, save_dir=str(work_dir / "a/b"))) is None
    assert list(work_dir.iterdir()) == []


@pytest.mark.parametrize("anew", [False, True])
def test_what_a_killed_run_was_writing_goes_with_the_next_start(old_run: Path, anew: bool) -> None:
    (old_run / "split/toy").mkdir()
    torn = [old_run / f".latest_model.pth.{NO_PROCESS}.writing", old_run / f"split/toy/.idx.npy.{NO_PROCESS}.writing"]
    foreign = [old_run / "figures/.curve.png.1.writing", old_run / ".notes.txt.swp", old_run / ".notes.writing"]
    for path in (*torn, *foreign):
        path.write_bytes(b"half")
    prepare_directory(old_run, written_files(old_run) if anew else {})
    assert not any(path.exists() for path in torn)
    assert all(path.exists() for path in foreign)


def test_a_folder_with_the_torn_file_of_a_killed_run_alone_holds_no_run(work_dir: Path) -> None:
    (work_dir / "one").mkdir()
    (work_dir / f"one/.manifest.json.{NO_PROCESS}.writing").write_bytes(b"half")
    assert check_directory(asked(work_dir)) is None
