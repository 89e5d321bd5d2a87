"""Two GPUs: two processes that share a batch, and a sweep that gives each of its workers one."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pretended_gpu
import pytest
import torch
from device_runs import GPU, assert_same, assert_sound, finished, losses_of, train, words_of

TORCHRUN = ("-m", "torch.distributed.run", "--standalone", "--nproc_per_node", "2")


@pytest.fixture(autouse=True)
def two_gpus(monkeypatch: pytest.MonkeyPatch) -> None:
    """Processes that are started find two GPUs."""
    if pretended_gpu.is_pretended():
        monkeypatch.setenv("PRETEND_CUDA_DEVICES", "2")
        # A machine with one real GPU may have it named there.
        monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    elif torch.cuda.device_count() < 2:
        pytest.skip("needs two GPUs")


def started(*words: str) -> subprocess.CompletedProcess[str]:
    done = subprocess.run([sys.executable, *words], capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    return done


def on_two(algorithm: str, **keys: Any) -> Any:
    """A run of two processes, a GPU each."""
    started(*TORCHRUN, "-m", "usb_negsamp", *words_of(algorithm, "two", {**keys, "device": "cuda"}))
    return finished(Path("runs/two"))


@pytest.mark.parametrize(
    ("algorithm", "keys"),
    [
        pytest.param("fixmatch_ns3l", {"ns3l_rule": "uniform"}, marks=pytest.mark.gpu),
        pytest.param("fixmatch_dnll", {}),
        pytest.param("pimodel_ns3l", {}),
        pytest.param("supervised", {}),
        pytest.param("meanteacher_ns3l", {}),
    ],
)
def test_two_processes_follow_one(algorithm: str, keys: dict[str, Any], rounding: float) -> None:
    keys = {**keys, "num_train_iter": 4, "num_eval_iter": 2}
    # Each process logs the losses of its own part of the batch.
    assert_same(train(algorithm, "one", **keys, **GPU), on_two(algorithm, **keys), max(rounding, 1e-4), losses=False)


@pytest.mark.parametrize("keys", [{}, {"amp": True}], ids=["float32", "float16"])
@pytest.mark.parametrize(
    "algorithm",
    [
        "comatch_ns3l",
        "ds3l",
        "dualstudent",
        "flexmatch_ns3l",
        "freematch_ns3l",
        "mixmatch_ns3l",
        "pseudolabel_spl",
        "remixmatch",
        "simmatch",
        "softmatch_dnll",
        "temporalensembling",
        "uasd",
        "vat_ns3l",
    ],
)
def test_two_processes_train(algorithm: str, keys: dict[str, Any]) -> None:
    assert_sound(on_two(algorithm, **keys))


def test_two_processes_in_float16_follow_float32() -> None:
    keys = {"num_train_iter": 4, "num_eval_iter": 2}
    one, two = train("fixmatch_ns3l", "one", **keys, **GPU), on_two("fixmatch_ns3l", amp=True, **keys)
    apart = [value - losses_of(two)[name] for name, value in losses_of(one).items() if name[1] == "train/ns3l_loss"]
    assert max(map(abs, apart)) < 0.1


PLUGIN = """
import json, os
from pathlib import Path

def note():
    Path(f"seen_by_{os.getpid()}.json").write_text(json.dumps(os.environ.get("CUDA_VISIBLE_DEVICES")))
"""


@pytest.mark.gpu
def test_a_sweep_gives_each_worker_a_gpu(work_dir: Path) -> None:
    (work_dir / "plugin.py").write_text(PLUGIN)
    words = words_of("fixmatch_ns3l", "sweep", {"device": "cuda", "plugin": "plugin.py:note"})[1:]
    words = [word for key, word in zip(words[::2], words[1::2], strict=True) if key != "--seed" for word in (key, word)]
    started("-m", "usb_negsamp", "sweep", *words, "--seeds", "2", "--jobs", "2")
    seen = {json.loads(path.read_text()) for path in work_dir.rglob("seen_by_*.json")}
    assert {"0", "1"} <= seen
    runs = [path.parent for path in (work_dir / "runs/sweep").glob("*/manifest.json")]
    assert len(runs) == 2
    for run in runs:
        assert_sound(finished(run))
