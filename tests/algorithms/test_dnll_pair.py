"""The two networks of DNLL over a run: state, checkpoint, evaluation, several processes."""

import importlib
import os
import socket
from typing import Any

import pytest
import torch
import torch.multiprocessing as mp
from torch import nn
from torch.multiprocessing.spawn import spawn

# Spawned children import this file first: the host must come to them through us, too.
import usb_negsamp
from usb_negsamp import ConfigError
from usb_negsamp.host import Hook, device
from usb_negsamp.host.build import build_algorithm
from usb_negsamp.host.checkpoints.file import read_checkpoint
from usb_negsamp.host.checkpoints.resume import resume
from usb_negsamp.testing import build_tiny, parameters_of, seed_everything, tiny_arguments, train_tiny

SHORT = {"num_train_iter": 4, "num_eval_iter": 2, "num_log_iter": 1}


def state_of(algorithm):
    """Every tensor of both networks, by name."""
    found = {f"first.{name}": tensor for name, tensor in parameters_of(algorithm).items()}
    found |= {f"peer.{name}": tensor for name, tensor in parameters_of(algorithm.peer).items()}
    for i, perception in enumerate(algorithm.perceptions or ()):
        found[f"perception.{i}"] = perception.mass
    return found


def same(first, second):
    return first.keys() == second.keys() and all(torch.equal(first[name], second[name]) for name in first)


class Cut(Exception):
    pass


class CutHook(Hook):
    """Saves after the third iteration, in the middle of an epoch, and stops the run, as a kill would."""

    def after_train_step(self, algorithm):
        if algorithm.it + 1 == 3:
            algorithm.save_model("cut.pth", os.path.join(algorithm.save_dir, algorithm.save_name))
            raise Cut


@pytest.mark.parametrize("name", ["dnll", "freematch_ns3l_dnll", "dash_dnll", "comatch_dnll"])
def test_a_resumed_run_ends_with_the_same_bits_in_both_networks(name, tmp_path):
    keys = {**SHORT, "dnll_selection": "error_perception", "dnll_ramp": 0.0}
    whole = train_tiny(name, tmp_path / "whole", **keys)
    cut = build_tiny(name, tmp_path / "cut", **keys)
    cut.register_hook(CutHook(), None, "LOWEST")
    if hasattr(cut, "warmup"):
        cut.warmup()
    with pytest.raises(Cut):
        cut.train()
    rest = build_tiny(name, tmp_path / "cut", **keys)
    resume(rest, os.path.join(cut.save_dir, cut.save_name, "cut.pth"))
    if hasattr(rest, "warmup"):
        rest.warmup()
    rest.train()
    assert same(state_of(whole), state_of(rest))
    assert rest.results_dict == whole.results_dict


def test_the_checkpoint_holds_a_plain_network_and_the_whole_peer(tmp_path):
    algorithm = train_tiny("fixmatch_dnll", tmp_path, **SHORT)
    path = os.path.join(algorithm.save_dir, algorithm.save_name, "latest_model.pth")
    plain = build_tiny("fixmatch", tmp_path / "plain", **SHORT)
    plain.load_model(path)
    assert same(parameters_of(plain), parameters_of(algorithm))
    peer = read_checkpoint(path)["peer"]
    assert {"model", "ema_model", "optimizer", "scheduler", "it", "run_state"} <= peer.keys()
    assert all(torch.equal(peer["model"][name], t) for name, t in algorithm.peer.model.state_dict().items())


def test_a_plain_checkpoint_is_refused_in_one_line(tmp_path):
    plain = train_tiny("fixmatch", tmp_path / "plain", **SHORT)
    path = os.path.join(plain.save_dir, plain.save_name, "latest_model.pth")
    with pytest.raises(ConfigError, match="expected a checkpoint of algorithm 'fixmatch_dnll'"):
        resume(build_tiny("fixmatch_dnll", tmp_path, **SHORT), path)


def test_each_network_has_its_own_start_average_optimizer_and_schedule(tmp_path):
    algorithm = build_tiny("fixmatch_dnll", tmp_path, **SHORT)
    peer, before = algorithm.peer, parameters_of(algorithm.peer)
    first = dict(algorithm.model.named_parameters())
    weights = [name for name, p in peer.model.named_parameters() if p.dim() > 1]
    assert weights
    assert not any(torch.equal(first[name], p) for name, p in peer.model.named_parameters() if name in weights)
    assert algorithm.optimizer is not peer.optimizer
    for network in (algorithm, peer):
        held = {id(p) for group in network.optimizer.param_groups for p in group["params"]}
        assert held == {id(p) for p in network.model.parameters()}
    algorithm.train()
    after = parameters_of(peer)
    assert all(
        not torch.equal(before[f"{kind}.{name}"], after[f"{kind}.{name}"])
        for kind in ("model", "ema")
        for name in weights
    )
    assert peer.ema.model is peer.model
    assert peer.scheduler.last_epoch == algorithm.scheduler.last_epoch == 4
    assert peer.optimizer.param_groups[0]["lr"] == algorithm.optimizer.param_groups[0]["lr"]
    assert "EvaluationHook" not in peer.hooks_dict
    assert "MaskingHook" in peer.hooks_dict


