"""What may be in a run's folder before, and what --overwrite removes."""

from __future__ import annotations

import os
import re
from argparse import Namespace
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from made_runs import make_run

from usb_negsamp.errors import ConfigError
from usb_negsamp.run.records.directory import check_directory, prepare_directory, run_files, written_files
from usb_negsamp.run.report.page.write import write_page

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


def test_a_page_of_that_name_is_removed_only_if_it_is_ours(old_run: Path) -> None:
    page = old_run / "report.html"
    page.write_text("<!doctype html><title>mine</title>")
    prepare_directory(old_run, stale=written_files(old_run))
    assert page.read_text() == "<!doctype html><title>mine</title>"
    assert check_directory(asked(old_run.parent)) is None, "it is no run"
    page.unlink()
    write_page([make_run(old_run.parent / "other")], page, with_network=False)
    with pytest.raises(ConfigError, match="already holds a run"):
        check_directory(asked(old_run.parent))
    prepare_directory(old_run, stale=written_files(old_run))
    assert not page.exists()


def test_preparing_for_a_run_that_goes_on_removes_nothing(old_run: Path) -> None:
    before = sorted(old_run.rglob("*"))
    prepare_directory(old_run, stale={})
    assert sorted(old_run.rglob("*")) == before


def test_a_file_that_this_start_has_written_is_not_stale(old_run: Path) -> None:
    stale = written_files(old_run)
    written = old_run / "results.csv"
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


@pytest.mark.parametrize("name", ["/elsewhere", "//elsewhere", "a/../../b", "../one"])
def test_a_name_that_leads_out_of_the_folder_of_runs_is_refused(work_dir: Path, name: str) -> None:
    with pytest.raises(ConfigError, match=r"^save_name: expected the name of a folder"):
        check_directory(asked(work_dir, save_name=name))


OBSTACLES = {
    "a folder": lambda path: path.mkdir(),
    "a link that leads to nothing": lambda path: path.symlink_to(path.with_name("nowhere")),
    "neither a file nor a folder": os.mkfifo,
}
CIRCLE = {"a link that leads to nothing": lambda path: path.symlink_to(path)}


@pytest.mark.parametrize("overwrite", [False, True])
@pytest.mark.parametrize(
    "name", ["latest_model.pth", "results.csv", "manifest.json", "metrics.jsonl", "log.txt", ".lock"]
)
@pytest.mark.parametrize(("what", "make"), [*OBSTACLES.items(), *CIRCLE.items()])
def test_what_lies_where_a_file_of_the_run_comes_to_be_is_named_and_left(
    work_dir: Path, what: str, make: Callable[[Path], None], name: str, overwrite: bool
) -> None:
    path = work_dir / "one" / name
    path.parent.mkdir()
    make(path)
    with pytest.raises(ConfigError) as caught:
        check_directory(asked(work_dir, overwrite=overwrite))
    assert str(caught.value).startswith(f"{path} is {what}, but a file of that name comes to be there")
    assert os.path.lexists(path)


@pytest.mark.parametrize("name", ["tensorboard", "split"])
def test_a_file_where_a_folder_of_the_run_comes_to_be_is_named(work_dir: Path, name: str) -> None:
    (work_dir / "one").mkdir()
    (work_dir / "one" / name).write_text("mine")
    with pytest.raises(ConfigError, match=rf"{name} is a file, but a folder of that name comes to be there"):
        check_directory(asked(work_dir))


@pytest.mark.parametrize("place", ["one", "."])
@pytest.mark.parametrize(
    ("what", "make"),
    [
        ("a file", lambda path: path.write_text("mine")),
        ("a link that leads to nothing", OBSTACLES["a link that leads to nothing"]),
        ("a link that leads to nothing", lambda path: path.symlink_to(path)),
    ],
)
def test_what_lies_where_the_folder_comes_to_be_is_named(
    work_dir: Path, place: str, what: str, make: Callable[[Path], None]
) -> None:
    obstacle = work_dir / "runs" if place == "." else work_dir / "runs" / place
    obstacle.parent.mkdir(exist_ok=True)
    make(obstacle)
    with pytest.raises(ConfigError, match=rf"cannot be the run's folder: {re.escape(str(obstacle))} is {what}$"):
        check_directory(asked(work_dir, save_dir=str(work_dir / "runs")))
    assert os.path.lexists(obstacle)


def test_a_run_in_a_folder_that_is_linked_from_the_folder_of_runs_is_no_mistake(work_dir: Path) -> None:
    (work_dir / "large_disk").mkdir()
    (work_dir / "one").symlink_to(work_dir / "large_disk", target_is_directory=True)
    assert check_directory(asked(work_dir)) is None


def test_a_zero_byte_in_a_name_is_refused(work_dir: Path) -> None:
    with pytest.raises(ConfigError, match="a name in it holds a zero byte"):
        check_directory(asked(work_dir, save_dir="a\0b"))
