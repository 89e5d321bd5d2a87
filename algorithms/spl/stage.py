"""The bi-level loop of SPL (Algorithm 1), as a stage that can stop after any step and go on from there."""

from __future__ import annotations

import math
from collections.abc import Callable
from contextlib import nullcontext
from typing import Any

import torch
from torch import Tensor

from usb_negsamp.algorithms.spl.identification import identify, overall_ratio, present_ratios
from usb_negsamp.algorithms.spl.masked import Mask, put_on
from usb_negsamp.algorithms.spl.settings import SPLSettings
from usb_negsamp.algorithms.spl.steps import HarmfulWeightsKept, Steps
from usb_negsamp.algorithms.spl.validation import Validation, measure
from usb_negsamp.host.checkpoints.run_state import restore_run_state, run_state
from usb_negsamp.host.evaluation.batch_norm import reestimated_batch_norm
from usb_negsamp.host.wrapping.after_training import (
    after_the_last_iteration,
    follow_anew,
    renew_optimizers,
    wrap_anew,
)
from usb_negsamp.host.wrapping.among_processes import network_of
from usb_negsamp.host.wrapping.running_statistics import reestimate_batch_norm


def rank(accuracy: float, loss: float) -> tuple[float, float]:
    """What is larger for the better of two networks on V2: accuracy, then loss; one that is no number is the worst.

    >>> rank(0.9, 0.5) > rank(0.9, float("nan")) and rank(0.9, float("nan")) > rank(0.8, 0.1)
    True
    """
    return accuracy, -math.inf if math.isnan(loss) else -loss


