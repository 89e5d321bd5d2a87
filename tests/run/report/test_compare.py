"""``usb-negsamp compare``: what differs between runs, in what they were asked and in how they end."""

from __future__ import annotations

from pathlib import Path

import pytest
from made_runs import make_run
from one_line import assert_one_line
from PIL import Image

from usb_negsamp.run.cli.main import main
from usb_negsamp.run.report.comparison import differing, naming_keys, paired_tables
from usb_negsamp.run.report.measures import find_measure


def compared(capsys: pytest.CaptureFixture[str], *words: str) -> list[str]:
    """The parts that the command prints: keys, runs, tables."""
    assert main(["compare", *words]) == 0
    return capsys.readouterr().out.strip().split("\n\n")


def two_methods() -> list[str]:
    """Errors 20 and 30 of one method, 15 and 29 of another, on the same splits."""
    figures = {("vat", 0): 0.8, ("vat", 1): 0.7, ("vat_ns3l", 0): 0.85, ("vat_ns3l", 1): 0.71}
    return [
        str(make_run(Path(f"{name}_{seed}"), algorithm=name, seed=seed, accuracy=accuracy))
        for (name, seed), accuracy in figures.items()
    ]


def test_keys_runs_and_paired_differences_are_printed_and_curves_drawn(
    work_dir: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    keys, runs, caption, table = compared(capsys, *two_methods())
    assert keys.splitlines() == [
        "| key | vat_0 | vat_1 | vat_ns3l_0 | vat_ns3l_1 |",
        "|-|-|-|-|-|",
        "| algorithm | vat | vat | vat_ns3l | vat_ns3l |",
        "| seed | 0 | 1 | 0 | 1 |",
    ]
    assert "| vat_ns3l_0 | finished | 15.00% | 25.00% | 80.00% | 1:06 min |" in runs
    assert "Difference to vat on the same splits" in caption
    assert "| vat_ns3l | 22.00 ± 9.90 | 2 | -3.00 [" in table
    with Image.open("compare.png") as picture:
        assert picture.format == "PNG"
    assert main(["compare", "vat_0", "vat_1"]) == 0


def test_only_what_affects_the_result_is_compared_unless_all_is_asked_for(
    work_dir: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    runs = [str(make_run(Path(name), device=device)) for name, device in (("a", "cpu"), ("b", "cuda"))]
    assert compared(capsys, *runs)[0] == "The configurations differ in nothing that affects the result."
    keys = compared(capsys, *runs, "--every_key")[0]
    assert "| device | cpu | cuda |" in keys
    assert "| save_name | a | b |" in keys


def test_runs_of_one_name_are_told_apart_by_their_paths(work_dir: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for sweep, rate in (("x", 0.1), ("y", 0.3)):
        make_run(Path(sweep) / "one", lr=rate)
    keys = compared(capsys, "x", "y")[0]
    assert keys.splitlines()[0] == "| key | x/one | y/one |"


def test_a_run_that_has_not_finished_is_compared_without_a_row(
    work_dir: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    runs = [str(make_run(Path("a"))), str(make_run(Path("b"), exit_reason=None, accuracy=None, iterations=200, lr=1.0))]
    parts = compared(capsys, *runs)
    assert len(parts) == 2
    assert "| b | killed |  |  | 40.00% | 1:06 min |" in parts[1]


def test_the_page_has_the_same(work_dir: Path, capsys: pytest.CaptureFixture[str]) -> None:
    compared(capsys, *two_methods(), "--out", "both.html")
    text = Path("both.html").read_text()
    for words in ("difference to vat", "-3.00 [", "What differs in the configurations", "<article"):
        assert words in text
    assert not Path("compare.png").exists()


def test_lines_are_named_by_few_keys_that_tell_them_apart() -> None:
    configs = [
        {"algorithm": "vat", "lr": rate, "momentum": 1 - rate, "seed": seed} for rate in (0.1, 0.3) for seed in (0, 1)
    ]
    assert naming_keys(configs) == ["algorithm", "lr"]
    assert naming_keys(configs[:2]) == ["algorithm"]
    assert list(differing(configs)) == ["lr", "momentum", "seed"]


def test_runs_that_differ_in_nothing_are_lines_of_their_own() -> None:
    config = {"algorithm": "vat", "dataset": "digits", "seed": 0}
    row = {"algorithm": "vat", "dataset": "digits", "seed": "0", "split_seed": "0", "selection": "best on validation"}
    rows = [{**row, "test_acc_at_best": accuracy} for accuracy in ("0.8", "0.7")]
    [table] = paired_tables(["first", "second"], [config, config], rows, find_measure("best"))
    assert list(table.lines) == [("vat", "first"), ("vat", "second")]
    found = table.difference_of(("vat", "second"))
    assert found is not None
    assert found.mean == pytest.approx(10.0)


@pytest.mark.parametrize(
    ("words", "line"),
    [
        ([], "compare needs the folders of runs"),
        (["one"], "compare: expected at least two runs, but got one"),
        (["one", "nowhere"], "nowhere does not exist"),
        (["one", "empty"], "empty holds no run"),
        (["one", "two", "--out", "x.pdf"], "--out: expected a file that ends in .png or .html, but got x.pdf"),
        (["one", "two", "--out", "mine.png"], "mine.png: expected nothing, or a picture that this command wrote"),
        (["one", "two", "--measure", "bst"], "did you mean 'best'"),
    ],
)
def test_a_wrong_request_is_one_line(
    words: list[str], line: str, work_dir: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in ("one", "two"):
        make_run(Path(name))
    Path("empty").mkdir()
    Image.new("L", (2, 2)).save("mine.png")
    assert_one_line(["compare", *words], line, work_dir, capsys)
