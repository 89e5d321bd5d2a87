"""``usb-negsamp bench`` measures each variant of each case and says so in two files."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

import pytest
from one_line import assert_one_line

from usb_negsamp.run.bench import worker
from usb_negsamp.run.bench.cases import DEFAULT_CASES, METHOD_CASES, OPTIONS, Case, Variant, chosen_cases
from usb_negsamp.run.bench.request import cases_of_files, default_cases
from usb_negsamp.run.bench.worker import Worker
from usb_negsamp.run.cli.main import main
from usb_negsamp.run.records.csv_file import read_csv

WriteConfig = Callable[..., str]


@pytest.mark.runs
def test_each_variant_takes_its_turns_and_has_a_row(
    write_config: WriteConfig, work_dir: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = write_config(img_size=16, ns3l_threshold=0.03, num_workers=0)
    words = ["bench", "--c", file, "--turns", "1", "--steps", "1", "--options", "channels_last", "--out", "there"]
    assert main(words) == 0
    columns, rows = read_csv(work_dir / "there" / "bench.csv")
    assert [row["variant"] for row in rows] == ["bare host", "host's algorithm", "plugin", "plugin, channels_last"]
    assert [row["algorithm"] for row in rows] == ["vat", "vat", "vat_ns3l", "vat_ns3l"]
    for row in rows:
        assert row["batch"] == "8 + 8"
        assert float(row["step_ms"]) > 0
        assert float(row["evaluation_ms"]) > 0
        assert sum(float(row[column]) for column in columns if column.endswith("_share")) == pytest.approx(1, abs=0.01)
        assert int(row["peak_mib"]) > 0
    assert rows[0]["step_ratio"] == rows[0]["evaluation_ratio"] == "1.0"
    # Each ratio is that of the times in the one turn there was.
    for row in rows:
        assert float(row["step_ratio"]) == pytest.approx(float(row["step_ms"]) / float(rows[0]["step_ms"]), rel=0.01)
        rest = [
            float(one["step_ms"]) * (float(one["optimizer_share"]) + float(one["hooks_share"]))
            for one in (row, rows[0])
        ]
        assert float(row["rest_ratio"]) == pytest.approx(rest[0] / rest[1], rel=0.02)
    printed = capsys.readouterr().out
    assert printed.strip() == (work_dir / "there" / "bench.md").read_text().strip()
    assert printed.count("| run | ") == 4


@pytest.mark.parametrize(
    ("words", "fragment"),
    [
        (["--options", "chanels_last"], "unknown option 'chanels_last'; did you mean 'channels_last'"),
        (["--case", "nothing of the kind"], "--case: expected a part of one of: fixmatch_ns3l 64 + 64"),
        (["--c", "run.yaml", "--case", "vat"], "give one or the other"),
        (["--c", "run.yaml", "--ns3l_treshold", "0.1"], "unknown key 'ns3l_treshold'"),
        (["--c", "nowhere.yaml"], "nowhere.yaml"),
        (["--turns", "0"], "--turns: expected a whole number of at least 1, but got 0"),
        (["--random_images", "200", "--num_labels", "400"], "at least as many random images as labels, but got 200"),
    ],
)
def test_what_cannot_be_measured_is_one_line_before_anything_is_built(
    words: list[str],
    fragment: str,
    write_config: WriteConfig,
    work_dir: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    write_config()
    assert_one_line(["bench", *words, "--device", "cpu"], fragment, work_dir, capsys)


def test_a_variant_that_fails_ends_the_command_in_one_line(
    write_config: WriteConfig, work_dir: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = write_config(dataset="cifar10", data_dir="nowhere")
    assert main(["bench", "--c", file, "--turns", "1", "--steps", "1"]) == 2
    lines = capsys.readouterr().err.splitlines()
    assert "nowhere" in lines[-1]
    assert lines[-1].startswith("usb-negsamp: error: bare host: ")


def test_all_workers_that_do_not_listen_are_ended_within_seconds_together(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(worker, "_SECONDS_TO_END", 0.5)
    monkeypatch.setattr(worker, "_serve", _does_not_listen)
    variant = Variant("plugin", {}, bare=False)
    workers = [Worker(variant, None, "cpu") for _ in range(4)]
    began = time.monotonic()
    worker.end_all(workers)
    assert not any(one._process.is_alive() for one in workers)
    # Each after the other would take two seconds.
    assert time.monotonic() - began < 1.5


def _does_not_listen(*arguments: object) -> None:
    time.sleep(60)


def test_a_case_keeps_what_its_file_and_the_command_line_say(write_config: WriteConfig) -> None:
    file = write_config(ns3l_threshold=0.03)
    (case,) = cases_of_files([file], ["--lr", "0.5"], None)
    assert case.algorithm == "vat_ns3l"
    assert (case.keys["ns3l_threshold"], case.keys["lr"], case.keys["num_labels"]) == (0.03, 0.5, 40)


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("ns3l 50 + 50", ["ns3l 50 + 50"]),
        ("50 + 50", ["vat_ns3l 50 + 50", "ns3l 50 + 50"]),
        ("uasd", ["uasd 64 + 64"]),
        (None, [case.name for case in DEFAULT_CASES]),
        ("methods", [case.name for case in METHOD_CASES]),
    ],
)
def test_a_case_is_chosen_by_its_name_or_by_a_part_of_it(text: str | None, names: list[str]) -> None:
    assert [case.name for case in default_cases(["--device", "cpu"], 4000, chosen_cases(text))] == names


@pytest.mark.parametrize("option", OPTIONS)
def test_an_option_sets_its_keys_and_leaves_the_others(option: str) -> None:
    case = Case("one", "vat_ns3l", {"lr": 0.5, "channels_last": False})
    *_, last = case.variants([option])
    assert last.keys == {"lr": 0.5, "channels_last": False, "algorithm": "vat_ns3l", **OPTIONS[option]}
    assert not last.bare


@pytest.mark.parametrize("case", METHOD_CASES, ids=lambda case: case.algorithm)
def test_a_method_s_own_keys_reach_it_and_not_the_host_s_algorithm(case: Case) -> None:
    [resolved] = default_cases(["--device", "cpu"], 4000, [case])
    variants = {variant.name: variant.keys for variant in resolved.variants([])}
    for key, value in case.own_keys.items():
        assert variants["plugin"][key] == value
        assert key not in variants["bare host"]


def test_only_the_bare_host_is_bare_and_it_knows_no_algorithm_of_ours() -> None:
    for case in (*DEFAULT_CASES, *METHOD_CASES):
        bare = [variant for variant in case.variants(list(OPTIONS)) if variant.bare]
        of_host = ("fixmatch", "vat", "pimodel", "mixmatch", "supervised")
        assert [variant.keys["algorithm"] in of_host for variant in bare] == [True]
