"""``usb-negsamp verify``: configurations trained as they are, beside the intervals of their headers."""

from __future__ import annotations

import csv
import re
from pathlib import Path

import pytest
from one_line import assert_one_line
from repository_script import load_script
from yaml_text import yaml_text

from usb_negsamp import __version__
from usb_negsamp.run.cli.main import main
from usb_negsamp.run.configuration import packaged
from usb_negsamp.run.configuration.headers import Interval, read_header
from usb_negsamp.run.configuration.packaged import packaged_configs
from usb_negsamp.run.sweep.verify import chosen_intervals, measure_of
from usb_negsamp.yaml_file import read_yaml

ROOT = Path(__file__).parents[3]
HEADER = """\
# {name}.
# Paper:    Nobody, "Small", nowhere.
# Expected: something.
# Interval: {interval}. Of a run.
# Time:     seconds.
# Command:  usb-negsamp train --c config/{name}.yaml
"""
KEYS = {
    "algorithm": "supervised", "dataset": "digits", "net": "small_cnn", "num_classes": 10, "num_labels": 40,
    "batch_size": 8, "num_train_iter": 4, "num_log_iter": 2, "num_eval_iter": 2, "img_size": 16, "validation_size": 60,
    "device": "cpu", "lr": 0.03, "use_tensorboard": False, "curve": False,
}  # fmt: skip


@pytest.fixture
def small_configs(work_dir: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Three configurations in the place of ours: a wide interval, one that no run is in, and none."""
    folder = work_dir / "config"
    folder.mkdir()
    for name, interval in (
        ("wide", "0 to 100% test error, best on validation"),
        ("narrow", "0.0 to 0.1% test error, last"),
    ):
        text = HEADER.format(name=name, interval=interval) + yaml_text({**KEYS, "save_name": name})
        (folder / f"{name}.yaml").write_text(text)
    without = [line for line in text.splitlines() if "Interval" not in line]
    (folder / "unmeasured.yaml").write_text("\n".join(without))
    monkeypatch.setattr(packaged, "packaged_folder", lambda name: work_dir / name)
    return work_dir


def test_results_are_set_beside_their_intervals_and_one_outside_fails(
    small_configs: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["verify", "wide"]) == 0
    shown = capsys.readouterr()
    assert "verdict     all 1 inside" in shown.out
    assert main(["verify", "--jobs", "2"]) == 1
    shown = capsys.readouterr()
    assert "2 runs, 1 finished before" in shown.err
    assert "verdict     outside: narrow" in shown.out
    [folder] = Path("saved_models").iterdir()
    assert folder.name.startswith(f"verify_{__version__}_torch")
    lines = (folder / "verify.md").read_text().splitlines()
    cells = {line.split("|")[1].strip(): [cell.strip() for cell in line.strip("|").split("|")] for line in lines[2:]}
    with (folder / "results.csv").open(newline="") as file:
        rows = {row["save_name"]: row for row in csv.DictReader(file)}
    error = 100 * (1 - float(rows["wide"]["test_acc_at_best"]))
    assert cells["wide"] == ["wide", f"{error:.1f}", "0.0 to 100.0", "best on validation", "inside"]
    error = 100 * (1 - float(rows["narrow"]["test_acc_last"]))
    assert cells["narrow"] == ["narrow", f"{error:.1f}", "0.0 to 0.1", "last", "OUTSIDE"]


@pytest.mark.parametrize(
    ("words", "line"),
    [
        (["wied"], "unknown configuration 'wied'; did you mean 'wide'"),
        (["unmeasured"], "unmeasured: expected a configuration with an interval in its header, but it has none"),
        (["wide", "--jobs", "0"], "--jobs: expected a whole number of at least 1, but got 0"),
        (["--lr", "1"], "unknown option '--lr'"),
    ],
)
def test_a_wrong_request_is_one_line(
    words: list[str], line: str, small_configs: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert_one_line(["verify", *words], line, small_configs, capsys)


@pytest.mark.parametrize("interval", ["5% test error, last", "9 to 5% test error, last", "1 to 2% accuracy, last"])
def test_an_interval_that_is_none_is_one_line(
    interval: str, small_configs: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = small_configs / "config/wide.yaml"
    path.write_text(HEADER.format(name="wide", interval=interval) + yaml_text(KEYS))
    assert_one_line(
        ["verify"], "expected an interval as '1.3 to 9.4% test error, RULE', but got", small_configs, capsys
    )


def test_a_rule_that_results_do_not_have_is_an_error() -> None:
    with pytest.raises(ValueError, match="unknown rule 'lastt'; did you mean 'last'"):
        measure_of(Interval(0.0, 1.0, "lastt"))


def test_the_ends_of_an_interval_are_in_it_to_the_digit_that_is_shown() -> None:
    found = Interval(1.5, 10.0, "last")
    assert [found.holds(error) for error in (1.44, 1.46, 10.04, 10.06)] == [False, True, True, False]


def test_intervals_are_of_digits_and_of_measures_and_not_so_wide_that_chance_would_pass() -> None:
    found = chosen_intervals([])
    assert set(found) == {name for name in packaged_configs() if name.endswith("_digits")}
    for name, interval in found.items():
        assert read_yaml(packaged_configs()[name])["dataset"] == "digits"
        assert measure_of(interval).name in ("best", "end")
        assert 0 < interval.high - interval.low < 20
        expected = re.match(r"([\d.]+) ±", read_header(packaged_configs()[name]).expected)
        if expected:
            assert interval.low <= float(expected[1]) <= interval.high


def test_the_intervals_of_the_headers_are_those_of_the_committed_rows() -> None:
    made = load_script(ROOT / "benchmarks/verify_intervals.py").intervals()
    found = chosen_intervals([])
    assert {name: str(interval) for name, (interval, _) in made.items()} == {name: str(found[name]) for name in made}


def test_the_deviation_is_about_the_means_of_the_groups() -> None:
    script = load_script(ROOT / "benchmarks/verify_intervals.py")
    assert script.deviation([[1.0, 3.0], [10.0, 10.0, 13.0]]) == (pytest.approx((8 / 3) ** 0.5), 3)
    one, many = (script.interval([5.0] * number, "last", (0.02, 20)) for number in (1, 9))
    assert one.low < many.low < 5.0 < many.high < one.high
