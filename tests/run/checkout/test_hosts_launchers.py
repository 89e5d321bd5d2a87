"""Several processes through the host's own train.py, from a file of the host, with ours around its algorithm."""

from __future__ import annotations

import re
from pathlib import Path

from host_series import needs_checkout
from real_checkout import Train, finished

pytestmark = [needs_checkout]

HOSTS_FILE = "config/classic_cv/fixmatch/fixmatch_cifar10_40_0.yaml"
"""Says ``multiprocessing_distributed: True`` and ``world_size: 1``, as all files of the host do."""
WITH_OURS = ["--c", HOSTS_FILE, "--algorithm", "fixmatch_ns3l", "--dataset", "digits", "--net", "small_cnn"]
WITH_OURS += ["--epoch", "1", "--num_workers", "0"]
TORCHRUN = ["-m", "torch.distributed.run", "--standalone", "--nproc_per_node", "2"]


def results(text: str) -> list[str]:
    """What the log of a run says that it found."""
    return re.findall(r"Model result - (.*)", text)


def test_spawned_processes_and_those_of_torchrun_find_the_same(train: Train) -> None:
    spawned = train(*WITH_OURS, USB_CPU_PROCESSES="2")
    assert finished(spawned)
    from_torchrun = train(*WITH_OURS, "--save_name", "other", launcher=TORCHRUN)
    assert finished(from_torchrun)
    for done in (spawned, from_torchrun):
        assert "batch_size=25" in done.stderr
        assert "world_size=2" in done.stderr
        assert done.stderr.count("10 iteration") == 1, "the first process alone speaks"
        assert all(f"GPU {rank} training is FINISHED" in done.stderr for rank in (0, 1))
    assert results(spawned.stderr)
    assert results(from_torchrun.stderr) == results(spawned.stderr)


def test_torchruns_processes_refuse_a_folder_or_delete_it_once(train: Train, tmp_path: Path) -> None:
    (tmp_path / "run").mkdir()
    for number in range(50):
        (tmp_path / f"run/{number}.txt").write_text("old")
    refused = train(launcher=TORCHRUN)
    assert refused.returncode != 0
    assert "already exists: give --overwrite" in refused.stderr
    assert len(list((tmp_path / "run").iterdir())) == 50
    assert finished(train("--overwrite", launcher=TORCHRUN))
    assert not (tmp_path / "run/0.txt").exists()
