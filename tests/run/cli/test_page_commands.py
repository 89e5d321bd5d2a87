"""Every command of the README and of the pages in docs/ is one that the program takes.

What trains is resolved as far as that goes without the data, a grid is planned, a table's commands are printed, and
what only prints is run. The pages for those who begin are run for real
(``tests/run/training/test_pages_for_beginners.py``).
"""

from __future__ import annotations

from argparse import Namespace
from pathlib import Path

import pytest
from bash_blocks import PAGES, ROOT, Command, commands

from usb_negsamp.run.cli.all_commands import make_parser
from usb_negsamp.run.cli.commands.sweep import request_of
from usb_negsamp.run.cli.main import main
from usb_negsamp.run.configuration.resolution import read_sources, resolve
from usb_negsamp.run.sweep.grid import make_plan
from usb_negsamp.run.sweep.slurm.parameters import read_parameters

PLACEHOLDERS = {"FILE": "fixmatch_ns3l_spl_digits", "DIR": ".", "...": "saved_models/RUN"}
"""What stands for words that a reader replaces."""

PRINT = ("list", "completion")
"""Commands that only print, and are run as they stand."""

ONLY_READ = {
    "bench": "measures for minutes; tests/run/bench runs it in small",
    "compare": "needs two runs; tests/run/finished_runs and the pages for beginners run it",
    "doctor": "looks at the machine; tests/run/cli and the pages for beginners run it",
    "eval": "needs a run; tests/run/finished_runs runs it",
    "export": "needs a run; tests/run/finished_runs and the pages for beginners run it",
    "figure": "needs a run; tests/run/finished_runs runs it",
    "patch": "changes a clone of the host; tests/run/checkout runs it",
    "predict": "needs a run; tests/run/finished_runs and the pages for beginners run it",
    "report": "needs a run; tests/run/report and the pages for beginners run it",
    "verify": "trains for minutes; tests/run/sweep runs it in small",
}
"""Commands of which the words are read, and no more, and why."""

OTHER_PROGRAMS = {
    "pip": "installs; .ci/run does the same",
    "python -m venv": "sets an environment up",
    "source": "enters an environment",
    "pre-commit": "is set up once in a clone",
    "pytest": "is what runs this",
    "python -m pytest": "the pages for beginners run it",
}
"""Programs that are not ours, and why they are not run here."""

ALL = list({command.words: command for page in PAGES for command in commands(page)}.values())
"""Each once, whatever pages have it."""
OURS = [command for command in ALL if command.of_ours() is not None]


def read(words: list[str]) -> Namespace:
    return make_parser().read([PLACEHOLDERS.get(word, word) for word in words])


@pytest.fixture
def clone(monkeypatch: pytest.MonkeyPatch) -> None:
    """The root of the clone, in which config/ is."""
    monkeypatch.chdir(ROOT)


def of(*names: str) -> list[Command]:
    return [command for command in OURS if (command.of_ours() or [""])[0] in names]


def test_the_pages_have_commands_and_comments_are_none_of_them(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text("```bash\na --b 'c d' \\\n    e   # f && g\nh && i  # j\n# k\n```\n\n```python\nl\n```\n")
    assert [command.words for command in commands(page)] == [("a", "--b", "c d", "e"), ("h",), ("i",)]
    assert len(OURS) > 50


def test_every_command_is_read_and_each_that_is_not_run_has_a_reason() -> None:
    handled = {"train", "sweep", "reproduce", *PRINT, *ONLY_READ}
    assert {(command.of_ours() or [""])[0] for command in OURS} == handled
    others = [" ".join(command.words) for command in ALL if command.of_ours() is None]
    reasons = {text: [program for program in OTHER_PROGRAMS if f"{text} ".startswith(f"{program} ")] for text in others}
    assert [text for text, found in reasons.items() if not found] == []
    assert {program for found in reasons.values() for program in found} == set(OTHER_PROGRAMS)


@pytest.mark.parametrize("command", of(*ONLY_READ), ids=str)
def test_a_command_takes_the_words_of_the_page(command: Command) -> None:
    read(command.of_ours() or [])


@pytest.mark.parametrize("command", of("train"), ids=str)
@pytest.mark.usefixtures("clone")
def test_what_the_page_trains_is_resolved(command: Command) -> None:
    words = read(command.of_ours() or []).keys
    if {"--plugin", "my_images"} & set(words):
        pytest.skip("of files that the page makes: tests/run/training/test_pages_for_beginners.py trains it")
    if words[0] == "--resume":
        assert len(words) == 2
        return
    args = resolve(read_sources(words)).args
    given = dict(zip(words[::2], words[1::2], strict=True))
    assert {name for name in given if not hasattr(args, name.removeprefix("--"))} <= {"--c"}
    if "--algorithm" in given:
        assert args.algorithm == given["--algorithm"]


@pytest.mark.parametrize("command", of("sweep"), ids=str)
@pytest.mark.usefixtures("clone")
def test_what_the_page_sweeps_is_planned(command: Command) -> None:
    request = request_of(read(command.of_ours() or []))
    # The others differ by their number alone.
    request.seeds = request.seeds and min(request.seeds, 2)
    expected = request.seeds or 1
    for values in request.grid.values():
        expected *= len(values)
    assert 1 < len(make_plan(request).runs) <= expected
    if request.slurm is not None:
        assert read_parameters(request.slurm)["timeout_min"] > 0


@pytest.mark.parametrize("command", of("reproduce"), ids=str)
def test_the_runs_of_a_table_on_the_page_are_listed(
    command: Command, work_dir: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    words = command.of_ours() or []
    if "--slurm" in words:
        place = words.index("--slurm")
        pairs = dict(pair.split("=") for pair in words[place + 1].split(","))
        assert read_parameters(pairs)["timeout_min"] > 0
        del words[place : place + 2]
    assert "--seeds" not in words
    assert main([*words, "--seeds", "1", *([] if "--dry_run" in words else ["--dry_run"])]) == 0
    assert "usb-negsamp train" in capsys.readouterr().out
    assert list(work_dir.iterdir()) == []


@pytest.mark.parametrize("command", of(*PRINT), ids=str)
def test_what_prints_is_run(command: Command, capsys: pytest.CaptureFixture[str]) -> None:
    words = command.of_ours() or []
    assert main(words[: words.index(">")] if ">" in words else words) == 0
    assert capsys.readouterr().out.strip()
