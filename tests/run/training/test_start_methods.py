"""The losses of a run do not depend on how Python starts the loaders' workers."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

SCRIPT = """\
import sys

import torch.multiprocessing

from usb_negsamp.run.cli.main import main

if __name__ == "__main__":
    torch.multiprocessing.set_start_method(sys.argv[1])
    sys.exit(main(["train", "--c", "run.yaml", "--save_name", sys.argv[1]]))
"""
STEPS = 4


def losses_of(run: Path) -> list[dict[str, float]]:
    """The losses of every step of a run, by name."""
    lines = (run / "metrics.jsonl").read_text().splitlines()
    return [{name: value for name, value in json.loads(line).items() if "loss" in name} for line in lines]


def test_forked_spawned_and_served_workers_give_the_same_losses(work_dir, write_config):
    write_config(algorithm="fixmatch_ns3l", num_workers=1, num_train_iter=STEPS, num_eval_iter=STEPS, num_log_iter=1)
    (work_dir / "start.py").write_text(SCRIPT)
    methods = ("fork", "spawn", "forkserver")
    started = [
        subprocess.Popen(
            [sys.executable, "start.py", method], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
        )
        for method in methods
    ]
    for process in started:
        output, _ = process.communicate()
        assert process.returncode == 0, output
    forked, spawned, served = (losses_of(work_dir / "runs" / method) for method in methods)
    assert len(forked) == STEPS
    assert all({"train/sup_loss", "train/unsup_loss", "train/ns3l_loss"} <= step.keys() for step in forked)
    assert spawned == forked
    assert served == forked
