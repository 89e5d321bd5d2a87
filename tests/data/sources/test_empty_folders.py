"""A download that fails leaves no empty folder."""

from __future__ import annotations

from pathlib import Path

import pytest

from usb_negsamp.data.sources.empty_folders import no_empty_folders_left


def paths(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*"))


def fail_after(folder: Path, *made: str) -> None:
    with no_empty_folders_left(folder):
        for name in made:
            (folder / name).mkdir(parents=True)
        raise RuntimeError("no net")


def test_what_was_made_and_is_empty_goes(tmp_path: Path) -> None:
    with pytest.raises(RuntimeError, match="no net"):
        fail_after(tmp_path / "data" / "usps", "raw/parts")
    assert paths(tmp_path) == []


def test_what_was_there_stays_and_what_holds_something(tmp_path: Path) -> None:
    home = tmp_path / "data" / "usps"
    (home / "empty").mkdir(parents=True)
    with pytest.raises(RuntimeError, match="no net"):
        fail_after(home, "raw")
    assert paths(tmp_path) == ["data", "data/usps", "data/usps/empty"]

    def broken_off() -> None:
        with no_empty_folders_left(tmp_path / "data" / "svhn"):
            (tmp_path / "data" / "svhn").mkdir()
            (tmp_path / "data" / "svhn" / "half.mat").write_bytes(b"half")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        broken_off()
    assert paths(tmp_path)[1:3] == ["data/svhn", "data/svhn/half.mat"]


def test_a_block_that_ends_well_keeps_its_folders(tmp_path: Path) -> None:
    with no_empty_folders_left(tmp_path / "data"):
        (tmp_path / "data").mkdir()
    assert paths(tmp_path) == ["data"]
