"""The notebook in examples/ does what it says, from own images to predictions."""

from __future__ import annotations

import csv
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

NOTEBOOK = Path(__file__).parents[1] / "examples" / "own_images.ipynb"

pytestmark = pytest.mark.runs


def cells() -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads(NOTEBOOK.read_text(encoding="utf-8"))["cells"]
    return [cell for cell in found if cell["cell_type"] == "code"]


def test_the_notebook_is_kept_without_outputs() -> None:
    assert [(cell["outputs"], cell["execution_count"]) for cell in cells()] == [([], None)] * len(cells())


def test_the_notebook_goes_from_own_images_to_predictions(tmp_path: Path) -> None:
    code = "\n\n".join("".join(cell["source"]) for cell in cells())
    (tmp_path / "notebook.py").write_text(code)
    done = subprocess.run(
        [sys.executable, "notebook.py"],
        cwd=tmp_path,
        env={**os.environ, "MPLBACKEND": "Agg"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-1] == "True", "the exported program gives the network's logits"
    with (tmp_path / "runs" / "my_images" / "results.csv").open(newline="") as file:
        [row] = csv.DictReader(file)
    assert float(row["test_acc_at_best"]) > 0.6, "five classes: guesses are right in a fifth"
    with (tmp_path / "predictions.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    right = [row["file"].startswith(row["class"]) for row in rows if row["class"]]
    assert len(right) > 150
    assert sum(right) / len(right) > 0.6
    assert [row["file"] for row in rows if row["error"]] == ["broken.png"]
    assert (tmp_path / "least_sure.png").stat().st_size > 1000
