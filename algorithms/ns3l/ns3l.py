"""NS3L: negative sampling in semi-supervised learning, around any algorithm of the host and alone."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from usb_negsamp.algorithms.ns3l.density_ratio_gate import DensityRatioGate, check_pool
from usb_negsamp.algorithms.ns3l.gate import Gate, check_gate
from usb_negsamp.algorithms.ns3l.hook import MixMatchNS3LHook, NS3LHook
from usb_negsamp.algorithms.ns3l.neighbor_gate import NeighborGate
from usb_negsamp.algorithms.ns3l.settings import NS3LSettings
from usb_negsamp.errors import expected
from usb_negsamp.host import ALGORITHMS, AlgorithmBase
from usb_negsamp.host.wrapping.among_processes import share_of
from usb_negsamp.host.wrapping.wrapper import Wrapper, compose

SECOND_WEAK_VIEW = "x_ulb_w_1"
GATES: dict[str, type[Gate]] = {"neighbors": NeighborGate, "density_ratio": DensityRatioGate}
"""By the value of ``ns3l_gate``; ``none`` has none."""


class NS3LWrapper(Wrapper):
    """Adds NS3L to the algorithm it wraps. Its keys: :class:`NS3LSettings`."""

    wrapper_name = "ns3l"
    takes_texts_and_sounds = True
    paper = "Chen, Shah, Kyrillidis, ICML 2020"
    settings_class = NS3LSettings

    @classmethod
    def views_needed(cls, args: Any) -> tuple[str, ...]:
        """Those of what is inside, and the weak view; a strong and a second weak one where the settings read them."""
        inside = super().views_needed(args)
        if cls._reads_mixed_labels():
            return inside
        strong = ("x_ulb_s_0" if cls._has_two_strong_views() else "x_ulb_s",) if args.ns3l_view != "weak" else ()
        second = (SECOND_WEAK_VIEW,) if args.ns3l_passes == 2 and args.ns3l_view == "weak" else ()
        index = ("idx_ulb",) if args.ns3l_rule != "threshold" else ()
        gate = GATES[args.ns3l_gate].batch_keys if args.ns3l_gate in GATES and args.ns3l_weight != 0 else ()
        return (*inside, "x_ulb_w", *strong, *second, *index, *gate)

    @classmethod
    def _reads_mixed_labels(cls) -> bool:
        return issubclass(cls, ALGORITHMS["mixmatch"])

    @classmethod
    def _has_two_strong_views(cls) -> bool:
        return cls.base_name in ("comatch", "remixmatch")

    @property
    def strong_view(self) -> str:
        """Batch key of the strong view."""
        return "x_ulb_s_0" if self._has_two_strong_views() else "x_ulb_s"

    @property
    def second_view(self) -> str:
        """Batch key of the second weak view."""
        return SECOND_WEAK_VIEW

    def set_hooks(self) -> None:
        """Register NS3L's hook ahead of the update of the weights, then the base's hooks."""
        settings = NS3LSettings.from_arguments(self.args)
        if self._reads_mixed_labels():
            settings.check_around_mixmatch()
        elif settings.spare_mixed:
            raise expected(
                "ns3l_spare_mixed",
                "false, or an algorithm that mixes labels as mixmatch does",
                f"true around {self.base_name}",
            )
        self.ns3l_hook = self.make_ns3l_hook(settings)
        self.register_hook(self.ns3l_hook, "NS3LHook", "HIGHEST")
        super().set_hooks()

    def make_ns3l_hook(self, settings: NS3LSettings) -> NS3LHook:
        """The hook that adds the loss."""
        return (
            MixMatchNS3LHook(settings) if self._reads_mixed_labels() else NS3LHook(settings, self.make_gate(settings))
        )

    def make_gate(self, settings: NS3LSettings) -> Gate | None:
        """What weighs the unlabeled images; none where all count alike.

        Raises:
            ConfigError: the data are none that a gate can look at.
        """
        if settings.gate == "none" or settings.weight == 0.0:
            return None
        check_gate(self, settings.gate)
        num_labeled = len(self.dataset_dict["train_lb"])
        num_unlabeled = int(self.args.batch_size) * int(self.args.uratio) * share_of(self)[1]
        if settings.gate == "neighbors":
            return NeighborGate(settings, num_labeled, num_unlabeled)
        check_pool(self)
        pool_size = len(self.dataset_dict["train_ulb"])
        return DensityRatioGate(settings, num_labeled, num_unlabeled, pool_size, int(self.args.seed))

    def weigher(self) -> Callable[[dict[str, Any], Tensor], Tensor] | None:
        """For diagnosis: what tells of the output of the model as it is what unlabeled images would count."""
        if self.ns3l_hook.gate is None:
            return None
        weights = self.ns3l_hook.gate.weigher_of(self)
        return lambda output, places: weights(output["feat"], places)

    def get_save_dict(self) -> dict[str, Any]:
        """The base's entries, and what was made of the network in an earlier step.

        ``ns3l_excluded`` is the table of a rule that looked at the network at the start, ``ns3l_labeled_features`` and
        ``ns3l_unlabeled_features`` what a gate keeps.
        """
        save_dict = super().get_save_dict()
        table = self.ns3l_hook.table
        if table is not None and self.ns3l_hook.settings.neighbor_features == "network":
            save_dict["ns3l_excluded"] = table.excluded.cpu()
        kept = {} if self.ns3l_hook.gate is None else self.ns3l_hook.gate.features
        return {**save_dict, **{name: features.cpu() for name, features in kept.items()}}

    def load_model(self, load_path: str) -> Any:
        """Load the base's entries, the table, and what a gate keeps.

        Raises:
            ConfigError: the table or the gate's features are those of other images, classes or networks.
        """
        checkpoint = super().load_model(load_path)
        excluded = checkpoint.get("ns3l_excluded")
        shape = (len(self.dataset_dict["train_ulb"]), self.num_classes)
        if excluded is not None and not _is_table(excluded, shape):
            came = f"{type(excluded).__name__} {tuple(getattr(excluded, 'shape', ()))}"
            raise expected(f"{load_path}: ns3l_excluded", f"a table of {shape[0]} images and {shape[1]} classes", came)
        self.ns3l_hook.resumed_excluded = excluded
        if self.ns3l_hook.gate is not None:
            self.ns3l_hook.gate.resume_with(checkpoint, self, load_path)
        return checkpoint


def _is_table(value: Any, shape: tuple[int, int]) -> bool:
    return isinstance(value, Tensor) and value.dtype == torch.bool and tuple(value.shape) == shape


class JointPass(AlgorithmBase):
    """The labeled loss from one pass over labeled and unlabeled images (two passes without ``use_cat``).

    The base of the losses that stand alone: batch-norm statistics are those of the joint batch, as in the protocol of
    Oliver et al. (2018) that the paper follows.
    """

    def train_step(self, x_lb: Tensor, y_lb: Tensor, x_ulb_w: Tensor) -> tuple[dict[str, Any], dict[str, Any]]:
        """Cross-entropy of the labeled images; the unlabeled ones are carried through the network."""
        with self.amp_cm():
            if self.use_cat:
                outputs = self.model(torch.cat((x_lb, x_ulb_w)))
                logits, features = outputs["logits"][: len(y_lb)], outputs["feat"][: len(y_lb)]
            else:
                outputs = self.model(x_lb)
                logits, features = outputs["logits"], outputs["feat"]
                self.model(x_ulb_w)
            sup_loss = self.ce_loss(logits, y_lb, reduction="mean")
        out_dict = self.process_out_dict(loss=sup_loss, feat={"x_lb": features})
        return out_dict, self.process_log_dict(sup_loss=sup_loss.detach(), total_loss=sup_loss.detach())


# The data sets give ``pseudolabel`` a labeled and one weak unlabeled view, which is what a joint pass reads.
NS3L = compose(JointPass, "ns3l", "pseudolabel", NS3LWrapper)
