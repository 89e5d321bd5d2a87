"""V8, V10: a node without a GPU has processes all the same."""

import inspect

import pytest

from usb_negsamp.host import device, patching
from usb_negsamp.testing import build_tiny, train_tiny


def test_without_a_gpu_the_node_has_one_process(tmp_path):
    assert build_tiny("fixmatch", tmp_path).ngpus_per_node == 1


def test_the_host_divides_by_zero_gpus(tmp_path, monkeypatch):
    import torch

    monkeypatch.setattr(torch.cuda, "device_count", lambda: 0)
    with patching.undone("process_count"):
        broken = build_tiny("fixmatch", tmp_path)
    with pytest.raises(ZeroDivisionError):
        _ = broken.rank % broken.ngpus_per_node
    mended = build_tiny("fixmatch", tmp_path)
    assert mended.rank % mended.ngpus_per_node == 0


def test_torchruns_count_of_local_processes_is_taken(tmp_path, monkeypatch):
    from argparse import Namespace

    from semilearn.core import AlgorithmBase

    monkeypatch.setenv("LOCAL_WORLD_SIZE", "2")
    # The constructor's wrapper reads two attributes of the finished algorithm.
    algorithm = AlgorithmBase.__new__(AlgorithmBase)
    hosts = inspect.unwrap(AlgorithmBase.__init__)
    monkeypatch.setattr(hosts, "__code__", (lambda self, args, net_builder: None).__code__)
    algorithm.distributed, algorithm.world_size = True, 4
    AlgorithmBase.__init__(algorithm, Namespace(), None)
    assert algorithm.ngpus_per_node == 2


def test_training_runs_to_its_end(tmp_path):
    assert train_tiny("fixmatch", tmp_path).it == 10


def test_a_script_that_selects_no_device_trains_on_the_cpu(monkeypatch):
    from argparse import Namespace

    import torch
    from semilearn.core import AlgorithmBase

    hosts = inspect.unwrap(AlgorithmBase.__init__)
    monkeypatch.setattr(hosts, "__code__", (lambda self, args, net_builder: None).__code__)
    algorithm = AlgorithmBase.__new__(AlgorithmBase)
    algorithm.distributed, algorithm.world_size = False, 1
    with device.selection_kept():
        device.select("cpu")
        monkeypatch.setattr(torch.Tensor, "cuda", lambda *args: pytest.fail("no GPU is there"))
        AlgorithmBase.__init__(algorithm, Namespace(), None)
        assert torch.ones(1).cuda(0).item() == 1
