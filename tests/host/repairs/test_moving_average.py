"""B13: the averaged weights."""

import pytest
import torch
from semilearn.core.utils import misc
from torch import nn

from usb_negsamp.host import Hook, patching
from usb_negsamp.nets import small_cnn
from usb_negsamp.testing import build_tiny, parameters_of, train_tiny


def averaged(decay=0.5):
    model = nn.Linear(2, 2)
    ema = misc.EMA(model, decay)
    ema.register()
    return model, ema


def change_in_place_while_applied():
    model, ema = averaged()
    before = ema.shadow["weight"].clone()
    ema.apply_shadow()
    with torch.no_grad():
        model.weight.add_(1.0)
    ema.restore()
    return torch.equal(ema.shadow["weight"], before)


def raw_weights_survive_nesting():
    model, ema = averaged()
    with torch.no_grad():
        model.weight.add_(1.0)
    raw = model.weight.detach().clone()
    try:
        ema.apply_shadow()
        ema.apply_shadow()
        ema.restore()
        ema.restore()
    except KeyError:
        return False
    return torch.equal(model.weight, raw)


def new_parameter_is_accepted():
    model, ema = averaged()
    model.extra = nn.Parameter(torch.ones(3))
    try:
        ema.update()
    except KeyError:
        return False
    return torch.equal(ema.shadow["extra"], torch.ones(3))


def test_the_average_survives_use_that_breaks_the_hosts():
    for check in (change_in_place_while_applied, raw_weights_survive_nesting, new_parameter_is_accepted):
        assert check(), check.__name__
        with patching.undone("moving_average"):
            assert not check(), f"{check.__name__} no longer fails on the host"


@pytest.mark.parametrize("decay", [0.0, 0.3, 0.9, 0.999])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_the_average_is_the_hosts_bit_for_bit(decay, dtype):
    model = small_cnn(num_classes=3).to(dtype)
    ours = misc.EMA(model, decay)
    ours.register()
    with patching.undone("moving_average"):
        hosts = misc.EMA(model, decay)
        hosts.register()
    for _ in range(20):
        with torch.no_grad():
            for parameter in model.parameters():
                parameter.add_(torch.randn_like(parameter))
        ours.update()
        hosts.update()
    assert ours.shadow.keys() == hosts.shadow.keys()
    assert all(torch.equal(ours.shadow[name], average) for name, average in hosts.shadow.items())


def test_the_averaged_model_is_the_hosts_bit_for_bit(tmp_path):
    ours = parameters_of(train_tiny("fixmatch", tmp_path / "ours"))
    with patching.undone("moving_average"):
        hosts = parameters_of(train_tiny("fixmatch", tmp_path / "hosts"))
    assert any("running_mean" in name for name in ours)
    assert all(torch.equal(ours[name], tensor) for name, tensor in hosts.items())


def test_momentum_zero_is_the_model_itself():
    model, ema = averaged(0.0)
    with torch.no_grad():
        model.weight.add_(torch.randn(2, 2))
    ema.update()
    assert torch.equal(ema.shadow["weight"], model.weight)


class Watch(Hook):
    """Keeps the weights after every step."""

    settings_only = True

    def __init__(self):
        self.weights = []

    def after_train_step(self, algorithm):
        self.weights.append([parameter.detach().clone() for parameter in algorithm.model.parameters()])


def test_every_step_of_a_run_moves_the_average_once(tmp_path):
    run, watch = build_tiny("supervised", tmp_path, ema_m=0.9, num_train_iter=4, lr=0.03), Watch()
    expected = [parameter.detach().clone() for parameter in run.model.parameters()]
    run.register_hook(watch, None, "LOWEST")
    run.train()
    for weights in watch.weights:
        expected = [0.9 * average + 0.1 * weight for average, weight in zip(expected, weights, strict=True)]
    assert len(watch.weights) == 4
    for average, kept, here in zip(expected, run.ema.shadow.values(), run.ema_model.parameters(), strict=True):
        assert torch.allclose(kept, average, atol=1e-6)
        assert torch.equal(here, kept)
