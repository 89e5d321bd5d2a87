"""The command itself: help without torch, lists, the doctor."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest
from one_line import assert_one_line

import usb_negsamp
from usb_negsamp.algorithms import ALONE, WRAPPERS
from usb_negsamp.run.cli.main import main

LIGHT = """\
import sys
from usb_negsamp.run.cli.main import main
code = main(sys.argv[1:])
heavy = [name for name in ("torch", "semilearn", "numpy", "matplotlib", "timm") if name in sys.modules]
print(heavy, file=sys.stderr)
sys.exit(code)
"""


@pytest.mark.parametrize(
    ("argv", "code"),
    [
        (["--help"], 0),
        (["--version"], 0),
        (["train", "--help"], 0),
        (["list", "--help"], 0),
        (["doctor", "--help"], 0),
        (["patch", "--help"], 0),
        (["eval", "--help"], 0),
        (["figure", "runs", "-h"], 0),
        (["reproduce", "--help"], 0),
        (["completion", "bash"], 0),
        (["list", "configs"], 0),
        (["list", "tables"], 0),
        (["list"], 0),
        (["train", "--c", "absent.yaml"], 2),
        (["train", "oops"], 2),
        (["train"], 2),
        (["train", "--resume", "absent"], 2),
        (["nonsense"], 2),
        (["sweep", "--jobs", "0"], 2),
        (["train", "--c", "vat_ns3l_digts"], 2),
    ],
    ids=str,
)
def test_help_and_the_first_mistakes_load_neither_torch_nor_the_host(argv: list[str], code: int) -> None:
    done = subprocess.run([sys.executable, "-c", LIGHT, *argv], capture_output=True, text=True, check=False)
    assert done.returncode == code
    assert done.stderr.splitlines()[-1] == "[]"
    if code == 0:
        assert done.stdout


def test_the_module_is_the_command() -> None:
    done = subprocess.run([sys.executable, "-m", "usb_negsamp", "--help"], capture_output=True, text=True, check=True)
    assert done.stdout.startswith("usage: usb-negsamp COMMAND")


def test_train_alone_shows_how_it_is_used(work_dir: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["train"]) == 2
    shown = capsys.readouterr()
    assert shown.out == ""
    assert shown.err.splitlines()[0].startswith("usage: usb-negsamp train --c FILE | --resume RUN ")
    assert list(work_dir.iterdir()) == []


def test_the_list_of_commands_is_shown_by_every_way_of_asking(capsys: pytest.CaptureFixture[str]) -> None:
    assert main([]) == 2
    shown = capsys.readouterr()
    assert shown.out == ""
    for word in ("help", "-h", "--help"):
        assert main([word]) == 0
        assert capsys.readouterr().out == shown.err
    for word in ("-V", "--version"):
        assert main([word]) == 0
        assert capsys.readouterr().out == f"{usb_negsamp.__version__}\n"


def test_the_help_of_every_command_has_one_style(capsys: pytest.CaptureFixture[str]) -> None:
    main(["--help"])
    listed = re.findall(r"^  (\w+) ", capsys.readouterr().out, re.MULTILINE)
    assert {"train", "sweep", "reproduce", "report", "eval", "figure", "list", "patch", "doctor"} < set(listed)
    for command in listed:
        assert main([command, "--help"]) == 0
        text = capsys.readouterr().out
        assert re.match(rf"usage: usb-negsamp {command}\b.*\n(  .*\n)*\n[A-Z]", text)
        assert re.search(r"^options:\n  -h, --help +show this$", text, re.MULTILINE)
        assert all(len(line) <= 120 for line in text.splitlines())


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["list", "nets", "--markdown"], "--markdown is read with `list keys` and `list configs` alone"),
        (["list", "nets", "--algorithm", "vat"], "--algorithm NAME is read with `list keys` alone, without --markdown"),
    ],
)
def test_a_list_that_there_is_not_is_one_line(
    words: list[str], said: str, work_dir: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert_one_line(words, said, work_dir, capsys)


@pytest.mark.parametrize(
    ("kind", "name"),
    [("algorithms", "vat_ns3l"), ("wrappers", "ns3l"), ("datasets", "digits"), ("nets", "small_cnn")],
)
def test_list_prints_one_name_a_line(kind: str, name: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["list", kind]) == 0
    assert name in [line.split()[0] for line in capsys.readouterr().out.splitlines()]


@pytest.mark.parametrize("kind", ["algorithms", "wrappers"])
def test_every_method_of_ours_is_listed_with_its_paper(kind: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["list", kind]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert "ns3l  Chen, Shah, Kyrillidis, ICML 2020" in lines
    ours = ALONE if kind == "algorithms" else WRAPPERS
    papers = dict(line.split("  ") for line in lines if "  " in line)
    assert papers.keys() == ours.keys()


def test_list_keys_prints_the_keys_of_an_algorithm(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["list", "keys", "--algorithm", "vat_ns3l"]) == 0
    names = [line[2:].split()[0] for line in capsys.readouterr().out.splitlines()]
    assert {"lr", "device", "vat_eps", "ns3l_threshold"} <= set(names)
    assert "p_cutoff" not in names


def test_the_doctor_finds_what_training_needs(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["doctor"]) == 0
    report = capsys.readouterr().out
    for word in ("torch", "semilearn", "repairs", "device", "all is well"):
        assert word in report


def test_the_doctor_says_what_is_missing(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setitem(sys.modules, "timm", None)
    assert main(["doctor"]) == 1
    assert "training cannot work here: timm does not load" in capsys.readouterr().out


def test_list_alone_says_what_can_be_listed(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["list"]) == 0
    lines = capsys.readouterr().out.splitlines()
    kinds = [line.split()[2] for line in lines]
    assert kinds == ["algorithms", "wrappers", "datasets", "nets", "configs", "tables", "studies", "keys"]
    for kind in kinds:
        assert main(["list", kind]) == 0
        assert capsys.readouterr().out


def test_tables_are_listed_with_their_papers(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["list", "tables"]) == 0
    lines = capsys.readouterr().out.splitlines()
    names = [line.split("  ")[0] for line in lines]
    assert {"ns3l/table1", "ns3l/figure3", "dnll/table7", "spl/figure4"} <= set(names)
    assert all(line.split("  ")[1].strip() for line in lines)
