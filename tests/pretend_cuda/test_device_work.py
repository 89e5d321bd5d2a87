"""The committed table of what a step asks of a GPU: what it promises, and that it is what is counted."""

from __future__ import annotations

import csv
import importlib
from pathlib import Path
from types import ModuleType

import pretended_gpu
import pytest
import torch

BENCHMARKS = Path(__file__).resolve().parents[2] / "benchmarks"
COUNTED = (
    "fixmatch",
    "fixmatch_ns3l",
    "fixmatch_dnll",
    "freematch_ns3l",
    "vat_ns3l",
    "meanteacher_ns3l",
    "crmatch_dnll",
    "softmatch:per_class",
    "vat_ns3l:gate",
    "dnll",
    "vat_spl",
)


@pytest.fixture
def device_work(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """The script that counts."""
    monkeypatch.syspath_prepend(BENCHMARKS)
    return importlib.import_module("device_work")


def committed() -> list[dict[str, str]]:
    with (BENCHMARKS / "device_work.csv").open(newline="") as file:
        return list(csv.DictReader(file))


@pytest.mark.gpu
@pytest.mark.skipif(not pretended_gpu.is_pretended(), reason="counted on a pretended GPU alone")
@pytest.mark.parametrize("method", COUNTED)
def test_the_table_is_what_is_counted(method: str, device_work: ModuleType) -> None:
    rows = [row for row in committed() if row["method"] == method]
    if rows[0]["torch"] != torch.__version__:
        pytest.skip(f"counted with PyTorch {rows[0]['torch']}")
    found = [row for amp in (False, True) for row in device_work.work_of(method, amp)]
    assert [{name: str(value) for name, value in row.items()} for row in found] == rows
