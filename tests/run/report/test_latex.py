"""Tables as LaTeX: nothing in them is a command but what we write."""

from __future__ import annotations

from pathlib import Path

import pytest
from made_runs import make_run

from usb_negsamp.run.cli.main import main
from usb_negsamp.run.report.latex import escaped


def test_a_table_is_a_booktabs_environment(work_dir: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for name, seed, accuracy in (("vat", 0, 0.8), ("vat", 1, 0.7), ("vat_ns3l", 0, 0.85), ("vat_ns3l", 1, 0.71)):
        make_run(Path("sweep") / f"{name}_{seed}", algorithm=name, seed=seed, accuracy=accuracy)
    assert main(["report", "sweep", "--baseline", "vat", "--latex"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[:2] == [r"\begin{table}", r"\centering"]
    assert r"mean $\pm$ standard deviation" in lines[2]
    assert r"small\_cnn" in lines[2]
    assert lines[3:8] == [
        r"\begin{tabular}{lrrr}",
        r"\toprule",
        r"algorithm & test error (\%), best on validation & n & difference to vat \\",
        r"\midrule",
        r"vat & 25.00 $\pm$ 7.07 & 2 &  \\",
    ]
    assert lines[8].startswith(r"vat\_ns3l & 22.00 $\pm$ 9.90 & 2 & $-$3.00 {[}$-$")
    assert lines[9:] == [r"\bottomrule", r"\end{tabular}", r"\end{table}"]


def test_every_special_character_is_written_out() -> None:
    text = escaped(r"\input{x} ~^_&%$#<>|\"")
    for character in '~^<>|"':
        assert character not in text
    assert text.count("\\") == text.count(r"\text") + sum(text.count("\\" + one) for one in "{}_&%$#")


def test_an_updated_block_stays_markdown(work_dir: Path) -> None:
    make_run(Path("one"))
    Path("README.md").write_text("<!-- table t -->\n<!-- /table -->\n")
    words = ["report", "one/results.csv", "--latex", "--update", "README.md", "--table", "t"]
    assert main([*words, "--markdown", "t.tex"]) == 0
    assert "| vat_ns3l | 20.00 | 1 |" in Path("README.md").read_text()
    assert Path("t.tex").read_text().startswith(r"\begin{table}")
