"""Tables as Markdown."""

from __future__ import annotations

import pytest

from usb_negsamp.run.markdown_table import format_table


def test_a_table_has_its_head_its_marks_and_a_line_a_row() -> None:
    text = format_table(["what", "n"], iter([["a | b", "1"], ["", "20"]]), ["---", "-:"])
    assert text == "| what | n |\n|---|-:|\n| a \\| b | 1 |\n|  | 20 |"


@pytest.mark.parametrize(("rows", "marks"), [([["a"]], ["-", "-:"]), ([], ["-"]), ([["a", "b", "c"]], ["-", "-"])])
def test_a_row_that_does_not_fit_the_head_is_refused(rows: list[list[str]], marks: list[str]) -> None:
    with pytest.raises(ValueError, match=r"Expected 2 cells, one for each of \['what', 'n'\], but got"):
        format_table(["what", "n"], rows, marks)
