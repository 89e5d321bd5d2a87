"""A file is replaced whole or not at all, and whoever was killed meanwhile leaves nothing for good."""

from __future__ import annotations

import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from usb_negsamp.atomic_write import remove_leftovers, replacing, write_atomically


def test_text_is_utf_8_and_bytes_are_as_they_are(tmp_path: Path) -> None:
    write_atomically(tmp_path / "text", "mean ± std\n")
    write_atomically(str(tmp_path / "bytes"), b"\r\n\xff")
    assert (tmp_path / "text").read_bytes() == b"mean \xc2\xb1 std\n"
    assert (tmp_path / "bytes").read_bytes() == b"\r\n\xff"


def test_a_crash_before_the_rename_leaves_the_old_file_and_nothing_beside_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "manifest.json"
    write_atomically(path, "old")

    def fails(*places: Path) -> None:
        raise OSError("no rename today")

    monkeypatch.setattr(os, "replace", fails)
    with pytest.raises(OSError, match="no rename today"):
        write_atomically(path, "new")
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("old", ["old", None])
def test_a_block_that_fails_leaves_what_was_there(tmp_path: Path, old: str | None) -> None:
    path = tmp_path / "model.pth"
    if old is not None:
        path.write_text(old)

    def interrupted() -> None:
        with replacing(path) as file:
            file.write(b"half of it")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert {p.name: p.read_text() for p in tmp_path.iterdir()} == ({} if old is None else {"model.pth": old})


def test_content_is_on_the_disk_before_the_name_and_the_name_before_the_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    done: list[tuple[str, int, int]] = []
    flush, replace = os.fsync, os.replace

    def recorded_flush(descriptor: int) -> None:
        found = os.fstat(descriptor)
        done.append(("folder" if stat.S_ISDIR(found.st_mode) else "file", found.st_ino, found.st_size))
        flush(descriptor)

    def recorded_replace(source: Path, target: Path) -> None:
        done.append(("rename", os.stat(source).st_ino, os.stat(source).st_size))
        replace(source, target)

    monkeypatch.setattr(os, "fsync", recorded_flush)
    monkeypatch.setattr(os, "replace", recorded_replace)
    write_atomically(tmp_path / "split.npz", b"12345")
    written = (tmp_path / "split.npz").stat().st_ino
    assert done[:2] == [("file", written, 5), ("rename", written, 5)]
    assert [what[:2] for what in done[2:]] == [("folder", tmp_path.stat().st_ino)]


def test_a_folder_that_cannot_be_flushed_is_no_failure(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    flush = os.fsync

    def files_alone(descriptor: int) -> None:
        if stat.S_ISDIR(os.fstat(descriptor).st_mode):
            raise OSError(22, "Invalid argument")
        flush(descriptor)

    monkeypatch.setattr(os, "fsync", files_alone)
    write_atomically(tmp_path / "one", "new")
    assert (tmp_path / "one").read_text() == "new"


def test_a_link_stays_a_link_and_permissions_stay(tmp_path: Path) -> None:
    (tmp_path / "there").mkdir()
    target = tmp_path / "there/train.py"
    target.write_text("old")
    target.chmod(0o750)
    link = tmp_path / "train.py"
    link.symlink_to(target)
    write_atomically(link, "new")
    assert link.is_symlink()
    assert target.read_text() == "new"
    assert stat.S_IMODE(target.stat().st_mode) == 0o750


KILLED = """
import os, signal, sys
from usb_negsamp.atomic_write import replacing
with replacing(sys.argv[1]) as file:
    file.write(b"half")
    file.flush()
    os.kill(os.getpid(), signal.SIGKILL)
"""


def test_what_a_killed_process_left_is_removed_and_what_another_writes_is_not(tmp_path: Path) -> None:
    path = tmp_path / "latest_model.pth"
    write_atomically(path, "old")
    killed = subprocess.run([sys.executable, "-c", KILLED, str(path)], check=False)
    assert killed.returncode < 0
    [torn] = [found for found in tmp_path.iterdir() if found != path]
    assert torn.name.startswith(".latest_model.pth.")
    at_work = torn.with_name(f".latest_model.pth.{os.getppid()}.writing")
    ours = torn.with_name(f".latest_model.pth.{os.getpid()}.writing")
    for other in (at_work, ours):
        other.write_text("half")
    remove_leftovers(tmp_path)
    assert sorted(found.name for found in tmp_path.iterdir()) == sorted([path.name, at_work.name])
    assert path.read_text() == "old"


def test_folders_below_are_cleaned_on_request_alone(tmp_path: Path) -> None:
    torn = tmp_path / "below" / f".a.{2**22 + 1}.writing"
    torn.parent.mkdir()
    torn.write_text("half")
    remove_leftovers(tmp_path)
    assert torn.exists()
    remove_leftovers(tmp_path, below=True)
    assert not torn.exists()
    remove_leftovers(tmp_path / "absent", below=True)
