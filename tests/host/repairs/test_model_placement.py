"""V9, B14: a network reaches the selected device, alone or in several processes."""

import importlib
from types import SimpleNamespace

import pytest
import torch
import torch.multiprocessing as mp
from torch import nn
from torch.multiprocessing.spawn import spawn

# Spawned children import this file first: the host must come to them through us, too.
from usb_negsamp.host import device, patching, sync_batch_norm
from usb_negsamp.host.sync_batch_norm import CPUSyncBatchNorm, convert_sync_batch_norm

misc = importlib.import_module("semilearn.core.utils.misc")


def test_on_the_cpu_a_network_stays_and_the_batch_size_too():
    device.select("cpu")
    args, model = SimpleNamespace(distributed=False, gpu=None, batch_size=8), nn.Linear(1, 1)
    assert misc.send_model_cuda(args, model) is model
    assert args.batch_size == 8


@pytest.mark.skipif(torch.cuda.is_available(), reason="shows what happens where there is no GPU")
def test_the_host_refuses_to_run_without_a_gpu():
    with patching.undone("model_placement"), pytest.raises(Exception, match="ONLY GPU TRAINING"):
        misc.send_model_cuda(SimpleNamespace(distributed=False, gpu=None), nn.Linear(1, 1))


def network():
    torch.manual_seed(0)
    return nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.ReLU(), nn.Flatten(), nn.Linear(4 * 16, 2))


def one_process(x, y):
    net = network()
    nn.functional.cross_entropy(net(x), y).backward()
    return net


def run_half(rank, port, x, y, results):
    torch.set_num_threads(1)
    address = f"tcp://127.0.0.1:{port}"
    torch.distributed.init_process_group("gloo", init_method=address, world_size=2, rank=rank)
    net = nn.parallel.DistributedDataParallel(convert_sync_batch_norm(network()), broadcast_buffers=False)
    nn.functional.cross_entropy(net(x[rank::2]), y[rank::2]).backward()
    grads = {name: p.grad.numpy() for name, p in net.module.named_parameters()}
    results[rank] = (grads, net.module[1].running_mean.numpy(), net.module[1].running_var.numpy())
    torch.distributed.destroy_process_group()


def free_port():
    import socket

    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def test_two_processes_normalize_by_the_statistics_of_the_whole_batch():
    x, y = torch.randn(8, 3, 6, 6), torch.arange(8) % 2
    whole = one_process(x, y)
    context = mp.get_context("spawn")
    with context.Manager() as manager:
        results = manager.dict()
        spawn(run_half, args=(free_port(), x, y, results), nprocs=2)
        for rank in (0, 1):
            grads, mean, variance = results[rank]
            for name, parameter in whole.named_parameters():
                assert torch.allclose(torch.from_numpy(grads[name]), parameter.grad, atol=1e-5), name
            assert torch.allclose(torch.from_numpy(mean), whole[1].running_mean, atol=1e-6)
            assert torch.allclose(torch.from_numpy(variance), whole[1].running_var, atol=1e-5)


def test_conversion_keeps_the_state_and_alone_it_is_the_plain_layer():
    net, x = network(), torch.randn(8, 3, 6, 6)
    expected = net(x)
    converted = convert_sync_batch_norm(network())
    assert isinstance(converted.get_submodule("1"), CPUSyncBatchNorm)
    assert torch.equal(converted(x), expected)
    assert converted.state_dict().keys() == net.state_dict().keys()


def test_conversion_keeps_the_parameters_that_an_optimizer_holds():
    net = network()
    before = {name: id(parameter) for name, parameter in net.named_parameters()}
    converted = convert_sync_batch_norm(net)
    assert {name: id(parameter) for name, parameter in converted.named_parameters()} == before


@pytest.mark.parametrize(("mean", "std"), [(30.1, 0.0), (100.0, 0.05)])
def test_a_channel_that_hardly_varies_is_normalized_too(mean, std, monkeypatch):
    """Two processes with the same batch: sums are twice one's."""
    monkeypatch.setattr(torch.distributed, "is_initialized", lambda: True)
    monkeypatch.setattr(torch.distributed, "get_world_size", lambda: 2)
    monkeypatch.setattr(sync_batch_norm, "all_reduce", lambda values: 2 * values)
    x = mean + std * torch.randn(16, 2, 4, 4)
    expected = torch.nn.BatchNorm2d(2)(x.double().float())
    found = CPUSyncBatchNorm(2)(x)
    assert torch.isfinite(found).all()
    assert torch.allclose(found, expected, atol=2e-2)
