"""0.4, V11, V12, V13: checkpoints resume where they stopped, or fail loudly."""

import os
import pickle

import numpy as np
import pytest
import torch
from semilearn.core import AlgorithmBase
from torch.amp.grad_scaler import GradScaler

from usb_negsamp import ConfigError
from usb_negsamp.host import Hook, patching
from usb_negsamp.host.checkpoints.file import read_checkpoint, write_checkpoint
from usb_negsamp.host.checkpoints.resume import resume
from usb_negsamp.testing import build_tiny, parameters_of, train_tiny


class Cut(Exception):
    pass


class CutHook(Hook):
    """Saves after the given iteration and stops the run, as a kill would."""

    def __init__(self, iteration):
        self.iteration = iteration

    def after_train_step(self, algorithm):
        if algorithm.it + 1 == self.iteration:
            algorithm.save_model("cut.pth", os.path.join(algorithm.save_dir, algorithm.save_name))
            raise Cut


def cut_run(name, directory, iteration=7, **overrides):
    algorithm = build_tiny(name, directory, **overrides)
    algorithm.register_hook(CutHook(iteration), None, "LOWEST")
    if hasattr(algorithm, "warmup"):
        algorithm.warmup()
    with pytest.raises(Cut):
        algorithm.train()
    return os.path.join(algorithm.save_dir, algorithm.save_name, "cut.pth")


def resumed(name, directory, path, **overrides):
    algorithm = build_tiny(name, directory, **overrides)
    resume(algorithm, path)
    if hasattr(algorithm, "warmup"):
        algorithm.warmup()
    algorithm.train()
    return algorithm


def test_one_epoch_cut_in_the_middle_is_finished_which_the_host_does_not(tmp_path):
    one_epoch = {"epoch": 1}
    path = cut_run("fixmatch", tmp_path, **one_epoch)
    assert resumed("fixmatch", tmp_path, path, **one_epoch).it == 10
    with patching.undone("checkpoints"):
        algorithm = build_tiny("fixmatch", tmp_path / "host", **one_epoch)
        AlgorithmBase.load_model(algorithm, path)
        assert algorithm.start_epoch == 1, "the host would run no epoch more"


@pytest.mark.parametrize("iteration", [5, 7])
@pytest.mark.parametrize(
    "name", ["freematch", "vat_ns3l", "crmatch", "dash", "flexmatch", "remixmatch", "simmatch", "comatch", "softmatch"]
)
def test_a_resumed_run_ends_with_the_same_bits(tmp_path, name, iteration):
    whole = parameters_of(train_tiny(name, tmp_path / "whole"))
    path = cut_run(name, tmp_path / "cut", iteration)
    rest = parameters_of(resumed(name, tmp_path / "cut", path))
    assert all(torch.equal(whole[name], rest[name]) for name in whole)


def test_numpy_scalars_in_a_checkpoint_are_read(tmp_path):
    path = tmp_path / "old.pth"
    torch.save({"model": {}, "best_eval_acc": np.float64(0.5)}, path)
    assert read_checkpoint(path)["best_eval_acc"] == 0.5


def test_a_checkpoint_that_would_execute_code_is_refused(tmp_path):
    path = tmp_path / "evil.pth"
    with open(path, "wb") as file:
        pickle.dump({"model": os.system}, file)
    with pytest.raises(ConfigError, match="cannot be read"):
        read_checkpoint(path)


@pytest.mark.parametrize("content", [b"", b"hello", b"text", b"PK", b"\x80"])
def test_what_is_no_checkpoint_is_named_in_one_line(tmp_path, content):
    path = tmp_path / "notes.pth"
    path.write_bytes(content)
    with pytest.raises(ConfigError, match=r"expected a checkpoint at .*notes\.pth, but it cannot be read"):
        read_checkpoint(path)


