"""NS3L: negative sampling in semi-supervised learning, around any algorithm of the host and alone."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from usb_negsamp.algorithms.ns3l.hook import MixMatchNS3LHook, NS3LHook
from usb_negsamp.algorithms.ns3l.rules import check_rule
from usb_negsamp.errors import ConfigError, unknown
from usb_negsamp.functional import default_threshold
from usb_negsamp.host import ALGORITHMS, AlgorithmBase, SSL_Argument, str2bool
from usb_negsamp.host.wrapping.wrapper import Wrapper, compose

VIEWS = ("weak", "strong", "weak_to_strong")
SECOND_WEAK_VIEW = "x_ulb_w_1"


class NS3LWrapper(Wrapper):
    """Adds NS3L to the algorithm it wraps. Its keys, with the paper's symbols: :meth:`own_arguments`."""

    wrapper_name = "ns3l"

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
        hook_class = MixMatchNS3LHook if self._reads_mixed_labels() else NS3LHook
        settings = checked_settings(self.args)
        if hook_class is MixMatchNS3LHook:
            check_around_mixmatch(settings)
        elif settings["spare_mixed"]:
            raise ConfigError(
                f"ns3l_spare_mixed: expected False, or an algorithm that mixes labels as mixmatch does, but got True "
                f"around {self.base_name}"
            )
        self.ns3l_hook = hook_class(**settings)
        self.register_hook(self.ns3l_hook, "NS3LHook", "HIGHEST")  # type: ignore[attr-defined]
        super().set_hooks()

    def get_save_dict(self) -> dict[str, Any]:
        """The base's entries, and ``ns3l_excluded``, the table of a rule that looked at the network at the start."""
        save_dict: dict[str, Any] = super().get_save_dict()  # type: ignore[misc]
        table = self.ns3l_hook.table
        if table is not None and self.args.ns3l_neighbour_features == "network":
            save_dict["ns3l_excluded"] = table.excluded.cpu()
        return save_dict

    def load_model(self, load_path: str) -> Any:
        """Load the base's entries and the table."""
        checkpoint = super().load_model(load_path)  # type: ignore[misc]
        self.ns3l_hook.resumed_excluded = checkpoint.get("ns3l_excluded")
        return checkpoint

    @staticmethod
    def check_arguments(args: Any) -> None:
        """Refuse values of the keys of :meth:`own_arguments` that cannot be, before anything is built."""
        checked_settings(args)

    @staticmethod
    def own_arguments() -> list[Any]:
        """The keys that NS3L adds to those of its base algorithm."""
        # What stands before ": " is the paper's symbol.
        return [
            SSL_Argument(
                "--ns3l_threshold",
                float,
                None,
                "T: classes of a probability below it are negative; none, 0.4/num_classes",
            ),
            SSL_Argument("--ns3l_weight", float, 1.0, "lambda_1: weight of the NS3L loss; 0 switches it off"),
            SSL_Argument(
                "--ns3l_ramp",
                float,
                0.25,
                "share of the training over which the weight ramps up, around mixmatch linearly as its own; 0, none",
            ),
            SSL_Argument(
                "--ns3l_view",
                str,
                "weak",
                "unlabeled view that the loss is taken on, weak, strong, or weak_to_strong (negatives from the weak "
                "view, loss on the strong one)",
            ),
            SSL_Argument(
                "--ns3l_rule",
                str,
                "threshold",
                "how negatives are chosen, threshold, uniform, neighbour, or oracle (by the true labels)",
            ),
            SSL_Argument(
                "--ns3l_num_negatives", int, 1, "P: negatives of a sample under uniform, neighbour and oracle"
            ),
            SSL_Argument(
                "--ns3l_neighbour_rule",
                str,
                "exclude",
                "never draw the nearest labeled class (exclude) or the four nearest (exclude_nearest), or take the "
                "furthest",
            ),
            SSL_Argument(
                "--ns3l_neighbour_features",
                str,
                "pixels",
                "what neighbours are near in, pixels, or network (the features at the start of the training)",
            ),
            SSL_Argument(
                "--ns3l_passes",
                int,
                1,
                "1, negatives and loss from one pass; 2, the loss from a second pass (released code)",
            ),
            SSL_Argument(
                "--ns3l_spare_mixed",
                str2bool,
                False,
                "around mixmatch, the two classes mixed into a label are never negatives (the paper does not spare "
                "them)",
            ),
        ]


def checked_settings(args: Any) -> dict[str, Any]:
    """The hook's settings from the run's arguments.

    Raises:
        ConfigError: a value outside its range.
    """
    threshold = default_threshold(args.num_classes) if args.ns3l_threshold is None else args.ns3l_threshold
    if not 0.0 < threshold < 1.0 / args.num_classes:
        raise ConfigError(
            f"ns3l_threshold: expected a value in (0, 1/num_classes) = (0, {1 / args.num_classes:g}), "
            f"usually 0.4/num_classes = {0.4 / args.num_classes:g}, but got {threshold:g}"
        )
    if args.ns3l_weight < 0:
        raise ConfigError(f"ns3l_weight: expected a value of 0 or more, but got {args.ns3l_weight:g}")
    if not 0.0 <= args.ns3l_ramp <= 1.0:
        raise ConfigError(f"ns3l_ramp: expected a share of the training in 0..1, but got {args.ns3l_ramp:g}")
    if args.ns3l_view not in VIEWS:
        raise unknown("ns3l_view", args.ns3l_view, VIEWS)
    check_rule(args)
    if args.ns3l_passes not in (1, 2):
        raise ConfigError(f"ns3l_passes: expected 1 or 2, but got {args.ns3l_passes}")
    return {
        "threshold": threshold,
        "weight": args.ns3l_weight,
        "ramp": args.ns3l_ramp,
        "view": args.ns3l_view,
        "passes": args.ns3l_passes,
        "rule": args.ns3l_rule,
        "num_negatives": args.ns3l_num_negatives,
        "neighbour_rule": args.ns3l_neighbour_rule,
        "neighbour_features": args.ns3l_neighbour_features,
        "spare_mixed": args.ns3l_spare_mixed,
    }


def check_around_mixmatch(settings: dict[str, Any]) -> None:
    """Check that nothing is asked for that mixed images do not have.

    Raises:
        ConfigError: a rule by the image, another view, or a second pass.
    """
    for key, expected in (("rule", "threshold"), ("view", "weak"), ("passes", 1)):
        if settings[key] != expected:
            raise ConfigError(
                f"ns3l_{key}: expected {expected} around mixmatch, where NS3L reads the mixed images and labels, "
                f"but got {settings[key]}"
            )


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
