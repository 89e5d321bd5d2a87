"""What a page is made of: sections with charts, tables, pictures and texts, which are escaped where they are set."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from usb_negsamp.run.report.page.charts import Chart
from usb_negsamp.run.report.page.state import State


@dataclass(frozen=True)
class Cell:
    """A cell of a table.

    Attributes:
        text: what it says.
        key: by what its column is sorted; empty: its text.
        share: from 0 to 1, how strongly it is colored; None: not at all.
    """

    text: str
    key: str = ""
    share: float | None = None


@dataclass(frozen=True)
class Table:
    """A table; the first cell of a row is its head.

    Attributes:
        caption: what it holds.
        head: the columns' names.
        rows: a cell for each column.
        sortable: whether a click on a column's name sorts it.
        folded: whether it is shown on request alone.
        wide: whether its cells are narrow and many, as those of a matrix.
        targets: the anchors that the rows' heads lead to; empty: nowhere.
    """

    caption: str
    head: tuple[str, ...]
    rows: tuple[tuple[Cell, ...], ...]
    sortable: bool = False
    folded: bool = False
    wide: bool = False
    targets: tuple[str, ...] = ()


@dataclass(frozen=True)
class Picture:
    """An image inside of the page.

    Attributes:
        uri: its address, ``data:``.
        alt: what is to be seen, for those who do not see it.
        caption: what stands below it.
        large: whether it is a figure and no small example.
    """

    uri: str
    alt: str
    caption: str
    large: bool = False


@dataclass(frozen=True)
class Text:
    """Lines as they are, such as a command or the end of a log."""

    caption: str
    lines: tuple[str, ...]


@dataclass(frozen=True)
class Gallery:
    """Pictures beside each other."""

    caption: str
    pictures: tuple[Picture, ...]


@dataclass(frozen=True)
class Section:
    """A section of a run.

    Attributes:
        title: its heading.
        notes: sentences at its beginning.
        charts: beside each other.
        tables: below them.
        galleries: below those.
        texts: at its end.
    """

    title: str
    notes: tuple[str, ...] = ()
    charts: tuple[Chart, ...] = ()
    tables: tuple[Table, ...] = ()
    galleries: tuple[Gallery, ...] = ()
    texts: tuple[Text, ...] = ()


@dataclass(frozen=True)
class RunPart:
    """A run on the page.

    Attributes:
        anchor: its place in the page.
        name: its heading.
        title: what was trained on what.
        state: how it stands.
        figures: its figures in short, each with its name.
        missing: a line for each thing that is not there.
        sections: in their order.
    """

    anchor: str
    name: str
    title: str
    state: State
    figures: tuple[tuple[str, str], ...]
    missing: tuple[str, ...]
    sections: tuple[Section, ...]


@dataclass(frozen=True)
class Page:
    """A page.

    Attributes:
        title: of its window.
        runs: at least one.
        overview: of several runs: the table of all, and what differs between them.
        notes: sentences at its beginning.
    """

    title: str
    runs: Sequence[RunPart]
    overview: Section | None = None
    notes: tuple[str, ...] = ()


def table(
    caption: str,
    head: Sequence[str],
    rows: Sequence[Sequence[str]],
    *,
    sortable: bool = False,
    folded: bool = False,
) -> Table:
    """A table of texts."""
    cells = tuple(tuple(Cell(text) for text in row) for row in rows)
    return Table(caption, tuple(head), cells, sortable=sortable, folded=folded)
