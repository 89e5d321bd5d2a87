"""Dual Student + DNLL: what Dual Student leaves without a target is taught by negatives (Xu et al., section 4.7)."""

from __future__ import annotations

from typing import Any

from torch import Tensor

from usb_negsamp.algorithms.dnll import DNLLHook, DNLLWrapper
from usb_negsamp.algorithms.dnll.diagnosis import negative_figures
from usb_negsamp.algorithms.dualstudent.hook import DualStudentHook
from usb_negsamp.algorithms.dualstudent.pair import WEAK_VIEW, StudentPair
from usb_negsamp.algorithms.dualstudent.settings import check_settings, own_arguments
from usb_negsamp.algorithms.dualstudent.student import OTHER_LOGITS, STUDENT_LOGITS
from usb_negsamp.functional import pseudo_negative_loss
from usb_negsamp.host.wrapping.among_processes import share_of, summed
from usb_negsamp.host.wrapping.iteration import is_logged, log_total, ramp_at


class DualStudentDNLLHook(DNLLHook):
    """Adds Dual Student's stabilization loss, and the pseudo-negative loss where a network gets no such target.

    The labels are those of the sender's pass without a gradient, i.e. on the view that the receiver learns on, and the
    loss is taken on the receiver's pass, as in the released code. It is the mean over just these samples, of all
    processes.

    Args:
        dual_student: adds the stabilization loss and says who learns what from whom.
        settings: of :class:`DNLLHook`.
    """

    def __init__(self, dual_student: DualStudentHook, **settings: Any) -> None:
        super().__init__(**settings)
        self.dual_student = dual_student

    def couple(self, first: Any, peer: Any) -> None:
        """Add the losses, and at logged iterations their figures."""
        networks = (first, peer)
        without_dnll = self.weight == 0.0 and self.self_weight == 0.0
        if without_dnll:
            self.dual_student.couple(first, peer)
            return
        # With weight 0 there are no targets, so that all samples are taught by negatives.
        taught = self.dual_student.teach(networks) if self.dual_student.weight > 0.0 else None
        labels = [network.out_dict[OTHER_LOGITS].argmax(dim=1) for network in networks]
        rows = [(~taught[i]) if taught is not None else labels[i] >= 0 for i in range(2)]
        if self.perceptions is not None:
            self.perceive(networks)
        negatives = self.draw(labels, first)
        ramp = ramp_at(first, self.ramp)
        figures: dict[str, Any] = {}
        for i, network in enumerate(networks):
            logits = network.out_dict[STUDENT_LOGITS]
            for name, weight, given in (
                ("cross", self.weight, negatives[1 - i]),
                ("self", self.self_weight, negatives[i]),
            ):
                if weight > 0.0:
                    losses = pseudo_negative_loss(logits, given, reduction="none", per_sample=self.reduction)
                    loss = mean_of_rows(losses, rows[i], first)
                    network.out_dict["loss"] = network.out_dict["loss"] + ramp * weight * loss
                    figures.setdefault(f"train/dnll_{name}_loss", loss.detach())
        if is_logged(first):
            figures["train/dnll_share"] = rows[0].float().mean()
            figures["train/dnll_agreement"] = (labels[0] == labels[1]).float().mean()
            figures["train/dnll_peer_loss"] = peer.out_dict["loss"].detach()
            # What network 1 - i made is learned by network i.
            figures.update(negative_figures(first, labels, negatives, (rows[1], rows[0])))
            first.log_dict.update(figures)
        log_total(first)


def mean_of_rows(losses: Tensor, rows: Tensor, algorithm: Any) -> Tensor:
    """Mean of ``losses`` (N,) over the true ``rows`` (N,) of all processes, 0 where there are none.

    The processes average their gradients: what each returns is its own sum over the mean number of rows.
    """
    count = summed(rows.sum().to(losses.dtype), algorithm) / share_of(algorithm)[1]
    return (losses * rows).sum() / count.clamp_min(1.0 / share_of(algorithm)[1])


class DualStudentDNLLWrapper(StudentPair, DNLLWrapper):
    """Dual Student whose networks are also DNLL's.

    Its keys are those of both, but for ``dnll_views`` (the views are Dual Student's) and, in place of
    ``dualstudent_evaluate`` and ``dualstudent_peer_seed``, DNLL's.
    """

    @classmethod
    def loss_view(cls, args: Any) -> str:
        """Batch key of the view that a network learns on."""
        return WEAK_VIEW

    def make_hook(self, **settings: Any) -> DNLLHook:
        """DNLL's hook with Dual Student's in it."""
        check_settings(self.args)
        dual_student = DualStudentHook(self.args.dualstudent_threshold, self.args.dualstudent_stabilization_weight)
        return DualStudentDNLLHook(dual_student, **settings)

    @staticmethod
    def own_arguments() -> list[Any]:
        """The keys that the pair adds to those of a student."""
        of_dnll = [argument for argument in DNLLWrapper.own_arguments() if argument.name != "--dnll_views"]
        return [*own_arguments(), *of_dnll]
