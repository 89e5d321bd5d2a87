"""B13: the averaged weights."""

import torch
from semilearn.core.utils import misc
from torch import nn

from usb_negsamp.host import patching


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


def test_the_average_follows_the_hosts_formula():
    torch.manual_seed(0)
    model, ema = averaged(0.9)
    with patching.undone("moving_average"):
        host = misc.EMA(model, 0.9)
        host.register()
    for _ in range(20):
        with torch.no_grad():
            model.weight.add_(torch.randn(2, 2))
        ema.update()
        host.update()
    assert torch.allclose(ema.shadow["weight"], host.shadow["weight"], atol=1e-6)


def test_momentum_zero_is_the_model_itself():
    model, ema = averaged(0.0)
    with torch.no_grad():
        model.weight.add_(torch.randn(2, 2))
    ema.update()
    assert torch.equal(ema.shadow["weight"], model.weight)
