"""Configurations drawn at random start, or are refused in one line that leaves no trace."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest
import yaml
from drawn_configurations import Drawn
from one_call import broken_rule, number_of_examples

from usb_negsamp.host import ALGORITHMS
from usb_negsamp.run.training import run


def test_each_is_carried_out_or_refused_in_one_line(work_dir: Path, seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    # Everything up to the first step: names, ranges, data, networks, the folder.
    monkeypatch.setattr(run._Run, "_train", lambda self, algorithm, manifest: 0)
    drawn = Drawn(seed, sorted(ALGORITHMS.keys()))
    examples = number_of_examples(120)
    carried_out, broken = 0, []
    for number in range(examples):
        content, words = drawn.configuration()
        (work_dir / "run.yaml").write_text(yaml.safe_dump(content), encoding="utf-8")
        done, failure = broken_rule(["train", "--c", "run.yaml", *words], work_dir)
        carried_out += done
        if failure:
            broken.append(f"example {number} of seed {seed}: {_shown(content)} {words}\n{failure}")
        shutil.rmtree(work_dir / "runs", ignore_errors=True)
    assert not broken, f"{len(broken)} of {examples}:\n\n" + "\n\n".join(broken)
    assert 0.1 * examples < carried_out < 0.9 * examples, f"{carried_out} of {examples} are carried out"


def _shown(content: dict[str, Any]) -> str:
    return str({name: str(value)[:60] for name, value in content.items()})
