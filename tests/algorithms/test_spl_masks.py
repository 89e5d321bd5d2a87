"""SPL's masks on the weights of a network, without a run."""

import copy
from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn.utils import parametrize
from torch.nn.utils.parametrizations import weight_norm

from usb_negsamp import ConfigError
from usb_negsamp.algorithms.spl.identification import identify, overall_ratio
from usb_negsamp.algorithms.spl.masked import fold, maskable_layers, put_on, stored_tensors, take_off, weight_of
from usb_negsamp.algorithms.spl.settings import SPLSettings, mismatch_value, rate_value
from usb_negsamp.algorithms.spl.steps import HarmfulWeightsKept, move_scores
from usb_negsamp.algorithms.spl.validation import Validation, split_validation


class Network(nn.Module):
    """Two convolutions, a classifier, and a projection that no logit depends on."""

    def __init__(self, normalized=False):
        super().__init__()
        torch.manual_seed(0)
        wrap = weight_norm if normalized else (lambda layer: layer)
        self.first = wrap(nn.Conv2d(3, 8, 3))
        self.second = wrap(nn.Conv2d(8, 16, 3))
        self.projection = nn.Linear(16, 4)
        self.classifier = nn.Linear(16, 5)

    def forward(self, x):
        features = self.second(self.first(x).relu()).relu().mean((2, 3))
        return {"logits": self.classifier(features), "feat": features, "projected": self.projection(features)}


IMAGES = torch.randn(4, 3, 8, 8, generator=torch.Generator().manual_seed(1))
LAYERS = ["first", "second", "classifier"]


def settings(**changes):
    values = SPLSettings(ratio=0.5, rounds=1, inner_steps=1, outer_steps=1, inner_lr=1.0, outer_lr=0.1, patience=0)
    return replace(values, **changes)


def masked(normalized=False, ratio=0.5, **changes):
    network = Network(normalized)
    masks = identify(network, LAYERS, ratio, settings(**changes), seed=0)
    put_on(network, masks)
    return network, masks


def test_layers_are_those_that_the_logits_depend_on_in_calling_order():
    network = Network()
    assert maskable_layers(network, IMAGES, with_head=True) == LAYERS
    assert maskable_layers(network, IMAGES, with_head=False) == LAYERS[:-1]
    assert maskable_layers(Network(normalized=True), IMAGES, with_head=True) == LAYERS
    assert network.training
    assert all(parameter.grad is None for parameter in network.parameters())


class OnlyHead(nn.Module):
    def __init__(self, layer):
        super().__init__()
        self.layer = layer

    def forward(self, x):
        return {"logits": self.layer(x.mean((2, 3)))}


def test_a_network_without_a_layer_to_mask_is_one_clear_error():
    with pytest.raises(ConfigError, match=r"nothing to mask: .*spl_mask_head is false"):
        maskable_layers(OnlyHead(nn.Linear(3, 5)), IMAGES, with_head=False)
    with pytest.raises(ConfigError, match="nothing to mask"):
        maskable_layers(OnlyHead(nn.LayerNorm(3)), IMAGES, with_head=True)


def test_the_old_weight_normalization_is_one_clear_error():
    with pytest.raises(ConfigError, match=r"weight of layer .* made anew in each pass"):
        maskable_layers(OnlyHead(torch.nn.utils.weight_norm(nn.Linear(3, 5))), IMAGES, with_head=True)


@pytest.mark.parametrize("normalized", [False, True])
def test_one_threshold_for_all_layers_keeps_the_largest_effective_weights(normalized):
    network, masks = masked(normalized, ratio=0.3)
    plain = Network(normalized)
    weights = torch.cat([weight_of(plain.get_submodule(path)).abs().flatten() for path in LAYERS])
    kept = torch.cat([masks[path].kept.flatten() for path in LAYERS])
    assert int(kept.sum()) == round(0.3 * len(kept))
    assert weights[kept].min() >= weights[~kept].max()
    assert overall_ratio(masks) == pytest.approx(0.3, abs=1 / len(kept))
    for path in LAYERS:
        expected = weight_of(plain.get_submodule(path)) * masks[path].kept
        assert torch.equal(weight_of(network.get_submodule(path)), expected)


