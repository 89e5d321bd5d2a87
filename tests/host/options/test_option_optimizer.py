"""``optim: Adam``."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from semilearn.core.utils import build, get_optimizer

from usb_negsamp.errors import ConfigError
from usb_negsamp.host.arguments import optimizer_names
from usb_negsamp.host.patching import undone
from usb_negsamp.nets import small_cnn
from usb_negsamp.testing import parameters_of, train_tiny


def test_the_hosts_optimizers_are_the_hosts_bit_for_bit(tmp_path: Path) -> None:
    for name in ("SGD", "AdamW"):
        ours = parameters_of(train_tiny("fixmatch", tmp_path / name, optim=name))
        with undone("optimizer"):
            hosts = parameters_of(train_tiny("fixmatch", tmp_path / f"{name}_host", optim=name))
        assert all(torch.equal(hosts[key], tensor) for key, tensor in ours.items())


def test_adam_has_the_papers_moments_and_the_hosts_groups() -> None:
    net = small_cnn(num_classes=3)
    adam, adamw = (get_optimizer(net, name, lr=6e-4, weight_decay=0.1) for name in ("Adam", "AdamW"))
    assert type(adam) is torch.optim.Adam
    for group, hosts in zip(adam.param_groups, adamw.param_groups, strict=True):
        assert (group["lr"], group["betas"], group["eps"]) == (6e-4, (0.9, 0.999), 1e-8)
        assert group["weight_decay"] == hosts["weight_decay"]
        assert [id(p) for p in group["params"]] == [id(p) for p in hosts["params"]]
    assert {group["weight_decay"] for group in adam.param_groups} == {0.0, 0.1}


def test_a_step_of_adam_adds_the_decay_to_the_gradient() -> None:
    net = torch.nn.Linear(2, 1, bias=False)
    torch.nn.init.constant_(net.weight, 2.0)
    adam = get_optimizer(net, "Adam", lr=0.5, weight_decay=0.1)
    net.weight.grad = torch.tensor([[-0.1, -0.3]])
    adam.step()
    # With the decay the gradient is (0.1, -0.1): of first steps of Adam only the sign counts.
    assert torch.allclose(net.weight, torch.tensor([[1.5, 2.5]]), atol=1e-5)


def test_an_unknown_optimizer_is_one_line_with_the_nearest_name() -> None:
    with pytest.raises(ConfigError, match=r"^unknown optimizer 'Adm'; did you mean 'Adam'\?$"):
        get_optimizer(small_cnn(num_classes=3), "Adm")
    with undone("optimizer"), pytest.raises(UnboundLocalError):
        build.get_optimizer(small_cnn(num_classes=3), "Adm")


def test_a_run_with_adam_learns_and_the_launcher_knows_the_name(tmp_path: Path) -> None:
    algorithm = train_tiny("vat", tmp_path, optim="Adam", lr=3e-3)
    assert type(algorithm.optimizer) is torch.optim.Adam
    assert algorithm.it == 10
    assert "Adam" in optimizer_names()
