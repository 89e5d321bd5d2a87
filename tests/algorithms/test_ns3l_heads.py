"""NS3L around an algorithm whose network returns the logits of several heads, as MultiMatch of the host's git main."""

import pytest
import torch
from torch import nn

import usb_negsamp
from usb_negsamp import ConfigError, algorithms
from usb_negsamp.functional import ns3l_loss, threshold_negatives
from usb_negsamp.host import ALGORITHMS, AlgorithmBase
from usb_negsamp.host.evaluation.networks import predict
from usb_negsamp.testing import build_tiny


class ThreeHeads(nn.Module):
    def __init__(self):
        super().__init__()
        self.heads = nn.ModuleList(nn.Linear(3 * 16 * 16, 10) for _ in range(3))

    def forward(self, x):
        return {"logits": [head(x.flatten(1)) for head in self.heads], "feat": x.flatten(1)}


class HeadMatch(AlgorithmBase):
    """One supervised loss a head; evaluates with the mean of the heads, by the method that the host's main has."""

    def set_model(self):
        return ThreeHeads()

    def set_ema_model(self):
        return ThreeHeads()

    def train_step(self, x_lb, y_lb, x_ulb_w):
        joined = self.args.use_cat
        outputs = self.model(torch.cat((x_lb, x_ulb_w)) if joined else x_lb)
        loss = sum(self.ce_loss(logits[: len(x_lb)], y_lb, reduction="mean") for logits in outputs["logits"])
        return self.process_out_dict(loss=loss), self.process_log_dict(sup_loss=loss.item())

    def get_logits(self, data, out_key):
        return sum(self.model(data["x_lb"])[out_key]) / 3

    @staticmethod
    def get_argument():
        return []


class SilentHeadMatch(HeadMatch):
    get_logits = None  # type: ignore[assignment]


@pytest.fixture(autouse=True)
def registered(monkeypatch):
    usb_negsamp.register()
    monkeypatch.setattr(algorithms, "_registered", dict(algorithms._registered))
    own = {"headmatch": HeadMatch, "silentmatch": SilentHeadMatch}
    monkeypatch.setattr(ALGORITHMS, "_dict", {**ALGORITHMS._dict, **own})
    usb_negsamp.register()


def first_step(name, directory, **overrides):
    """The algorithm after one step, up to the update of its weights, and the loss that its hooks added."""
    algorithm = build_tiny(name, directory, ns3l_ramp=0.0, ns3l_threshold=0.09, **overrides)
    algorithm.call_hook("before_run")
    algorithm.call_hook("before_train_step")
    labeled, unlabeled = (next(iter(algorithm.loader_dict[f"train_{kind}"])) for kind in ("lb", "ulb"))
    algorithm.out_dict, algorithm.log_dict = algorithm.train_step(**algorithm.process_batch(**labeled, **unlabeled))
    plain = algorithm.out_dict["loss"].detach().clone()
    algorithm.call_hook("after_train_step", "NS3LHook")
    return algorithm, algorithm.out_dict["loss"] - plain


@pytest.mark.parametrize("use_cat", [True, False])
def test_the_loss_is_taken_on_the_logits_that_it_evaluates_with(use_cat, tmp_path):
    algorithm, added = first_step("headmatch_ns3l", tmp_path, use_cat=use_cat)
    mean = torch.stack(algorithm.model(algorithm.batch["x_ulb_w"])["logits"]).mean(0)
    expected = ns3l_loss(mean, threshold_negatives(mean.detach().softmax(1), 0.09))
    assert added.item() == pytest.approx(expected.item(), abs=1e-5)
    assert expected > 0.1
    added.backward()
    assert all((head.weight.grad != 0).any() for head in algorithm.model.heads)


@pytest.mark.parametrize("use_cat", [True, False])
def test_heads_that_nothing_makes_one_are_one_clear_error(use_cat, tmp_path):
    with pytest.raises(ConfigError, match=r"logits of 3 heads: expected [A-Za-z0-9]+ to have a method get_logits"):
        first_step("silentmatch_ns3l", tmp_path, use_cat=use_cat)


def test_it_is_evaluated_by_the_logits_that_it_makes_of_its_heads(tmp_path):
    algorithm = build_tiny("headmatch", tmp_path)
    logits, labels = predict(algorithm, "eval")
    images = torch.cat([batch["x_lb"] for batch in algorithm.loader_dict["eval"]])
    expected = algorithm.get_logits({"x_lb": images}, "logits")
    torch.testing.assert_close(logits, expected)
    accuracy = (expected.argmax(1) == labels).float().mean().item()
    assert algorithm.evaluate("eval")["eval/top-1-acc"] == pytest.approx(accuracy)
