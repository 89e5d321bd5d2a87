"""DNLL: dual negative label learning, two networks around any algorithm of the host and alone."""

from __future__ import annotations

import inspect
from typing import TYPE_CHECKING, Any, ClassVar

import torch
from torch import Tensor

from usb_negsamp.algorithms.dnll.hook import DNLLHook
from usb_negsamp.algorithms.dnll.settings import LOSS_VIEWS, WEAK_VIEW, DNLLSettings
from usb_negsamp.errors import ConfigError
from usb_negsamp.functional import ErrorPerception
from usb_negsamp.host import ALGORITHMS, AlgorithmBase
from usb_negsamp.host.datasets.texts_and_sounds.further_views import has_strong_view
from usb_negsamp.host.evaluation.pair import EvaluatedPair
from usb_negsamp.host.wrapping.wrapper import compose
from usb_negsamp.settings import Settings

if TYPE_CHECKING:
    Supervised = AlgorithmBase
else:
    Supervised = ALGORITHMS["supervised"]


class DNLLWrapper(EvaluatedPair):
    """Lets two instances of the algorithm it wraps teach each other. Its keys: :class:`DNLLSettings`."""

    wrapper_name = "dnll"
    takes_texts_and_sounds = True
    paper = "Xu, Xiao, Hao, Dong, Qiu, Peng"
    settings_class: ClassVar[type[Settings]] = DNLLSettings
    peer_seed_key = "dnll_peer_seed"
    rule_key = "dnll_evaluate"

    @classmethod
    def views_needed(cls, args: Any) -> tuple[str, ...]:
        """Those of the wrappers inside, the weak view, and the one that the loss is taken on; none with weights 0."""
        inside = super().views_needed(args)
        if args.dnll_weight == 0 and args.dnll_self_weight == 0:
            return inside
        return (*inside, WEAK_VIEW, cls.loss_view(args))

    @classmethod
    def loss_view(cls, args: Any) -> str:
        """Batch key of the view that the loss is taken on."""
        return cls.strong_view_of_base() if args.dnll_views == "weak_to_strong" else LOSS_VIEWS.get(args.dnll_views, "")

    @classmethod
    def strong_view_of_base(cls) -> str:
        """Batch key of the base's strong view, of its first one where there are two."""
        return "x_ulb_s_0" if "x_ulb_s_0" in cls._views_of_base() else "x_ulb_s"

    @classmethod
    def _views_of_base(cls) -> list[str]:
        return list(inspect.signature(cls.train_step).parameters)

    def set_dataset(self) -> Any:
        """The data sets of both networks.

        Raises:
            ConfigError: the loss needs a strong view that the unlabeled images cannot have.
        """
        dataset_dict = super().set_dataset()
        view = self.strong_view_of_base()
        if dataset_dict is None or view not in self.views_needed(self.args) or view in self._views_of_base():
            return dataset_dict
        if not has_strong_view(dataset_dict["train_ulb"]):
            raise ConfigError(
                "dnll_views: expected weak_to_weak or weak, because these unlabeled images have no strong view, "
                f"but got {self.args.dnll_views}"
            )
        return dataset_dict

    def set_hooks(self) -> None:
        """Register DNLL's hook ahead of the update of the weights, then the base's hooks."""
        settings = DNLLSettings.from_arguments(self.args)
        self.perceptions: tuple[ErrorPerception, ErrorPerception] | None = None
        if settings.selection == "error_perception":
            counts = self.labeled_images_of_classes()
            first, peer = (ErrorPerception(len(counts), settings.momentum, counts) for _ in range(2))
            self.perceptions = (first, peer)
        self.register_hook(self.make_hook(settings), "DNLLHook", "HIGHEST")
        super().set_hooks()

    def labeled_images_of_classes(self) -> Tensor:
        """How many labeled images (K,) each class has."""
        targets = torch.as_tensor(self.dataset_dict["train_lb"].targets).long()
        return targets.bincount(minlength=self.args.num_classes)

    def make_hook(self, settings: DNLLSettings) -> DNLLHook:
        """The hook that couples the two networks."""
        return DNLLHook(settings, WEAK_VIEW, self.loss_view(self.args), self.peer_seed, self.perceptions)

    def pair_state(self) -> dict[str, Any]:
        """All of the peer's, and the error perceptions of both networks as ``error_perception``."""
        state = super().pair_state()
        if self.perceptions is not None:
            state["error_perception"] = [perception.state_dict() for perception in self.perceptions]
        return state

    def load_pair_state(self, saved: dict[str, Any]) -> None:
        """Go back to what :meth:`pair_state` gave."""
        super().load_pair_state(saved)
        if self.perceptions is not None:
            for perception, state in zip(self.perceptions, saved["error_perception"], strict=True):
                perception.load_state_dict(state)


class LabeledLoss(Supervised):
    """The labeled loss, from one pass with the view that negatives are learned on (two passes without ``use_cat``).

    With weights 0 no such view is there: the step is plain ``supervised``.
    """

    batch: dict[str, Any]
    """Kept by the wrapper around it."""

    def train_step(self, x_lb: Tensor, y_lb: Tensor) -> tuple[dict[str, Any], dict[str, Any]]:
        """Cross-entropy of the labeled images; the unlabeled ones are carried through the network."""
        view = self.batch.get(LOSS_VIEWS[self.args.dnll_views]) if self.use_cat else None
        if view is None:
            return super().train_step(x_lb, y_lb)
        with self.amp_cm():
            outputs = self.model(torch.cat((x_lb, view)))
            logits, features = outputs["logits"][: len(y_lb)], outputs["feat"][: len(y_lb)]
            sup_loss = self.ce_loss(logits, y_lb, reduction="mean")
        out_dict = self.process_out_dict(loss=sup_loss, feat={"x_lb": features})
        return out_dict, self.process_log_dict(sup_loss=sup_loss.detach(), total_loss=sup_loss.detach())


DNLL = compose(LabeledLoss, "dnll", "supervised", DNLLWrapper)
