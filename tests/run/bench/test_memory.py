"""``usb-negsamp bench --memory``: what the tensors of a step take, and what the algorithms may take at most."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from one_line import assert_one_line

from usb_negsamp.run.bench.memory import MEBIBYTE, LivingTensors, peak_of
from usb_negsamp.run.cli.main import main
from usb_negsamp.run.records.csv_file import read_csv

WriteConfig = Callable[..., str]
CPU = torch.device("cpu")
FLOATS = MEBIBYTE // 4


def test_a_tensor_counts_while_it_lives_and_its_views_do_not() -> None:
    with LivingTensors() as memory:
        first = torch.zeros(FLOATS)
        view = first[3:].view(-1)
        assert memory.live == MEBIBYTE
        second = first + 1
        assert memory.live == 2 * MEBIBYTE
        del first, second
        assert memory.live == MEBIBYTE  # by its view
        view.mul_(2)
        del view
    assert memory.live == 0
    assert memory.peak == 2 * MEBIBYTE


def test_what_an_operation_reads_counts_though_it_was_there_before() -> None:
    there = torch.zeros(FLOATS)
    with LivingTensors() as memory:
        total = there.sum()
    assert memory.live == MEBIBYTE + 4
    del total, there
    assert memory.live == 0


def test_what_a_backward_pass_keeps_and_makes_counts() -> None:
    weight = torch.zeros(FLOATS, requires_grad=True)
    with LivingTensors() as memory:
        loss = weight.exp().sum()
        assert memory.live == 2 * MEBIBYTE + 4  # the exponential is kept for its own gradient
        loss.backward()
        assert weight.grad is not None
    assert memory.peak == pytest.approx(3 * MEBIBYTE, abs=16)


def test_the_peak_is_that_of_a_step_by_when_everything_that_stays_is_there() -> None:
    kept: list[torch.Tensor] = []

    def step() -> None:
        kept.append(torch.zeros(FLOATS)) if not kept else None
        _ = kept[0] + 1

    assert peak_of(step, CPU) == pytest.approx(2)


@pytest.mark.runs
@pytest.mark.parametrize("algorithm", ["fixmatch"])
def test_memory_of_a_step_is_within_its_bounds(
    algorithm: str, write_config: WriteConfig, work_dir: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = write_config(algorithm=algorithm, img_size=16, num_workers=0, num_labels=100, batch_size=16)
    assert main(["bench", "--memory", "--c", file, "--out", "there"]) == 0
    _, rows = read_csv(work_dir / "there" / "memory.csv")
    taken = {row["algorithm"] if row["variant"] != "bare host" else "bare": float(row["tensors_mib"]) for row in rows}
    assert list(taken) == ["bare", algorithm, f"{algorithm}_ns3l", f"{algorithm}_dnll", f"{algorithm}_spl"]
    assert taken[algorithm] <= 1.05 * taken["bare"]
    assert taken[f"{algorithm}_ns3l"] <= 1.02 * taken[algorithm]
    assert 1 < taken[f"{algorithm}_dnll"] / taken[algorithm] <= 2.1
    assert 0 < taken[f"{algorithm}_spl"] / taken[algorithm] <= 1.3
    assert [row["step"] for row in rows] == [*["training"] * 4, "inner"]
    for row in rows:
        assert float(row["tensors_ratio"]) == pytest.approx(float(row["tensors_mib"]) / taken["bare"], abs=1e-3)
    assert capsys.readouterr().out.strip() == (work_dir / "there" / "memory.md").read_text().strip()


def test_memory_is_measured_without_options(
    write_config: WriteConfig, work_dir: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["bench", "--memory", "--c", write_config(), "--options", "channels_last"]
    assert_one_line(words, "--memory measures no options; give one or the other", work_dir, capsys)
