"""Two networks' loss scalers read once for both, and scale, skip and update as two of PyTorch's own."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.amp.grad_scaler import GradScaler

from usb_negsamp.host.wrapping.paired_scaler import FirstScaler, pair_scalers
from usb_negsamp.testing import build_tiny, parameters_of

TOO_LARGE = 3e38
"""A scale from which a loss overflows, for a few steps."""


def _trained(path: Path, name: str, scales: tuple[float, float], pairs: bool, **keys: Any) -> dict[str, Any]:
    """All tensors and scaler states of both networks after a tiny run with the scales of their scalers."""
    algorithm = build_tiny(name, path, amp=True, **keys)
    for network, scale in zip((algorithm, algorithm.peer), scales, strict=True):
        network.loss_scaler = GradScaler("cpu", init_scale=scale, growth_interval=3)
    if pairs:
        pair_scalers(algorithm, algorithm.peer)
    assert isinstance(algorithm.loss_scaler, FirstScaler) == pairs
    algorithm.train()
    return {
        f"{which}.{name}": value
        for which, network in (("first", algorithm), ("peer", algorithm.peer))
        for name, value in {**parameters_of(network), **network.loss_scaler.state_dict()}.items()
    }


@pytest.mark.parametrize("scales", [(1.0, 1.0), (TOO_LARGE, 8.0), (8.0, TOO_LARGE), (TOO_LARGE, TOO_LARGE)])
def test_each_network_skips_and_rescales_as_with_a_scaler_of_its_own(
    scales: tuple[float, float], tmp_path: Path
) -> None:
    apart, paired = (_trained(tmp_path / str(pairs), "fixmatch_dnll", scales, pairs) for pairs in (False, True))
    assert {
        name: torch.equal(torch.as_tensor(value), torch.as_tensor(paired[name])) for name, value in apart.items()
    } == dict.fromkeys(apart, True)
    for which, scale in zip(("first", "peer"), scales, strict=True):
        assert (apart[f"{which}.scale"] < scale) == (scale == TOO_LARGE)


@pytest.mark.parametrize(
    ("name", "keys"),
    [
        ("dualstudent_ns3l", {"clip_grad": 0.1}),
        # Its hook takes a pass of its own beside the step, in which dropout draws.
        (
            "meanteacher_ns3l_dnll",
            {
                "net": "cnn3",
                "img_size": 28,
                "batch_size": 2,
                "uratio": 1,
                "num_train_iter": 2,
                "num_eval_iter": 2,
                "ns3l_threshold": 0.099,
            },
        ),
    ],
)
def test_the_second_network_draws_as_before(name: str, keys: dict[str, Any], tmp_path: Path) -> None:
    apart, paired = (_trained(tmp_path / str(pairs), name, (2.0, 2.0), pairs, **keys) for pairs in (False, True))
    differing = [
        key for key, value in apart.items() if isinstance(value, Tensor) and not torch.equal(value, paired[key])
    ]
    assert differing == []


def _steps(first: Any, second: Any, pairs: bool, gradients: list[tuple[float, float]]) -> list[Tensor]:
    """The weights of two networks of one weight after steps with gradients that may be infinite."""
    networks = [nn.Linear(1, 1, bias=False) for _ in range(2)]
    for network in networks:
        nn.init.ones_(network.weight)
    optimizers = [torch.optim.SGD(network.parameters(), lr=0.5) for network in networks]

    def update(place: int, scaler: GradScaler, gradient: float) -> None:
        scaler.scale(networks[place].weight.sum() * gradient).backward()
        scaler.step(optimizers[place])
        scaler.update()
        optimizers[place].zero_grad()

    for of_first, of_second in gradients:
        if pairs:
            first.update_of_second = lambda gradient=of_second: update(1, second, gradient)
        else:
            update(1, second, of_second)
        update(0, first, of_first)
    return [network.weight.detach() for network in networks]


def test_a_step_reads_once(monkeypatch: pytest.MonkeyPatch) -> None:
    reads: list[str] = []

    def counted(name: str) -> Any:
        original = getattr(Tensor, name)

        def read(self: Tensor) -> Any:
            reads.append(name)
            return original(self)

        return read

    for name in ("item", "tolist"):
        monkeypatch.setattr(Tensor, name, counted(name))
    infinite = float("inf")
    gradients = [(1.0, 1.0), (infinite, 1.0), (1.0, infinite), (infinite, infinite), (0.5, 0.25)]
    expected = _steps(GradScaler("cpu"), GradScaler("cpu"), False, gradients)
    assert len(reads) == 2 * len(gradients)
    reads.clear()
    paired = FirstScaler("cpu")
    found = _steps(paired, paired.second, True, gradients)
    assert len(reads) == len(gradients)
    assert [weight.item() for weight in found] == [weight.item() for weight in expected] == [-0.25, -0.125]


def test_a_step_of_the_first_network_alone_reads_its_own() -> None:
    paired = FirstScaler("cpu")
    weight = torch.ones(1, requires_grad=True)
    optimizer = torch.optim.SGD([weight], lr=1.0)
    for gradient in (float("inf"), 0.5):
        paired.scale(weight * gradient).backward()
        paired.step(optimizer)
        paired.update()
        optimizer.zero_grad()
    assert weight.item() == 0.5


def test_scalers_that_are_off_or_a_base_s_own_stay_as_they_are(tmp_path: Path) -> None:
    algorithm = build_tiny("dnll", tmp_path, amp=True)
    assert type(algorithm.loss_scaler) is GradScaler

    class Own(GradScaler):
        """A base's."""

    algorithm.loss_scaler = own = Own("cpu")
    algorithm.peer.loss_scaler = GradScaler("cpu")
    pair_scalers(algorithm, algorithm.peer)
    assert algorithm.loss_scaler is own
