"""The tables of ``config/README.md``, made from the headers of the configuration files."""

from __future__ import annotations

from pathlib import Path

from usb_negsamp.run.configuration.headers import first_sentence, read_header
from usb_negsamp.run.configuration.packaged import packaged_folder
from usb_negsamp.run.markdown_table import format_table


def config_tables(folder: Path | None = None) -> str:
    """Return the content of ``config/README.md``: every file in a folder of ``folder``, by paper and table or figure.

    Files directly in ``folder`` stand in the main README. The first sentence of ``Expected:`` is a row's figure. A
    file of two tables stands in both; each of its variants has a row where it belongs.

    Args:
        folder: where the files are; None, our own.

    Raises:
        ConfigError: a file has no complete header.
    """
    folder = folder or packaged_folder("config")
    tables: dict[tuple[str, str, str], list[list[str]]] = {}
    for path in sorted(folder.glob("*/**/*.yaml")):
        header = read_header(path)
        name = path.relative_to(folder).with_suffix("").as_posix()
        row = [f"[`{name}`]({name}.yaml)", header.title, first_sentence(header.expected)]
        variants = [(one.tables, [f"`{' '.join(one.words)}`", "", one.expected]) for one in header.variants]
        for places, cells in ((header.tables, row), *variants):
            for table in places or ("",):
                tables.setdefault((name.split("/")[0], header.paper, table), []).append(cells)
    blocks = [
        "# Configurations by the papers' tables",
        "Written by `usb-negsamp list configs --markdown` from the headers of the files, which say more: what the "
        "figure is a mean of, what the paper leaves open, how long a run takes, and the command. `usb-negsamp "
        "reproduce ns3l/table1` trains a table and shows its figures beside the measured ones. The files directly in "
        "this folder stand in the [README](../README.md).",
    ]
    for (_, paper, table), rows in sorted(tables.items(), key=_tables_first):
        blocks.append(f"## {paper}" + (f", {table}" if table else ""))
        blocks.append(format_table(["config", "what", "expected"], rows, ["---"] * 3))
    return "\n\n".join(blocks)


def _tables_first(item: tuple[tuple[str, str, str], list[list[str]]]) -> tuple[str, str, bool, int]:
    folder, paper, table = item[0]
    kind, _, number = table.partition(" ")
    return folder, paper, kind == "Figure", int(number or 0)
