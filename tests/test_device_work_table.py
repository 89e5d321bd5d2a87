"""What the committed table of the work of a step promises; that it is what is counted: ``pytest -m pretend_cuda``."""

from __future__ import annotations

import csv
from pathlib import Path

TABLE = Path(__file__).resolve().parents[1] / "benchmarks/device_work.csv"


def _rows() -> dict[tuple[str, str, str], dict[str, int]]:
    with TABLE.open(newline="") as file:
        rows = list(csv.DictReader(file))
    return {
        (row["method"], row["step"], row["precision"]): {
            name: int(value) for name, value in row.items() if value.isdigit()
        }
        for row in rows
    }


def test_a_step_waits_for_nothing_but_the_loss_scale_in_float16() -> None:
    for (method, step, precision), row in _rows().items():
        assert row["waits"] == (precision == "float16" and step != "spl inner"), (method, step, precision)
        assert row["pageable_copies"] == 0, (method, step, precision)


def test_ns3l_takes_no_pass_and_few_kernels_where_the_host_carries_the_weak_view() -> None:
    rows = _rows()
    for base in ("pseudolabel", "vat", "fixmatch", "freematch", "flexmatch", "softmatch", "uda", "comatch"):
        plain, wrapped = (rows[name, "training", "float32"] for name in (base, f"{base}_ns3l"))
        assert wrapped["forward_passes"] == plain["forward_passes"], base
        assert wrapped["backward_passes"] == plain["backward_passes"], base
        assert wrapped["kernels"] - plain["kernels"] <= 21, base


def test_the_page_repeats_the_table() -> None:
    rows = _rows()

    def cell(method: str) -> str:
        row = rows[method, "training", "float32"]
        return f"{row['forward_passes']} + {row['backward_passes']}, {row['kernels']}"

    page = (TABLE.parent / "speed.md").read_text(encoding="utf-8")
    for base in ("fixmatch", "freematch", "vat", "pimodel", "meanteacher", "mixmatch"):
        cells = [base, *(cell(f"{base}{wrapper}") for wrapper in ("", "_ns3l", "_dnll"))]
        assert f"| {' | '.join(cells)} |" in page
    for alone in ("ns3l", "dnll", "dualstudent"):
        assert f"`{alone}` {cell(alone)}" in page
