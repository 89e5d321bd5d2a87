"""Altered checkpoints are gone on from and evaluated, or refused in one line that leaves no trace."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest
import yaml
from drawn_configurations import BASE
from one_call import broken_rule, number_of_examples
from random_alterations import Altered

from usb_negsamp.run.cli.main import main

RUNS: dict[str, dict[str, Any]] = {
    "freematch_ns3l": {},
    "fixmatch_dnll": {"optim": "AdamW"},
    "flexmatch_spl": {
        "spl_rounds": 2,
        "spl_inner_steps": 1,
        "spl_outer_steps": 1,
        "spl_mismatch": 0.5,
        "validation_size": 60,
    },
}
"""Algorithms that carry tensors of their own, a second network, and the state of a stage."""


@pytest.mark.parametrize("algorithm", RUNS)
def test_each_is_taken_or_refused_in_one_line(algorithm: str, work_dir: Path, seed: int) -> None:
    run = work_dir / "runs" / "one"
    short = {"num_train_iter": 2, "num_eval_iter": 1, "num_log_iter": 1, "epoch": 1, "curve": False}
    content = {**BASE, **short, **RUNS[algorithm], "algorithm": algorithm}
    Path("run.yaml").write_text(yaml.safe_dump(content), encoding="utf-8")
    assert main(["train", "--c", "run.yaml"]) == 0
    shutil.copytree(run, work_dir / "whole")
    altered = Altered(run / "latest_model.pth", seed)
    examples = -(-number_of_examples(60) // len(RUNS))
    taken, broken = 0, []
    for number in range(examples):
        words = altered.write(work_dir / "altered.pth")
        for command in _commands(work_dir, in_place=number % 2 == 0, more=algorithm):
            done, failure = broken_rule(command, work_dir)
            taken += done
            if failure:
                broken.append(f"example {number} of seed {seed}: {words}\n{' '.join(command)}\n{failure}")
        shutil.rmtree(work_dir / "runs")
    assert not broken, f"{len(broken)} of {examples}:\n\n" + "\n\n".join(broken)
    assert 0 < taken < 2 * examples, "the examples look at one side alone"


def _commands(folder: Path, *, in_place: bool, more: str) -> list[list[str]]:
    """What reads the altered checkpoint: as the run's own, or another run's, and as a network to evaluate."""
    run = folder / "runs" / "one"
    shutil.rmtree(run, ignore_errors=True)
    shutil.copytree(folder / "whole", run)
    shutil.copy(folder / "altered.pth", run / "model_best.pth")
    train = ["train", "--c", "run.yaml", "--resume", "--num_train_iter", "3"]
    if in_place:
        shutil.copy(folder / "altered.pth", run / "latest_model.pth")
    else:
        train += ["--load_path", "altered.pth", "--save_name", "other"]
    return [["eval", "runs/one"], train]
