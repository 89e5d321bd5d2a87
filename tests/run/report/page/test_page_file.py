"""The page of runs: one file, whole, escaped, small, and never in the place of another's."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from made_runs import make_run
from one_line import assert_one_line
from PIL import Image

from usb_negsamp.errors import ConfigError
from usb_negsamp.run.cli.main import main
from usb_negsamp.run.report.page import write
from usb_negsamp.run.report.page.facts import RunFacts
from usb_negsamp.run.report.page.measured import Example, Measured
from usb_negsamp.run.report.page.pictures import example_uri
from usb_negsamp.run.report.page.run_part import Looked

HOSTILE = "<script>alert(1)<b onmouseover=x>"


class Elements(HTMLParser):
    """Counts the elements of a page, and collects attributes and text."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: Counter[str] = Counter()
        self.attributes: list[tuple[str, str]] = []
        self.texts: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags[tag] += 1
        self.attributes += [(name, value or "") for name, value in attrs]

    def handle_data(self, data: str) -> None:
        self.texts.append(data)

    @property
    def text(self) -> str:
        return " ".join(" ".join(self.texts).split())


def read(path: str | Path) -> Elements:
    return Elements(Path(path).read_text(encoding="utf-8"))


def test_a_run_has_its_page_in_its_folder_beside_the_tables(work_dir: Path, capsys: pytest.CaptureFixture[str]) -> None:
    make_run(Path("one"))
    assert main(["report", "one", "--page", "false"]) == 0
    table = capsys.readouterr().out
    assert not Path("one/report.html").exists()
    assert main(["report", "one"]) == 0
    shown = capsys.readouterr()
    assert shown.out == table
    assert "| vat_ns3l | 20.00 | 1 |" in table
    assert shown.err == "usb-negsamp: wrote one/report.html\n"
    page = read("one/report.html")
    for words in ("Run one", "400 of 400 iterations (100%)", "20.00%", "usb-negsamp train --c 'a file.yaml' --seed 0"):
        assert words in page.text
    assert page.tags["nav"] == 0


def test_several_runs_share_a_page_in_the_working_directory_and_sweeps_are_on_it_by_out(work_dir: Path) -> None:
    runs = [str(make_run(Path("sweep") / name, algorithm=name)) for name in ("vat", "pimodel")]
    assert main(["report", *runs]) == 0
    page = read("report.html")
    assert page.tags["article"] == 2
    assert ("href", "#run-2") in page.attributes
    assert ("data-run", "run-2") in page.attributes
    assert main(["report", "sweep"]) == 0
    assert sorted(path.name for path in Path().glob("**/*.html")) == ["report.html"]
    assert main(["report", "sweep", "--out", "sweep.html"]) == 0
    assert read("sweep.html").tags["article"] == 2


def test_names_paths_and_messages_are_escaped(work_dir: Path) -> None:
    for name in (HOSTILE, "other"):
        make_run(
            Path(name),
            exit_reason=f"error: RuntimeError: {HOSTILE}",
            log=f"{HOSTILE}\n",
            classes=[HOSTILE, *"123456789"],
            algorithm=f"vat{HOSTILE}",
            accuracy=None,
        )
    assert main(["report", HOSTILE, "other"]) == 0
    page = read("report.html")
    assert page.tags["script"] == 1
    assert page.tags["b"] == 0
    assert not [name for name, _ in page.attributes if name.startswith("on")]
    assert page.text.count(HOSTILE) >= 4


def test_the_page_asks_for_nothing_from_elsewhere(work_dir: Path) -> None:
    make_run(Path("one"))
    assert main(["report", "one"]) == 0
    page = read("one/report.html")
    addresses = [value for name, value in page.attributes if name in ("src", "href", "action", "srcset", "data")]
    assert all(value.startswith(("data:", "#")) for value in addresses)
    assert page.tags["link"] == 1
    assert not re.search(r"https?:|@import|url\(", Path("one/report.html").read_text())
    [policy] = [value for name, value in page.attributes if name == "content" and "default-src" in value]
    assert policy.startswith("default-src 'none'; img-src data:;")