@pytest.mark.parametrize("mask", ["hard", "soft"])
@pytest.mark.parametrize("normalized", [False, True])
def test_a_ratio_of_one_changes_no_bit(mask, normalized):
    network, _ = masked(normalized, ratio=1.0, mask=mask)
    assert torch.equal(network(IMAGES)["logits"], Network(normalized)(IMAGES)["logits"])


@pytest.mark.parametrize("normalized", [False, True])
def test_a_mask_taken_off_leaves_the_network_as_it_was(normalized):
    network, masks = masked(normalized)
    take_off(network, masks)
    plain = Network(normalized)
    assert network.state_dict().keys() == plain.state_dict().keys()
    assert torch.equal(network(IMAGES)["logits"], plain(IMAGES)["logits"])


@pytest.mark.parametrize("mask", ["hard", "soft"])
@pytest.mark.parametrize("normalized", [False, True])
@pytest.mark.parametrize("ratio", [0.05, 0.6])
def test_the_folded_network_is_plain_and_predicts_what_the_masked_one_does(mask, normalized, ratio):
    network, masks = masked(normalized, ratio=ratio, mask=mask)
    if mask == "soft":
        for layer in masks.values():
            layer.mask.mul_(torch.rand_like(layer.mask))
    if ratio == 0.05:
        # A filter without a weight left has no direction.
        masks["first"].mask[0] = 0.0
    expected = network(IMAGES)["logits"]
    fold(network, masks)
    plain = Network(normalized)
    plain.load_state_dict(network.state_dict())
    found = plain(IMAGES)["logits"]
    assert torch.equal(found, expected) if not normalized else torch.allclose(found, expected, atol=1e-6)


@pytest.mark.parametrize("normalized", [False, True])
@pytest.mark.parametrize(
    "optimizer",
    [
        lambda parameters: torch.optim.SGD(parameters, lr=0.1, momentum=0.9, weight_decay=0.1, nesterov=True),
        lambda parameters: torch.optim.AdamW(parameters, lr=0.1, weight_decay=0.1),
    ],
)
def test_momentum_and_decay_leave_harmful_weights_where_they_are(optimizer, normalized):
    network, masks = masked(normalized, ratio=0.4)
    stored = {path: stored_tensors(network.get_submodule(path)) for path in masks}
    before = {path: [tensor.detach().clone() for tensor in tensors] for path, tensors in stored.items()}
    made = optimizer(network.parameters())
    HarmfulWeightsKept(made, network, masks)
    for _ in range(5):
        made.zero_grad()
        nn.functional.cross_entropy(network(IMAGES)["logits"], torch.arange(4)).backward()
        made.step()
    for path, mask in masks.items():
        [now], [then] = stored[path], before[path]
        assert torch.equal(now[~mask.kept], then[~mask.kept])
        assert not torch.equal(now[mask.kept], then[mask.kept])


def test_a_hard_mask_swaps_within_its_layer_and_stays_between_0_and_1():
    _, masks = masked(ratio=0.5)
    counts = {path: int(mask.kept.sum()) for path, mask in masks.items()}
    before = {path: mask.kept.clone() for path, mask in masks.items()}
    generator = torch.Generator().manual_seed(3)
    move_scores(masks, [torch.randn(mask.scores.shape, generator=generator) for mask in masks.values()], lr=0.3)
    for path, mask in masks.items():
        assert int(mask.kept.sum()) == counts[path]
        assert not torch.equal(mask.kept, before[path])
        assert 0.0 <= float(mask.scores.min()) <= float(mask.scores.max()) <= 1.0


def test_a_soft_mask_lets_a_weight_go_and_return():
    _, masks = masked(ratio=0.5, mask="soft")
    mask = masks["first"]
    harmful = ~mask.kept
    assert harmful.any()
    mask.scores.requires_grad_()
    mask.learning = True
    (mask(torch.ones_like(mask.scores)) * torch.where(harmful, -1.0, 1.0)).sum().backward()
    gradient = mask.scores.grad
    mask.scores.requires_grad_(False)
    mask.learning = False
    others = [torch.zeros_like(other.scores) for path, other in masks.items() if path != "first"]
    move_scores(masks, [gradient, *others], lr=1.5)
    assert torch.equal(mask.kept, harmful), "those at 0 have risen, those at 1 have fallen below 0"
    assert float(mask.mask.min()) == 0.0


