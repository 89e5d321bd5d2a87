"""The scripts that make shells complete our words."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest
from one_line import assert_one_line

from usb_negsamp.run.cli.commands.completion import SHELLS
from usb_negsamp.run.cli.main import main

COMPLETE = """
source ./script
COMP_WORDS=("$@")
COMP_CWORD=$(( $# - 1 ))
$(complete -p usb-negsamp | sed 's/.*-F \\([^ ]*\\) .*/\\1/')
printf '%s\\n' "${COMPREPLY[@]}"
"""


@pytest.fixture
def script(work_dir: Path, capsys: pytest.CaptureFixture[str]) -> Path:
    assert main(["completion", "bash"]) == 0
    path = work_dir / "script"
    path.write_text(capsys.readouterr().out)
    return path


def completed(script: Path, *words: str) -> list[str]:
    command = ["bash", "-c", COMPLETE, "bash", "usb-negsamp", *words]
    done = subprocess.run(command, cwd=script.parent, capture_output=True, text=True, check=True)
    assert done.stderr == ""
    return done.stdout.split()


@pytest.mark.skipif(shutil.which("bash") is None, reason="there is no bash here")
def test_bash_takes_the_script_and_completes_commands_flags_choices_and_files(script: Path) -> None:
    subprocess.run(["bash", "-n", script], check=True)
    Path("vat_mine.yaml").write_text("")
    Path("runs/one").mkdir(parents=True)
    assert completed(script, "tr") == ["train"]
    assert completed(script, "re") == ["reproduce", "report"]
    assert completed(script, "train", "--ov") == ["--overwrite"]
    assert completed(script, "sweep", "--overwrite", "--al") == ["--algorithms"]
    assert completed(script, "train", "--device", "c") == ["cpu", "cuda"]
    assert completed(script, "list", "co") == ["configs"]
    assert completed(script, "report", "runs", "--measure", "m") == ["median"]
    assert completed(script, "reproduce", "spl/ta") == ["spl/table1", "spl/table2", "spl/table3"]
    assert completed(script, "reproduce", "spl/f") == ["spl/figure2", "spl/figure3", "spl/figure4"]
    assert completed(script, "train", "--c", "vat_") == [
        "vat_mine.yaml", "vat_fixastep_digits", "vat_ns3l_cifar10", "vat_ns3l_digits", "vat_spl_digits",
    ]  # fmt: skip
    assert completed(script, "report", "vat") == ["vat_mine.yaml"]
    assert completed(script, "eval", "") == ["runs"]
    assert completed(script, "completion", "z") == ["zsh"]


@pytest.mark.parametrize("shell", SHELLS)
def test_every_shell_has_a_script_with_every_command(shell: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["completion", shell]) == 0
    text = capsys.readouterr().out
    for word in ("usb-negsamp", "train", "reproduce", "completion", "algorithms"):
        assert word in text
    if shutil.which(shell) and shell != "tcsh":
        subprocess.run([shell, "-n"], input=text, text=True, check=True)


def test_a_shell_is_needed(work_dir: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert_one_line(["completion"], "completion needs a shell: bash, zsh, tcsh", work_dir, capsys)
