"""Algorithms of a third party: one that is right, and some with one fault each."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch.nn import functional as F

from usb_negsamp.host import ALGORITHMS, AlgorithmBase, Hook, SSL_Argument
from usb_negsamp.host.wrapping.wrapper import Wrapper, compose
from usb_negsamp.settings import Settings, setting


class OwnMatch(AlgorithmBase):
    """Cross-entropy on the labels, and the weak view's prediction for the strong one."""

    def train_step(self, x_lb, y_lb, x_ulb_w, x_ulb_s):
        outputs = self.model(torch.cat((x_lb, x_ulb_w, x_ulb_s)))
        logits, weak, strong = outputs["logits"].split((len(x_lb), len(x_ulb_w), len(x_ulb_s)))
        sup_loss = self.ce_loss(logits, y_lb, reduction="mean")
        unsup_loss = F.cross_entropy(strong, weak.detach().softmax(1))
        loss = self.own_factor() * (sup_loss + self.args.own_weight * unsup_loss)
        out_dict = self.process_out_dict(loss=loss, feat={"x_lb": outputs["feat"][: len(x_lb)]})
        return out_dict, self.process_log_dict(sup_loss=sup_loss.item(), own_loss=unsup_loss.item())

    def own_factor(self):
        return 1.0

    @staticmethod
    def get_argument():
        return [SSL_Argument("--own_weight", float, 0.5, "weight of the unlabeled loss")]


class WrongKey(OwnMatch):
    def train_step(self, x_lb, y_lb, x_ulb_w, x_ulb_strong):
        return super().train_step(x_lb, y_lb, x_ulb_w, x_ulb_strong)


class ChangedOutput(OwnMatch):
    changed: Callable[[Any, Any], Any]

    def train_step(self, x_lb, y_lb, x_ulb_w, x_ulb_s):
        return self.changed(*super().train_step(x_lb, y_lb, x_ulb_w, x_ulb_s))


class NoGradient(ChangedOutput):
    def changed(self, out_dict, log_dict):
        return {**out_dict, "loss": out_dict["loss"].detach()}, log_dict


class GradientOfAnother(ChangedOutput):
    def changed(self, out_dict, log_dict):
        return {**out_dict, "loss": out_dict["loss"].detach() + torch.zeros(1, requires_grad=True).sum()}, log_dict


class NoLoss(ChangedOutput):
    def changed(self, out_dict, log_dict):
        return {"los": out_dict["loss"]}, log_dict


class LossOfEach(ChangedOutput):
    def changed(self, out_dict, log_dict):
        return {"loss": out_dict["loss"].repeat(8)}, log_dict


class OnlyLoss(ChangedOutput):
    def changed(self, out_dict, log_dict):
        return out_dict["loss"]


class FeaturesOfAll(ChangedOutput):
    def changed(self, out_dict, log_dict):
        return {**out_dict, "feat": {"x_lb": torch.zeros(40, 16)}}, log_dict


class NanLog(ChangedOutput):
    def changed(self, out_dict, log_dict):
        return out_dict, {**log_dict, "train/own_share": float("nan")}


class StrangeTag(ChangedOutput):
    def changed(self, out_dict, log_dict):
        return out_dict, {**log_dict, "own_share": 0.5}


class VectorLog(ChangedOutput):
    def changed(self, out_dict, log_dict):
        return out_dict, {**log_dict, "train/own_share": torch.zeros(3)}


class FailsLater(OwnMatch):
    def own_factor(self):
        if self.it == 2:
            raise IndexError("no such row")
        return 1.0


class HiddenState(OwnMatch):
    """Counts its steps in an attribute that no checkpoint holds."""

    steps = 0

    def own_factor(self):
        self.steps += 1
        return 1.0 + 0.1 * self.steps


class SharedState(OwnMatch):
    """Counts the steps of all its runs."""

    steps = itertools.count()

    def own_factor(self):
        return 1.0 + 0.01 * next(SharedState.steps)


class DrawsInEachProcess(OwnMatch):
    def own_factor(self):
        return 1.0 + torch.rand((), generator=torch.Generator().manual_seed(1000 * self.rank + self.it))


class FailsInTheSecondProcess(OwnMatch):
    def own_factor(self):
        if self.rank == 1:
            raise IndexError("no part for this process")
        return 1.0


class WritesBeside(OwnMatch):
    def own_factor(self):
        Path("own_notes.txt").write_text("here")
        return 1.0


class OneClassShort(OwnMatch):
    def evaluate(self, eval_dest="eval", out_key="logits", return_logits=False):
        result = super().evaluate(eval_dest, out_key, return_logits)
        if return_logits:
            result["eval/logits"] = result["eval/logits"][:, 1:]
        return result


class EndlessStatistics(OwnMatch):
    def train(self):
        super().train()
        norm = next(layer for layer in self.model.modules() if hasattr(layer, "running_var"))
        norm.get_buffer("running_var")[0] = float("inf")


class NoiseHook(Hook):
    """Adds noise to the loss; its fault: it draws also where the weight is 0."""

    settings_only = True

    def __init__(self, weight, always):
        super().__init__()
        self.weight, self.always = weight, always

    def after_train_step(self, algorithm):
        if self.weight > 0 or self.always:
            algorithm.out_dict["loss"] = algorithm.out_dict["loss"] * (1 + self.weight * torch.rand(()))


@dataclass(frozen=True)
class NoiseSettings(Settings, prefix="noise"):
    weight: float = setting(float, 0.1, "how much noise")


class NoiseWrapper(Wrapper):
    wrapper_name = "noise"
    settings_class = NoiseSettings
    always = False

    def set_hooks(self):
        self.register_hook(NoiseHook(self.args.noise_weight, self.always), "NoiseHook", "HIGHEST")
        super().set_hooks()


class CarelessNoiseWrapper(NoiseWrapper):
    always = True


CLASSES = {
    "own_match": OwnMatch,
    **{
        kind.__name__: kind
        for kind in (
            WrongKey, NoGradient, GradientOfAnother, NoLoss, LossOfEach, OnlyLoss, FeaturesOfAll, NanLog, StrangeTag,
            VectorLog, FailsLater, HiddenState, SharedState, DrawsInEachProcess, FailsInTheSecondProcess,
            WritesBeside, OneClassShort, EndlessStatistics,
        )
    },
}  # fmt: skip


def register():
    """Add all to the host's registry, and two wrapped forms of its VAT."""
    for name, kind in CLASSES.items():
        ALGORITHMS[name] = kind
    for name, wrapper in (("vat_noise", NoiseWrapper), ("vat_careless_noise", CarelessNoiseWrapper)):
        ALGORITHMS[name] = compose(ALGORITHMS["vat"], name, "vat", wrapper)