def test_without_identification_ratios_stay_and_places_are_random():
    _, by_magnitude = masked(ratio=0.5)
    _, at_random = masked(ratio=0.5, ablation="no_identification")
    for path in LAYERS:
        assert int(at_random[path].kept.sum()) == int(by_magnitude[path].kept.sum())
        assert not torch.equal(at_random[path].kept, by_magnitude[path].kept)
        assert torch.equal(at_random[path].of_scores().bool(), at_random[path].kept)


def test_the_scores_of_a_hard_mask_give_its_mask_back():
    _, masks = masked(ratio=0.37)
    assert all(torch.equal(mask.of_scores().bool(), mask.kept) for mask in masks.values())


def test_masks_stack_on_other_parametrizations_and_survive_a_copy():
    network, _ = masked(normalized=True)
    assert len(network.first.parametrizations.weight) == 2
    assert parametrize.is_parametrized(network.classifier, "weight")
    twin = copy.deepcopy(network)
    assert torch.equal(twin(IMAGES)["logits"], network(IMAGES)["logits"])
    assert not any("scores" in name for name, _ in network.named_parameters())


def test_validation_is_split_by_class_and_leaves_out_what_is_no_class():
    targets = np.array([0] * 40 + [1] * 20 + [2] * 10 + [-1] * 5 + [3] * 5)
    first, second = split_validation(targets, 3, 0.7, seed=0)
    assert np.bincount(targets[first]).tolist() == [28, 14, 7]
    assert np.bincount(targets[second]).tolist() == [12, 6, 3]
    assert not set(first) & set(second)
    assert not np.array_equal(first, split_validation(targets, 3, 0.7, seed=1)[0])


def test_validation_that_is_too_small_is_one_clear_error():
    with pytest.raises(ConfigError, match="spl_validation_fraction: expected a share that leaves images to both"):
        split_validation(np.array([0]), 2, 0.7, seed=0)


def test_batches_of_v1_go_through_all_of_it_in_one_order_after_the_other():
    validation = Validation(list(range(100, 120)), collate=list, first=np.arange(10), second=np.arange(10, 20), seed=0)
    drawn = [index for step in range(5) for index in validation.batch_of_first(step, 4)]
    assert sorted(drawn[:10]) == sorted(drawn[10:]) == list(range(100, 110))
    assert drawn[:10] != drawn[10:]


@pytest.mark.parametrize(
    ("changes", "phases"),
    [
        ({}, (("inner", 3), ("outer", 4))),
        ({"ablation": "no_inner"}, (("outer", 4),)),
        ({"ablation": "no_outer"}, (("inner", 3),)),
        ({"ablation": "no_bilevel"}, (("joint", 4),)),
        ({"ablation": "no_identification"}, (("inner", 3), ("outer", 4))),
        ({"control": "finetune"}, (("finetune", 7),)),
        ({"control": "alternate"}, (("finetune", 3), ("outer", 4))),
    ],
)
def test_a_control_takes_as_many_steps_as_what_it_is_compared_with(changes, phases):
    assert settings(inner_steps=3, outer_steps=4, **changes).phases == phases


@pytest.mark.parametrize(
    ("changes", "rates"),
    [
        ({}, [1.0]),
        ({"inner_lr": "select"}, [10.0, 30.0, 100.0]),
        ({"control": "finetune"}, [0.003]),
        ({"control": "finetune", "inner_lr": "select"}, [0.003, 0.01, 0.03]),
        ({"control": "alternate", "inner_lr": "select"}, [0.003, 0.01, 0.03]),
        ({"ablation": "no_inner"}, [None]),
    ],
)
def test_rates_of_the_steps_on_v1_are_one_or_three(changes, rates):
    assert settings(**{"outer_lr": 0.003, **changes}).rates == pytest.approx(rates)


def test_a_rate_is_a_number_or_select():
    assert (rate_value("30"), rate_value("select")) == (30.0, "select")
    with pytest.raises(ValueError, match="float"):
        rate_value("best")


def test_the_mismatch_is_a_number_or_estimate():
    assert mismatch_value("estimate") == "estimate"
    with pytest.raises(ValueError, match="float"):
        mismatch_value("some")
