"""Rows of a benchmark as a CSV file and as a table in Markdown, with what the figures depend on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch

from usb_negsamp.atomic_write import write_atomically
from usb_negsamp.host import device
from usb_negsamp.run.bench.bench import Plan
from usb_negsamp.run.bench.subject import PHASES
from usb_negsamp.run.markdown_table import format_table
from usb_negsamp.run.records.csv_file import write_csv
from usb_negsamp.run.records.versions import device_name, own_commit, versions

HEAD = (
    *("case", "variant", "ms a step", "over the bare host", "ms for 1,000 images evaluated", "over the bare host"),
    *PHASES,
    *("optimizer and hooks, over the bare host", "peak MiB"),
)


def with_circumstances(rows: Sequence[Mapping[str, Any]], plan: Plan) -> list[dict[str, Any]]:
    """Return the rows with what is the same for all: how they were measured, the machine and the versions."""
    shared = {
        "turns": plan.turns,
        "steps_per_turn": plan.steps,
        "clock": plan.clock,
        "device": device_name(device.selected()),
        "threads": torch.get_num_threads(),
        **{name.replace("-", "_"): version for name, version in versions().items()},
        "commit": own_commit()["commit"],
    }
    return [{**row, **shared} for row in rows]


def markdown(rows: Sequence[Mapping[str, Any]]) -> str:
    """Return a table of the rows, with a line that says how they came about."""
    first = rows[0]
    about = (
        f"{first['device']}, PyTorch {first['torch']}, semilearn {first['semilearn']}; {first['net']} on images of "
        f"{first['img_size']} x {first['img_size']}; medians over {first['turns']} turns of {first['steps_per_turn']} "
        f"steps in {'seconds of the wall' if first['clock'] == 'wall' else 'seconds of the processors'}, ratios to the "
        "bare host in the same turn with their least and most; shares of a step's time, waited for at each boundary."
    )
    cells = [
        [
            str(row["case"]),
            str(row["variant"]),
            f"{row['step_ms']:.2f}",
            _ratio(row, "step"),
            f"{row['evaluation_ms']:.2f}",
            _ratio(row, "evaluation"),
            *(f"{row[f'{phase}_share']:.0%}" for phase in PHASES),
            f"{row['rest_ratio']:.2f}",
            str(row["peak_mib"]),
        ]
        for row in rows
    ]
    return f"{about}\n\n{format_table(HEAD, cells, ['-', '-', *['-:'] * (len(HEAD) - 2)])}\n"


MEMORY_HEAD = ("case", "variant", "step", "MiB of tensors", "over the bare host")


def memory_markdown(rows: Sequence[Mapping[str, Any]]) -> str:
    """Return a table of the rows of :func:`usb_negsamp.run.bench.bench.measure_memory`, with a line about them."""
    first = rows[0]
    about = (
        f"{first['device']}, PyTorch {first['torch']}, semilearn {first['semilearn']}; {first['net']} on images of "
        f"{first['img_size']} x {first['img_size']}, {first['batch']}; the most that tensors take in a step, weights, "
        "averages and the optimizer's state included."
    )
    cells = [
        [
            *(str(row[name]) for name in ("case", "variant", "step")),
            f"{row['tensors_mib']:.1f}",
            f"{row['tensors_ratio']:.2f}",
        ]
        for row in rows
    ]
    return f"{about}\n\n{format_table(MEMORY_HEAD, cells, ['-', '-', '-', '-:', '-:'])}\n"


def _ratio(row: Mapping[str, Any], name: str) -> str:
    return f"{row[f'{name}_ratio']:.2f} [{row[f'{name}_ratio_least']:.2f}, {row[f'{name}_ratio_most']:.2f}]"


def write(rows: Sequence[Mapping[str, Any]], folder: Path, name: str, table: str) -> tuple[Path, Path]:
    """Write ``NAME.csv`` and a table as ``NAME.md`` into a folder, which is made if need be; return both paths."""
    folder.mkdir(parents=True, exist_ok=True)
    csv, text = folder / f"{name}.csv", folder / f"{name}.md"
    write_csv(csv, list(rows[0]), rows)
    write_atomically(text, table)
    return csv, text
