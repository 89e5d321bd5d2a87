"""B11: the virtual adversarial direction."""

from types import SimpleNamespace

import pytest
import torch
from semilearn.algorithms.vat import VAT
from torch import nn

from usb_negsamp.host import device, patching
from usb_negsamp.host.wrapping.passes.virtual_adversary import l2_normalized


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        torch.manual_seed(0)
        self.body = nn.Sequential(nn.Flatten(), nn.Linear(3 * 64, 64), nn.Tanh(), nn.Linear(64, 10))
        self.seen = []

    def forward(self, x):
        self.seen.append(x.detach())
        return {"logits": 8 * self.body(x)}


def host_algorithm():
    algorithm = SimpleNamespace(distributed=False, gpu=None)
    algorithm.kl_div_with_logit = lambda q, p: VAT.kl_div_with_logit(algorithm, q, p)
    algorithm._l2_normalize = lambda d: VAT._l2_normalize(algorithm, d)
    return algorithm


def divergence(dtype):
    """LDS of the direction that VAT finds under autocast in ``dtype``, and of a random one."""
    device.select("cpu")
    net, x = Net(), torch.randn(16, 3, 8, 8, generator=torch.Generator().manual_seed(1))
    with torch.autocast("cpu", dtype=dtype, enabled=dtype != torch.float32):
        clean = net(x)["logits"]
        lds = VAT.vat_loss(host_algorithm(), net, x, clean, eps=1.0)
        random = l2_normalized(torch.randn(16, 3, 8, 8, generator=torch.Generator().manual_seed(2)))
        at_random = VAT.kl_div_with_logit(None, clean.detach(), net(x + random)["logits"])
    return lds.item(), at_random.item(), net, x


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float16])
def test_the_direction_is_adversarial_in_every_precision(dtype):
    lds, at_random, _, _ = divergence(dtype)
    assert lds > 5 * at_random
    assert lds > 0.1


def test_the_hosts_direction_is_weaker_in_float16():
    mended, _, _, _ = divergence(torch.float16)
    with patching.undone("virtual_adversary"):
        broken, _, _, _ = divergence(torch.float16)
    assert broken < 0.8 * mended


def test_the_perturbation_of_every_sample_has_norm_eps():
    _, _, net, x = divergence(torch.float32)
    perturbation = net.seen[2] - x
    assert torch.allclose(perturbation.flatten(1).norm(dim=1), torch.ones(16), atol=1e-4)


def test_gradients_that_are_there_already_stay():
    net, x = Net(), torch.randn(4, 3, 8, 8)
    for parameter in net.parameters():
        parameter.grad = torch.ones_like(parameter)
    VAT.vat_loss(host_algorithm(), net, x, net(x)["logits"], eps=1.0)
    assert all(p.grad is not None and torch.equal(p.grad, torch.ones_like(p)) for p in net.parameters())
    with patching.undone("virtual_adversary"):
        VAT.vat_loss(host_algorithm(), net, x, net(x)["logits"], eps=1.0)
    assert not all(p.grad is not None and torch.equal(p.grad, torch.ones_like(p)) for p in net.parameters())


def test_a_direction_is_normalized_also_where_its_square_underflows():
    tiny = torch.full((2, 3), 1e-30)
    tiny[1] = 0.0
    assert torch.allclose(l2_normalized(tiny).norm(dim=1), torch.tensor([1.0, 0.0]))


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_the_perturbation_has_norm_eps_under_autocast_too(dtype):
    _, _, net, x = divergence(dtype)
    assert torch.allclose((net.seen[2] - x).flatten(1).norm(dim=1), torch.ones(16), atol=1e-4)


class NoisyNet(Net):
    def __init__(self, draw):
        super().__init__()
        self.draw = draw

    def forward(self, x):
        return super().forward(self.draw(x))


NOISE = {
    "dropout": torch.nn.functional.dropout,
    "noise": lambda x: x + 0.5 * torch.randn_like(x),
}


@pytest.mark.parametrize("num_iters", [0, 1, 2])
@pytest.mark.parametrize("draw", NOISE.values(), ids=NOISE)
def test_a_network_with_noise_differs_by_the_perturbation_alone(draw, num_iters):
    net, x = NoisyNet(draw), torch.randn(16, 3, 8, 8, generator=torch.Generator().manual_seed(1))
    lds = VAT.vat_loss(host_algorithm(), net, x, net(x)["logits"], eps=0.0, num_iters=num_iters)
    assert lds.item() == pytest.approx(0.0, abs=1e-6)
    with patching.undone("virtual_adversary", "vat_options"):
        host = VAT.vat_loss(host_algorithm(), net, x, net(x)["logits"], eps=0.0, num_iters=1)
    assert host.item() > 0.1


@pytest.mark.parametrize("draw", NOISE.values(), ids=NOISE)
def test_the_direction_is_adversarial_for_a_network_with_noise(draw):
    net, x = NoisyNet(draw), torch.randn(16, 3, 8, 8, generator=torch.Generator().manual_seed(1))
    found, at_random = (
        VAT.vat_loss(host_algorithm(), net, x, net(x)["logits"], eps=1.0, num_iters=number).item() for number in (1, 0)
    )
    assert found > 5 * at_random


def test_a_network_without_noise_makes_no_pass_more():
    net, x = Net(), torch.randn(4, 3, 8, 8)
    clean = net(x)["logits"]
    torch.manual_seed(7)
    VAT.vat_loss(host_algorithm(), net, x, clean, eps=1.0)
    after = torch.rand(1)
    torch.manual_seed(7)
    torch.randn_like(x)
    assert len(net.seen) == 3
    assert torch.equal(after, torch.rand(1))


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
@pytest.mark.parametrize("draw", NOISE.values(), ids=NOISE)
def test_noise_within_a_network_is_the_same_in_half_precision(draw, dtype):
    class InnerNoise(Net):
        def forward(self, x):
            return {"logits": self.body[3](draw(self.body[2](self.body[1](x.flatten(1)))))}

    net, x = InnerNoise(), torch.randn(16, 3, 8, 8, generator=torch.Generator().manual_seed(1))
    with torch.autocast("cpu", dtype=dtype):
        lds = VAT.vat_loss(host_algorithm(), net, x, net(x)["logits"], eps=0.0)
    assert lds.item() == pytest.approx(0.0, abs=1e-6)
