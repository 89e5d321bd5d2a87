"""What every refused command has in common."""

from __future__ import annotations

from pathlib import Path

import pytest

from usb_negsamp.run.cli.main import main


def contents(folder: Path) -> dict[str, bytes | None]:
    return {str(p.relative_to(folder)): p.read_bytes() if p.is_file() else None for p in folder.rglob("*")}


def assert_one_line(
    argv: list[str], fragment: str, folder: Path, capsys: pytest.CaptureFixture[str], code: int = 2
) -> None:
    """The command fails with one line that says so, and changes nothing in ``folder``."""
    before = contents(folder)
    assert main(argv) == code
    streams = capsys.readouterr()
    assert streams.out == ""
    assert fragment in streams.err
    assert "Traceback" not in streams.err
    errors = [line for line in streams.err.splitlines() if not line.startswith("usb-negsamp: run.yaml: ignored")]
    if fragment != "usage":
        assert len(errors) == 1, streams.err
        assert errors[0].startswith("usb-negsamp: error: ")
    assert contents(folder) == before