def test_the_peer_follows_from_its_seed(tmp_path):
    def start(**overrides):
        return parameters_of(build_tiny("dnll", tmp_path, **overrides).peer)

    assert same(start(), start())
    assert not same(start(), start(dnll_peer_seed=5))
    assert not same(start(), start(seed=1))


def test_networks_that_start_equal_are_refused(tmp_path, monkeypatch):

    def always_the_same(net, from_name):
        def builder(**kwargs):
            with torch.random.fork_rng(devices=[]):
                torch.manual_seed(0)
                return original(net, from_name)(**kwargs)

        return builder

    build = importlib.import_module("semilearn.core.utils.build")
    original = build.get_net_builder
    monkeypatch.setattr(build, "get_net_builder", always_the_same)
    with pytest.raises(ConfigError, match="expected two independently initialized networks"):
        build_tiny("dnll", tmp_path)


def test_both_networks_are_evaluated_and_one_rule_counts(tmp_path):
    first = train_tiny("dnll", tmp_path / "first", **SHORT)
    average = train_tiny("dnll", tmp_path / "average", dnll_evaluate="average", **SHORT)
    assert same(state_of(first), state_of(average)), "how it is evaluated changes nothing"
    for algorithm, rule in ((first, "first"), (average, "average")):
        assert algorithm.log_dict["eval/top-1-acc"] == algorithm.log_dict[f"eval/{rule}_acc"]
        results = algorithm.results_dict
        assert results["test/best_acc"] == results[f"test/{rule}_acc"]
        assert results["test/last_acc"] == results[f"test/last_{rule}_acc"]
        assert results["eval/last_acc"] == algorithm.evaluate("eval")[f"eval/{rule}_acc"]
    # By hand, from the checkpoint that was best on validation.
    saved = read_checkpoint(os.path.join(average.save_dir, average.save_name, "model_best.pth"))
    probs = []
    for network, state in ((average, saved), (average.peer, saved["peer"])):
        network.model.load_state_dict(state["ema_model"])
        network.model.eval()
        with torch.no_grad():
            batches = [(network.model(b["x_lb"])["logits"].softmax(1), b["y_lb"]) for b in average.loader_dict["test"]]
        probs.append(torch.cat([p for p, _ in batches]))
        labels = torch.cat([y for _, y in batches])
    for name, found in (("first", probs[0]), ("peer", probs[1]), ("average", probs[0] + probs[1])):
        assert average.results_dict[f"test/{name}_acc"] == pytest.approx((found.argmax(1) == labels).float().mean())


def test_under_data_parallel_the_run_is_the_same(tmp_path, monkeypatch):
    plain = train_tiny("fixmatch_dnll", tmp_path / "plain", **SHORT)
    misc = importlib.import_module("semilearn.core.utils.misc")
    monkeypatch.setattr(misc, "send_model_cuda", lambda args, model, clip_batch=False: nn.DataParallel(model))
    parallel = train_tiny("fixmatch_dnll", tmp_path / "parallel", **SHORT)
    assert isinstance(parallel.model, nn.DataParallel)
    assert isinstance(parallel.peer.model, nn.DataParallel)
    found = {name.replace("module.", ""): tensor for name, tensor in state_of(parallel).items()}
    assert same(found, state_of(plain))


def test_an_imbalanced_algorithm_is_refused(tmp_path):
    with pytest.raises(ConfigError, match="imb_algorithm: expected none with dnll"):
        build_tiny("fixmatch_dnll", tmp_path, imb_algorithm="darp")


TOGETHER: dict[str, dict[str, Any]] = {
    "dnll": {"dnll_selection": "error_perception"},
    "fixmatch_dnll": {"dnll_num_negatives": 3},
}
TOGETHER_KEYS: dict[str, Any] = {**SHORT, "dnll_ramp": 0.0, "lr": 0.01}


def run_share(rank, port, directory, results):
    """One of two processes, each with half of every batch."""
    torch.set_num_threads(1)
    device.select("cpu")
    usb_negsamp.register()
    address = f"tcp://127.0.0.1:{port}"
    torch.distributed.init_process_group("gloo", init_method=address, world_size=2, rank=rank)
    for name, keys in TOGETHER.items():
        args = tiny_arguments(name, directory, **TOGETHER_KEYS, **keys)
        args.distributed = args.multiprocessing_distributed = True
        args.world_size, args.rank, args.batch_size = 2, rank, args.batch_size // 2
        seed_everything(args.seed)
        algorithm, _ = build_algorithm(args)
        algorithm.train()
        found = {key.replace("module.", ""): tensor.numpy() for key, tensor in state_of(algorithm).items()}
        results[name, rank] = found
    torch.distributed.destroy_process_group()


def test_two_processes_agree_with_one(tmp_path):
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    one = {
        name: state_of(train_tiny(name, tmp_path / name, **TOGETHER_KEYS, **keys)) for name, keys in TOGETHER.items()
    }
    context = mp.get_context("spawn")
    with context.Manager() as manager:
        results = manager.dict()
        spawn(run_share, args=(port, str(tmp_path / "two"), results), nprocs=2)
        for name in TOGETHER:
            for rank in (0, 1):
                found = results[name, rank]
                assert found.keys() == one[name].keys()
                for key, tensor in one[name].items():
                    assert torch.allclose(torch.from_numpy(found[key]), tensor, rtol=0, atol=1e-4), (name, rank, key)
