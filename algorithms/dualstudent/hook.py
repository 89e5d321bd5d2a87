"""The hook by which the more stable of two networks teaches the other (Ke et al., Dual Student, section 4.2)."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

import torch
from torch import Tensor

from usb_negsamp.algorithms.dualstudent.settings import StabilizationSettings
from usb_negsamp.algorithms.dualstudent.student import OTHER_LOGITS, STUDENT_LOGITS
from usb_negsamp.functional import learning_samples, squared_error, stable_samples
from usb_negsamp.host.wrapping.iteration import is_logged, log_total, ramp_at
from usb_negsamp.host.wrapping.peer import PairHook, PairWrapper, Peer

if TYPE_CHECKING:
    from usb_negsamp.algorithms.dualstudent.pair import StudentPair


class DualStudentHook(PairHook):
    """Adds the stabilization loss to those of both networks.

    On unlabeled samples where the other network is stable, and more so than this one, it is the squared difference
    (mean over the classes) to the other's probabilities on the view that the other learns on, which carry no gradient.
    Summed and divided by the number of labeled and unlabeled images, as in the released code.

    With weight 0 nothing is computed.
    """

    def __init__(self, settings: StabilizationSettings) -> None:
        super().__init__()
        self.settings = settings

    def couple(self, first: PairWrapper, peer: Peer) -> None:
        """Add the losses, and at logged iterations their figures."""
        if self.settings.stabilization_weight > 0.0:
            self.teach((first, peer))
            log_total(first)

    @torch.no_grad()
    def learning(self, networks: tuple[PairWrapper, Peer]) -> tuple[list[Tensor], list[Tensor]]:
        """For both networks: the unlabeled samples (N,) that it learns from the other, and those it is stable on."""
        logits = [(network.out_dict[STUDENT_LOGITS], network.out_dict[OTHER_LOGITS]) for network in networks]
        stable = [stable_samples(*both, self.settings.threshold) for both in logits]
        errors = [squared_error(*both) for both in logits]
        taught = [learning_samples(stable[i], stable[1 - i], errors[i], errors[1 - i]) for i in range(2)]
        return taught, stable

    def teach(self, networks: tuple[PairWrapper, Peer]) -> list[Tensor]:
        """Add the losses of both; returns the samples (N,), bool, that each of them learns from the other."""
        first, peer = networks
        taught, stable = self.learning(networks)
        ramp = ramp_at(first, cast("StudentPair", first).student_settings.ramp)
        losses = []
        for network, other, rows in ((first, peer, taught[0]), (peer, first, taught[1])):
            logits, targets = network.out_dict[STUDENT_LOGITS], other.out_dict[STUDENT_LOGITS]
            size = len(network.batch["x_lb"]) + len(logits)
            losses.append((squared_error(logits, targets) * rows).sum() / size)
            network.out_dict["loss"] = network.out_dict["loss"] + ramp * self.settings.stabilization_weight * losses[-1]
        if is_logged(first):
            first.log_dict["train/dualstudent_stabilization_loss"] = losses[0].detach()
            first.log_dict["train/dualstudent_stable"] = stable[0].float().mean()
            first.log_dict["train/dualstudent_taught"] = taught[0].float().mean()
            first.log_dict["train/dualstudent_peer_loss"] = peer.out_dict["loss"].detach()
        return taught