class Stage:
    """Rounds of inner and outer steps around the trained network of ``algorithm``, and the best of them on V2.

    Args:
        algorithm: its ``model`` has the weights to start from.
        settings: SPL's keys.
        validation: V1 and V2.
        layers: paths of the layers to mask; none for a control.
        ratio: p.
        rate: of the steps on V1; None where there is none.
        steps_before: taken by earlier stages of the run.
        save: called after each round, when everything that the rest depends on is in :meth:`state`.

    Attributes:
        history: one record a round, the first of the network as identified, before any step.
        best: round, accuracy and loss on V2 of the best round, and the network's state there.
    """

    def __init__(
        self,
        algorithm: Any,
        settings: SPLSettings,
        validation: Validation,
        layers: list[str],
        ratio: float,
        rate: float | None,
        steps_before: int,
        save: Callable[[], None],
    ) -> None:
        self.algorithm, self.settings, self.validation, self.save = algorithm, settings, validation, save
        self.network = network_of(algorithm.model)
        self.ratio, self.rate, self.steps_before = ratio, rate, steps_before
        self.round, self.phase, self.step = 0, 0, 0
        self.inner_done = self.outer_done = 0
        self.history: list[dict[str, float]] = []
        self.best: dict[str, Any] = {}
        seed = algorithm.args.seed
        self.masks: dict[str, Mask] = identify(self.network, layers, ratio, settings, seed) if layers else {}
        self.before_round = self.kept()

    def run(self, state: dict[str, Any] | None = None) -> None:
        """Go through all rounds, from ``state`` on where there is one."""
        self.optimizer = renew_optimizers(self.algorithm, self.settings.outer_lr)
        put_on(self.network, self.masks)
        put_on(network_of(self.algorithm.ema_model), self.masks)
        wrap_anew(self.algorithm)
        HarmfulWeightsKept(self.optimizer, self.network, self.masks)
        follow_anew(self.algorithm)
        self.steps = Steps(self.algorithm, self.settings, self.validation, self.masks, self.rate)
        if state is not None:
            self.load(state)
        self.algorithm.call_hook("before_spl_stage")
        if not self.history:
            self.end_of_round()
        with after_the_last_iteration(self.algorithm):
            while self.round < self.settings.rounds and not self.out_of_patience:
                self.go_through_round()

    def go_through_round(self) -> None:
        """Take the steps of the present round that are left, and end it."""
        self.algorithm.model.train()
        phases = self.settings.phases
        while self.phase < len(phases):
            kind, number = phases[self.phase]
            self.steps.batches = None
            if self.step == 0:
                # Momentum of another mask would move weights that are safe again.
                self.optimizer.state.clear()
            while self.step < number:
                inner_done, outer_done = self.inner_done, self.outer_done
                self.step += 1
                self.inner_done += kind != "outer"
                self.outer_done += kind in ("outer", "joint")
                self.steps.take(kind, inner_done, outer_done)
                self.algorithm.call_hook("after_spl_step")
            self.phase, self.step = self.phase + 1, 0
        self.round, self.phase = self.round + 1, 0
        self.end_of_round()

    def end_of_round(self) -> None:
        """Re-estimate batch statistics, measure, log, keep the best, save."""
        if not self.is_inert:
            reestimate_batch_norm(self.algorithm)
        record = self.record()
        self.history.append(record)
        self.before_round = self.kept()
        accuracy, loss = record["eval/spl_v2_acc"], record["eval/spl_v2_loss"]
        # The network as identified has learned nothing yet, and is no candidate.
        if self.round > 0 and (not self.best or rank(accuracy, loss) > rank(self.best["accuracy"], self.best["loss"])):
            self.best = {
                "round": self.round,
                "accuracy": accuracy,
                "loss": loss,
                "inert": self.is_inert,
                "state": self.network_state(),
            }
        shown = ", ".join(f"{name} {value:.4g}" for name, value in record.items() if name.count("/") == 1)
        self.algorithm.print_fn(f"spl: round {self.round} of {self.settings.rounds}: {shown}")
        self.save()
        self.algorithm.call_hook("after_spl_round")

    @property
    def is_inert(self) -> bool:
        """Whether the network still is the one that the stage began with."""
        moved = self.outer_done > 0 or (self.inner_done > 0 and not self.masks)
        return not moved and all(bool((mask.mask == 1).all()) for mask in self.masks.values())

    @property
    def out_of_patience(self) -> bool:
        """Whether the last rounds were no better on V2."""
        return bool(0 < self.settings.patience <= self.round - self.best.get("round", 0))

    def record(self) -> dict[str, float]:
        """What a round is told by: V1, V2, the share of weights that are kept, and of those that changed sides."""
        bn = reestimated_batch_norm(self.algorithm) if self.is_inert else nullcontext()
        with bn:
            first_acc, first_loss = measure(self.algorithm, self.validation, self.validation.first)
            second_acc, second_loss = measure(self.algorithm, self.validation, self.validation.second)
        record = {
            "train/spl_round": float(self.round),
            "train/spl_steps": float(self.steps_before + self.inner_done + self.outer_done),
            "train/spl_v1_loss": first_loss,
            "train/spl_v1_acc": first_acc,
            "eval/spl_v2_loss": second_loss,
            "eval/spl_v2_acc": second_acc,
        }
        if self.rate is not None:
            record["train/spl_v1_lr"] = self.rate
        if self.masks:
            now = self.kept()
            changed = sum(int((now[path] != self.before_round[path]).sum()) for path in now)
            record["train/spl_swaps"] = changed / sum(mask.numel() for mask in now.values())
            record["train/spl_kept_ratio"] = overall_ratio(self.masks)
            ratios = present_ratios(self.masks)
            record.update({f"train/spl_kept_ratio/{path}": ratio for path, ratio in ratios.items()})
        return record

    def kept(self) -> dict[str, Tensor]:
        """Which weights are safe now."""
        return {path: mask.kept.clone() for path, mask in self.masks.items()}

    def network_state(self) -> dict[str, Tensor]:
        """Weights, scores, masks and batch statistics as they are; copies."""
        return {name: tensor.detach().clone() for name, tensor in self.network.state_dict().items()}

    def state(self) -> dict[str, Any]:
        """Everything that the rest of the stage depends on."""
        return {
            "position": [self.round, self.phase, self.step, self.inner_done, self.outer_done],
            "ratio": self.ratio,
            "layers": list(self.masks),
            "network": self.network.state_dict(),
            "average": dict(self.algorithm.ema.shadow),
            "optimizer": self.optimizer.state_dict(),
            "before_round": self.before_round,
            "history": self.history,
            "best": self.best,
            "carried": self.algorithm.carried(),
            "run_state": run_state(self.algorithm),
        }

    @torch.no_grad()
    def load(self, state: dict[str, Any]) -> None:
        """Go back to what :meth:`state` gave."""
        self.round, self.phase, self.step, self.inner_done, self.outer_done = state["position"]
        self.network.load_state_dict(state["network"])
        device = next(self.network.parameters()).device
        for name, average in self.algorithm.ema.shadow.items():
            average.copy_(state["average"][name])
        self.optimizer.load_state_dict(state["optimizer"])
        self.before_round = {path: kept.to(device) for path, kept in state["before_round"].items()}
        self.history, self.best = list(state["history"]), state["best"]
        self.algorithm.carry_on_with(state["carried"])
        restore_run_state(self.algorithm, state["run_state"])
