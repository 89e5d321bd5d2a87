"""Dual Student + DNLL: what Dual Student leaves without a target is taught by negatives (Xu et al., section 4.7)."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from usb_negsamp.algorithms.dnll import DNLLHook, DNLLWrapper
from usb_negsamp.algorithms.dnll.settings import DNLLSettings
from usb_negsamp.algorithms.dualstudent.hook import DualStudentHook
from usb_negsamp.algorithms.dualstudent.pair import WEAK_VIEW, StudentPair
from usb_negsamp.algorithms.dualstudent.settings import StabilizationSettings
from usb_negsamp.algorithms.dualstudent.student import OTHER_LOGITS, STUDENT_LOGITS
from usb_negsamp.host.wrapping.peer import PairWrapper, Peer
from usb_negsamp.host.wrapping.wrapper import Wrapper
from usb_negsamp.key import Key


class DualStudentDNLLWrapper(StudentPair, DNLLWrapper):
    """Dual Student whose networks are also DNLL's.

    Its keys are those of both, but for ``dnll_views`` (the views are Dual Student's) and, in place of
    ``dualstudent_evaluate`` and ``dualstudent_peer_seed``, DNLL's.
    """

    settings_class = StabilizationSettings

    @classmethod
    def own_keys(cls) -> tuple[Key, ...]:
        """The keys that the pair adds to those of a student."""
        of_dnll = tuple(key for key in DNLLSettings.all_keys() if key.name != "dnll_views")
        return (*StabilizationSettings.all_keys(), *of_dnll)

    @classmethod
    def loss_view(cls, args: Any) -> str:
        """Batch key of the view that a network learns on."""
        return WEAK_VIEW

    def make_hook(self, settings: DNLLSettings) -> DNLLHook:
        """DNLL's hook with Dual Student's in it."""
        dual_student = DualStudentHook(StabilizationSettings.from_arguments(self.args))
        return DualStudentDNLLHook(dual_student, settings, WEAK_VIEW, WEAK_VIEW, self.peer_seed, self.perceptions)


class DualStudentDNLLHook(DNLLHook):
    """Adds Dual Student's stabilization loss, and the pseudo-negative loss where a network gets no such target.

    The labels are those of the sender's pass without a gradient, i.e. on the view that the receiver learns on, and the
    loss is taken on the receiver's pass, as in the released code. It is the mean over just these samples, of all
    processes.

    Args:
        dual_student: adds the stabilization loss and says who learns what from whom.
        rest: of :class:`DNLLHook`.
    """

    def __init__(self, dual_student: DualStudentHook, *rest: Any) -> None:
        super().__init__(*rest)
        self.dual_student = dual_student

    def couple(self, first: PairWrapper, peer: Peer) -> None:
        """Add the losses, and at logged iterations their figures."""
        if self.settings.teaches:
            super().couple(first, peer)
        else:
            self.dual_student.couple(first, peer)

    def pseudo_labels(self, network: Wrapper) -> Tensor:
        """The classes (N,) that ``network`` takes the other view of the unlabeled images for."""
        logits: Tensor = network.out_dict[OTHER_LOGITS]
        return logits.argmax(dim=1)

    def learning_logits(self, network: Wrapper) -> Tensor:
        """The logits (N, K) of the view that ``network`` learns on."""
        logits: Tensor = network.out_dict[STUDENT_LOGITS]
        return logits

    def rows_taught(self, networks: tuple[PairWrapper, Peer], labels: list[Tensor]) -> list[Tensor] | None:
        """Add the stabilization loss; the samples (N,), bool, that it gives each network no target on.

        With weight 0 there are no targets, so that all samples are taught by negatives.
        """
        if self.dual_student.settings.stabilization_weight == 0.0:
            return [torch.ones_like(of_network, dtype=torch.bool) for of_network in labels]
        return [~taught for taught in self.dual_student.teach(networks)]