@pytest.mark.parametrize("content", ["<html>mine</html>", ""])
def test_a_file_of_another_is_never_replaced(content: str, work_dir: Path, capsys: pytest.CaptureFixture[str]) -> None:
    make_run(Path("one"))
    Path("one/report.html").write_text(content)
    line = "one/report.html: expected nothing, or a page that this command wrote, but got another file; give --out FILE"
    assert_one_line(["report", "one"], line, work_dir, capsys)


def test_a_page_takes_the_place_of_one_before_and_leaves_nothing_beside_it(work_dir: Path) -> None:
    make_run(Path("one"), exit_reason=None, accuracy=None)
    assert main(["report", "one"]) == 0
    assert "something new" not in read("one/report.html").text
    Path("one/log.txt").write_text("something new\n")
    assert main(["report", "one"]) == 0
    assert "something new" in read("one/report.html").text
    assert [path.name for path in Path("one").iterdir() if path.name.startswith(".")] == []


@pytest.mark.parametrize(
    ("words", "line"),
    [
        (["one", "--out", "one"], "one: expected a file for the page, but it is a folder"),
        (["one", "--out", "no/page.html"], "no/page.html: expected a folder that is there, but there is no no"),
        (["one/results.csv", "--out", "x.html"], "one/results.csv: expected the folder of a run for the page"),
        (["one", "--page", "false", "--out", "x.html"], "--out FILE is where the page goes"),
        (["one", "--page", "maybe"], "expected true or false, but got 'maybe'"),
        (["nowhere"], "nowhere does not exist"),
    ],
)
def test_a_wrong_request_is_one_line(
    words: list[str], line: str, work_dir: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    make_run(Path("one"))
    assert_one_line(["report", *words], line, work_dir, capsys)


def noise(seed: int) -> Example:
    pixels = np.random.default_rng(seed).integers(0, 256, (96, 96, 3), dtype=np.uint8)
    return Example(example_uri(Image.fromarray(pixels)), 0, 1, 0.9)


def shown_with_examples(facts: RunFacts, with_network: bool) -> Looked:
    """A run whose examples take most of a megabyte."""
    draws = np.random.default_rng(0)
    probs = draws.dirichlet(np.ones(10), 200)
    examples = tuple(noise(seed) for seed in range(24))
    points, labels = draws.normal(size=(600, 2)), draws.integers(0, 10, 600)
    return Looked(
        facts,
        Measured("the last model", "test", probs, labels[:200], wrong=examples, points=points, point_labels=labels),
    )


def test_a_page_is_at_most_5_megabytes_and_says_what_it_leaves_out(
    work_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(write, "look_at", shown_with_examples)
    runs = [make_run(Path(f"run{number}"), seed=number) for number in range(8)]
    write.write_page(runs[:2], Path("few.html"))
    few = read("few.html")
    assert few.tags["img"] == 48
    assert "left out" not in few.text
    write.write_page(runs, Path("many.html"))
    assert Path("many.html").stat().st_size <= 5_000_000
    many = read("many.html")
    assert many.tags["img"] == 0
    assert "To keep this page small, single images are left out." in many.text
    assert "Test images by their features" in many.text
    monkeypatch.setattr(write, "MOST_BYTES", 1000)
    with pytest.raises(ConfigError, match="give fewer runs"):
        write.write_page(runs, Path("none.html"))
    assert not Path("none.html").exists()


def test_long_runs_have_small_pages(work_dir: Path) -> None:
    make_run(Path("long"), iterations=1_000_000)
    assert main(["report", "long"]) == 0
    assert Path("long/report.html").stat().st_size < 100_000


def test_a_run_without_its_data_has_a_page_that_says_so(
    work_dir: Path, monkeypatch: pytest.MonkeyPatch, write_config: Callable[..., str]
) -> None:
    config: dict[str, Any] = {"dataset": "mnist", "data_dir": str(work_dir / "gone")}
    run = make_run(Path("one"), **config)
    (run / "model_best.pth").write_bytes(b"")
    assert main(["report", "one"]) == 0
    text = read("one/report.html").text
    assert "What the network says of the data is left out: data set 'mnist' is not complete in" in text
    assert "nothing is downloaded here" in text
    assert "Losses" in text
    assert not (work_dir / "gone").exists()
    assert main(["report", "one", "--from_files"]) == 0
    assert "Data and network were not read" in read("one/report.html").text
