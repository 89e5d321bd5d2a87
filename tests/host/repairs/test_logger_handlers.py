"""The log file of a run."""

from __future__ import annotations

import logging
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from semilearn.core import utils

from usb_negsamp.host.patching import undone


@pytest.fixture
def name() -> Iterator[str]:
    """A logger name of this test alone; its handlers are closed afterwards."""
    yield "logger of a test"
    logger = logging.getLogger("logger of a test")
    for handler in list(logger.handlers):
        logger.removeHandler(handler)
        handler.close()
    logger.setLevel(logging.NOTSET)


def _lines(folder: Path) -> list[str]:
    return [line.split("] ")[1] for line in (folder / "log.txt").read_text().splitlines()]


def test_host_writes_every_line_as_often_as_the_logger_was_asked_for(name: str, tmp_path: Path) -> None:
    with undone("logger_handlers"):
        for _ in range(2):
            logger = utils.get_logger(name, str(tmp_path))
        logger.setLevel(logging.INFO)
        logger.info("step 1")
    assert _lines(tmp_path) == ["step 1", "step 1"]


def test_every_line_stands_once(name: str, tmp_path: Path) -> None:
    root_handlers = list(logging.root.handlers)
    for _ in range(3):
        logger = utils.get_logger(name, str(tmp_path))
    logger.info("step 1")
    assert _lines(tmp_path) == ["step 1"]
    assert len(logging.root.handlers) == max(len(root_handlers), 1)


def test_a_run_of_the_same_name_elsewhere_has_its_own_lines(name: str, tmp_path: Path) -> None:
    utils.get_logger(name, str(tmp_path / "one")).info("first")
    utils.get_logger(name, str(tmp_path / "two")).info("second")
    assert _lines(tmp_path / "one") == ["first"]
    assert _lines(tmp_path / "two") == ["second"]


def test_a_log_that_a_rerun_deleted_is_made_anew(name: str, tmp_path: Path) -> None:
    utils.get_logger(name, str(tmp_path / "run")).info("first")
    shutil.rmtree(tmp_path / "run")
    utils.get_logger(name, str(tmp_path / "run")).info("second")
    assert _lines(tmp_path / "run") == ["second"]


def test_level_is_the_logger_s_own(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(logging.root, "level", logging.ERROR)
    utils.get_logger(name, str(tmp_path), "INFO").info("shown")
    utils.get_logger(name, str(tmp_path), "WARNING").info("not shown")
    assert _lines(tmp_path) == ["shown"]


def test_a_logger_needs_no_file(name: str) -> None:
    assert utils.get_logger(name).handlers == []
