"""What is computed in half precision, and in another order of the channels, is what float32 computes, nearly."""

from __future__ import annotations

import pytest
import torch
from device_runs import GPU, assert_same, losses_of, train
from torch import nn

from usb_negsamp.functional import ns3l_loss, pseudo_negative_loss, threshold_negatives
from usb_negsamp.host.wrapping.passes.virtual_adversary import adversarial_logits

pytestmark = pytest.mark.gpu

EDGES = torch.tensor([[30.0, -30.0, 0.0, 1.0], [-8.0, 8.0, -8.0, -8.0], [0.0, 0.0, 0.0, 0.0], [11.0, 10.0, 9.0, 8.0]])
"""Logits (4, 4): near one class, alike, and of probabilities that half precision does not hold."""
NEGATIVES = torch.tensor(
    [[False, True, True, False], [True, False, True, True], [False] * 3 + [True], [True] + [False] * 3]
)
DTYPES = [torch.float16, torch.bfloat16]


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
@pytest.mark.parametrize("loss", [ns3l_loss, pseudo_negative_loss], ids=lambda loss: loss.__name__)
def test_the_formulas_under_autocast_are_those_in_float64(loss, dtype) -> None:
    logits = EDGES.to("cuda", dtype).requires_grad_()
    exact = logits.detach().double().cpu().requires_grad_()
    with torch.autocast("cuda", dtype=dtype):
        found = loss(logits, NEGATIVES.to("cuda"))
    assert found.dtype == torch.float32
    expected = loss(exact, NEGATIVES)
    torch.testing.assert_close(found.double().cpu(), expected, rtol=1e-5, atol=1e-6)
    (gradient,), (exact_gradient,) = torch.autograd.grad(found, logits), torch.autograd.grad(expected, exact)
    torch.testing.assert_close(gradient.double().cpu(), exact_gradient, rtol=1e-2, atol=1e-4)


def test_negatives_are_chosen_by_probabilities_in_float32() -> None:
    logits = EDGES.to("cuda").half()
    with torch.autocast("cuda"):
        chosen = threshold_negatives(logits.softmax(1), 0.04)
    assert chosen.is_cuda
    assert torch.equal(chosen.cpu(), threshold_negatives(logits.float().cpu().softmax(1), 0.04))


@pytest.mark.parametrize("algorithm", ["fixmatch_ns3l", "vat_ns3l", "dnll"])
def test_losses_in_float16_are_near_those_in_float32(algorithm: str, draws_on_the_host: None) -> None:
    single, half = (train(algorithm, str(amp), amp=amp, num_train_iter=4, **GPU) for amp in (False, True))
    assert losses_of(half) == pytest.approx(losses_of(single), rel=0.05, abs=0.02)
    assert losses_of(half) != losses_of(single)


def test_channels_last_gives_the_same_numbers(rounding: float) -> None:
    plain, laid_out = (train("fixmatch_ns3l", str(last), channels_last=last, **GPU) for last in (False, True))
    assert_same(plain, laid_out, max(rounding, 1e-4))


def test_channels_last_in_float16_is_near() -> None:
    plain, laid_out = (train("fixmatch_ns3l", str(last), channels_last=last, amp=True, **GPU) for last in (False, True))
    assert losses_of(laid_out) == pytest.approx(losses_of(plain), rel=0.05, abs=0.02)


def test_the_adversary_in_float16_moves_the_output_much_further_than_chance() -> None:
    torch.manual_seed(0)
    network = Flat().to("cuda")
    images, chance = torch.randn(2, 16, 3, 8, 8).to("cuda")
    chance /= chance.flatten(1).norm(dim=1).view(-1, 1, 1, 1)
    with torch.autocast("cuda", dtype=torch.float16):
        clean = network(images)["logits"]
        target, perturbed = adversarial_logits(Divergence(), network, images, clean, xi=1e-2, eps=1.0, num_iters=1)
        at_chance = network(images + chance)["logits"]
    adversarial, random = (
        Divergence.kl_div_with_logit(target.float(), logits.float()).item() for logits in (perturbed, at_chance)
    )
    assert adversarial > max(5 * random, 0.1)


class Flat(nn.Module):
    """A steep network of one hidden layer."""

    def __init__(self) -> None:
        super().__init__()
        self.body = nn.Sequential(nn.Flatten(), nn.Linear(3 * 64, 64), nn.Tanh(), nn.Linear(64, 10))

    def forward(self, images: torch.Tensor) -> dict[str, torch.Tensor]:
        return {"logits": 8 * self.body(images)}


class Divergence:
    """As much of the host's VAT as the adversary asks for."""

    distributed = False

    @staticmethod
    def kl_div_with_logit(q_logit: torch.Tensor, p_logit: torch.Tensor) -> torch.Tensor:
        q = q_logit.softmax(1)
        return (q * (q_logit.log_softmax(1) - p_logit.log_softmax(1))).sum(1).mean()
