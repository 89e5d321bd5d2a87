"""NS3L: negative sampling in semi-supervised learning, around any algorithm of the host and alone."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from usb_negsamp.algorithms.ns3l.hook import MixMatchNS3LHook, NS3LHook
from usb_negsamp.algorithms.ns3l.settings import NS3LSettings
from usb_negsamp.errors import expected
from usb_negsamp.host import ALGORITHMS, AlgorithmBase
from usb_negsamp.host.wrapping.wrapper import Wrapper, compose

SECOND_WEAK_VIEW = "x_ulb_w_1"


class NS3LWrapper(Wrapper):
    """Adds NS3L to the algorithm it wraps. Its keys: :class:`NS3LSettings`."""

    wrapper_name = "ns3l"
    paper = "Chen, Shah, Kyrillidis, ICML 2020"
    settings_class = NS3LSettings

    @classmethod
    def views_needed(cls, args: Any) -> tuple[str, ...]:
        """The weak view always; a strong one and a second weak one where the settings read them."""
        if cls._reads_mixed_labels():
            return ()
        strong = ("x_ulb_s_0" if cls._has_two_strong_views() else "x_ulb_s",) if args.ns3l_view != "weak" else ()
        second = (SECOND_WEAK_VIEW,) if args.ns3l_passes == 2 and args.ns3l_view == "weak" else ()
        index = ("idx_ulb",) if args.ns3l_rule != "threshold" else ()
        return ("x_ulb_w", *strong, *second, *index)

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
        self.ns3l_hook = (MixMatchNS3LHook if self._reads_mixed_labels() else NS3LHook)(settings)
        self.register_hook(self.ns3l_hook, "NS3LHook", "HIGHEST")
        super().set_hooks()

    def get_save_dict(self) -> dict[str, Any]:
        """The base's entries, and ``ns3l_excluded``, the table of a rule that looked at the network at the start."""
        save_dict = super().get_save_dict()
        table = self.ns3l_hook.table
        if table is not None and self.ns3l_hook.settings.neighbor_features == "network":
            save_dict["ns3l_excluded"] = table.excluded.cpu()
        return save_dict

    def load_model(self, load_path: str) -> Any:
        """Load the base's entries and the table.

        Raises:
            ConfigError: the table is one of other images or classes.
        """
        checkpoint = super().load_model(load_path)
        excluded = checkpoint.get("ns3l_excluded")
        shape = (len(self.dataset_dict["train_ulb"]), self.num_classes)
        if excluded is not None and not _is_table(excluded, shape):
            came = f"{type(excluded).__name__} {tuple(getattr(excluded, 'shape', ()))}"
            raise expected(f"{load_path}: ns3l_excluded", f"a table of {shape[0]} images and {shape[1]} classes", came)
        self.ns3l_hook.resumed_excluded = excluded
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
