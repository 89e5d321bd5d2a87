"""Tables in CSV files."""

from __future__ import annotations

from pathlib import Path

import pytest

from usb_negsamp.errors import ConfigError
from usb_negsamp.run.records.csv_file import read_csv, write_csv


def test_what_is_written_is_read_again(tmp_path: Path) -> None:
    path = tmp_path / "rows.csv"
    write_csv(path, ["name", "acc", "note"], [{"name": "a, b", "acc": 0.5, "left": "out"}, {"acc": None, "note": "±"}])
    assert path.read_bytes() == 'name,acc,note\n"a, b",0.5,\n,,±\n'.encode()
    columns, rows = read_csv(path)
    assert columns == ["name", "acc", "note"]
    assert rows == [{"name": "a, b", "acc": "0.5", "note": ""}, {"name": "", "acc": "", "note": "±"}]


def test_line_ends_of_other_systems_and_short_rows_are_read(tmp_path: Path) -> None:
    path = tmp_path / "rows.csv"
    path.write_bytes(b"a,b\r\n1\r\n")
    assert read_csv(path) == (["a", "b"], [{"a": "1", "b": ""}])
    path.write_bytes(b"")
    assert read_csv(path) == ([], [])


@pytest.mark.parametrize("content", [None, b"\xff\xfe,\n"])
def test_what_cannot_be_read_is_one_line(tmp_path: Path, content: bytes | None) -> None:
    path = tmp_path / "rows.csv"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(ConfigError, match=r"cannot read .*rows\.csv: "):
        read_csv(path)