def test_a_failed_write_leaves_the_old_checkpoint(tmp_path, monkeypatch):
    path = tmp_path / "latest_model.pth"
    write_checkpoint({"model": {}, "it": 1}, path)

    def full_disk(*args, **kwargs):
        raise OSError("No space left on device")

    monkeypatch.setattr(torch, "save", full_disk)
    with pytest.raises(OSError, match="No space"):
        write_checkpoint({"model": {}, "it": 2}, path)
    assert read_checkpoint(path)["it"] == 1
    assert [p.name for p in tmp_path.iterdir()] == ["latest_model.pth"]


def test_names_of_a_parallel_run_fit_a_single_one(tmp_path):
    algorithm = build_tiny("fixmatch", tmp_path)
    algorithm.epoch = 0
    checkpoint = algorithm.get_save_dict()
    for key in ("model", "ema_model"):
        checkpoint[key] = {f"module.{name}": tensor for name, tensor in checkpoint[key].items()}
    write_checkpoint(checkpoint, tmp_path / "parallel.pth")
    algorithm.load_model(str(tmp_path / "parallel.pth"))
    with patching.undone("checkpoints"), pytest.raises(RuntimeError):
        AlgorithmBase.load_model(algorithm, str(tmp_path / "parallel.pth"))


def test_a_checkpoint_of_another_algorithm_is_one_clear_error(tmp_path):
    path = cut_run("fixmatch", tmp_path)
    with pytest.raises(ConfigError, match=r"cannot resume from .*'flexmatch'"):
        resume(build_tiny("flexmatch", tmp_path / "other"), path)


def test_a_missing_checkpoint_is_one_clear_error(tmp_path):
    with pytest.raises(ConfigError, match="there is no such file"):
        resume(build_tiny("fixmatch", tmp_path), tmp_path / "nothing.pth")


def test_an_empty_scaler_state_leaves_the_live_scaler(tmp_path):
    algorithm = build_tiny("fixmatch", tmp_path)
    algorithm.epoch = 0
    path = tmp_path / "cpu.pth"
    write_checkpoint({**algorithm.get_save_dict(), "loss_scaler": {}}, path)
    algorithm.loss_scaler = GradScaler("cpu")
    algorithm.load_model(str(path))
    assert algorithm.loss_scaler.is_enabled()


def test_resuming_reads_the_file_once(tmp_path, monkeypatch):
    path = cut_run("flexmatch", tmp_path)
    algorithm = build_tiny("flexmatch", tmp_path)
    reads, load = [], torch.load

    def counted(*args, **kwargs):
        reads.append(args)
        return load(*args, **kwargs)

    monkeypatch.setattr(torch, "load", counted)
    resume(algorithm, path)
    assert len(reads) == 1
    assert algorithm.it == 7


def test_an_algorithm_that_returns_nothing_resumes_as_well(tmp_path, monkeypatch):
    whole = parameters_of(train_tiny("fixmatch", tmp_path / "whole"))
    path = cut_run("fixmatch", tmp_path / "cut")
    algorithm, load = build_tiny("fixmatch", tmp_path / "cut"), AlgorithmBase.load_model
    # The host's DARP and SAW are such.
    monkeypatch.setattr(algorithm, "load_model", lambda load_path: load(algorithm, load_path) and None, raising=False)
    resume(algorithm, path)
    monkeypatch.undo()
    algorithm.train()
    assert all(torch.equal(whole[name], tensor) for name, tensor in parameters_of(algorithm).items())


@pytest.mark.parametrize(
    ("content", "message"), [(None, "there is no such file"), (b"PK\x03\x04 half a file", "cannot be read")]
)
def test_an_algorithm_that_reads_the_file_by_itself_gets_the_same_errors(content, message, tmp_path, monkeypatch):
    path = tmp_path / "own.pth"
    if content is not None:
        path.write_bytes(content)
    algorithm = build_tiny("fixmatch", tmp_path)
    monkeypatch.setattr(algorithm, "load_model", lambda load_path: torch.load(load_path), raising=False)
    with pytest.raises(ConfigError, match=message):
        resume(algorithm, path)
