"""The one way in which a table is written as Markdown."""

from __future__ import annotations

from collections.abc import Iterable, Sequence


def format_table(head: Sequence[str], rows: Iterable[Sequence[str]], marks: Sequence[str]) -> str:
    r"""Return a table as Markdown, without a line break at the end.

    Args:
        head: the columns' names.
        rows: a text for each column; a bar in it is escaped.
        marks: what stands under each name: ``-`` for text, ``-:`` for numbers, which go to the right.

    Raises:
        ValueError: a row has more or fewer cells than the head.

    >>> print(format_table(["algorithm", "n"], [["vat", "5"], ["a|b", ""]], ["-", "-:"]))
    | algorithm | n |
    |-|-:|
    | vat | 5 |
    | a\|b |  |
    """
    rows = list(rows)
    for cells in (marks, *rows):
        if len(cells) != len(head):
            raise ValueError(f"Expected {len(head)} cells, one for each of {list(head)}, but got {list(cells)}")
    return "\n".join([_row(head), f"|{'|'.join(marks)}|", *map(_row, rows)])


def _row(cells: Sequence[str]) -> str:
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"
