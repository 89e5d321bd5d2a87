"""DNLL: dual negative label learning, two networks around any algorithm of the host and alone."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from functools import partial
from typing import Any

import torch
from torch import Tensor

from usb_negsamp.algorithms.dnll.hook import DNLLHook
from usb_negsamp.errors import ConfigError, unknown
from usb_negsamp.functional import ErrorPerception, sigmoid_ramp, truncated_sigmoid_ramp
from usb_negsamp.host import ALGORITHMS, SSL_Argument
from usb_negsamp.host.datasets.image_views import NoStrongView
from usb_negsamp.host.evaluation.pair import RULES, EvaluatedPair
from usb_negsamp.host.wrapping.wrapper import compose

SELECTIONS = ("equal", "error_perception")
REDUCTIONS = ("mean", "sum")
RAMP_SHAPES: dict[str, Callable[[float], Callable[[float], float]]] = {
    "sigmoid": lambda share: sigmoid_ramp,
    "truncated": lambda share: partial(truncated_sigmoid_ramp, share=share),
}
"""By name, what makes of the ramp's share of the training its shape."""
WEAK_VIEW = "x_ulb_w"
LOSS_VIEWS = {"weak_to_strong": "x_ulb_s", "weak_to_weak": "x_ulb_w_1", "weak": WEAK_VIEW}


class DNLLWrapper(EvaluatedPair):
    """Lets two instances of the algorithm it wraps teach each other. Its keys: :meth:`own_arguments`."""

    wrapper_name = "dnll"
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
        step: Any = cls.train_step  # type: ignore[attr-defined]
        return list(inspect.signature(step).parameters)

    def set_dataset(self) -> Any:
        """The data sets of both networks.

        Raises:
            ConfigError: the loss needs a strong view that the unlabeled images cannot have.
        """
        dataset_dict = super().set_dataset()
        view = self.strong_view_of_base()
        if dataset_dict is None or view not in self.views_needed(self.args) or view in self._views_of_base():
            return dataset_dict
        if isinstance(dataset_dict["train_ulb"].strong_transform, (NoStrongView, type(None))):
            raise ConfigError(
                "dnll_views: expected weak_to_weak or weak, because these unlabeled images have no strong view, "
                f"but got {self.args.dnll_views}"
            )
        return dataset_dict

    def set_hooks(self) -> None:
        """Register DNLL's hook ahead of the update of the weights, then the base's hooks."""
        settings = checked_settings(self.args)
        self.perceptions = None
        if self.args.dnll_selection == "error_perception":
            self.perceptions = tuple(ErrorPerception(self.args.num_classes, self.args.dnll_momentum) for _ in range(2))
        hook = self.make_hook(
            **settings, loss_view=self.loss_view(self.args), seed=self.peer_seed, perceptions=self.perceptions
        )
        self.register_hook(hook, "DNLLHook", "HIGHEST")  # type: ignore[attr-defined]
        super().set_hooks()

    def make_hook(self, **settings: Any) -> DNLLHook:
        """The hook that couples the two networks."""
        return DNLLHook(**settings)

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

    @staticmethod
    def check_arguments(args: Any) -> None:
        """Refuse values of the keys of :meth:`own_arguments` that cannot be, before anything is built."""
        checked_settings(args)

    @staticmethod
    def own_arguments() -> list[Any]:
        """The keys that DNLL adds to those of its base algorithm."""
        # What stands before ": " is the paper's symbol.
        return [
            SSL_Argument(
                "--dnll_num_negatives", int, 1, "m: pseudo-negative labels of a sample, in 1..num_classes - 1"
            ),
            SSL_Argument(
                "--dnll_selection",
                str,
                "equal",
                "how negatives are drawn, equal (probability), or error_perception (by what the learning network "
                "confuses)",
            ),
            SSL_Argument("--dnll_weight", float, 2.0, "lambda: weight of the cross loss; 0 switches it off"),
            SSL_Argument("--dnll_self_weight", float, 0.0, "weight of the self loss; equation 18 has dnll_weight here"),
            SSL_Argument(
                "--dnll_ramp",
                float,
                0.15,
                "share of the training over which both weights ramp up (15 of 100 epochs in the released code); 0, "
                "none",
            ),
            SSL_Argument(
                "--dnll_ramp_shape",
                str,
                "sigmoid",
                "how both weights ramp up, from nothing as exp(-5 (1 - t)^2) of the ramp (sigmoid), or as the first "
                "part of that of the whole training, which starts at a quarter of the weight (truncated, the released "
                "code)",
            ),
            SSL_Argument(
                "--dnll_views",
                str,
                "weak_to_strong",
                "labels from the weak view and the loss on the strong one (weak_to_strong), on another weak one "
                "(weak_to_weak), or on the same (weak)",
            ),
            SSL_Argument(
                "--dnll_reduction",
                str,
                "mean",
                "over the negatives of a sample, mean (released code) or sum (equation 9)",
            ),
            SSL_Argument(
                "--dnll_momentum", float, 0.99, "share of the old error matrix that stays at each step, in [0, 1)"
            ),
            SSL_Argument(
                "--dnll_evaluate",
                str,
                "first",
                "whose accuracy is the run's, of the first network, or of the average of both networks' probabilities",
            ),
            SSL_Argument(
                "--dnll_peer_seed",
                int,
                None,
                "seed of the second network, another than seed; none, one that follows from seed",
            ),
        ]


def checked_settings(args: Any) -> dict[str, Any]:
    """The hook's settings from the run's arguments.

    Raises:
        ConfigError: a value outside its range.
    """
    for key, names in (
        ("dnll_selection", SELECTIONS),
        ("dnll_views", tuple(LOSS_VIEWS)),
        ("dnll_reduction", REDUCTIONS),
        ("dnll_ramp_shape", tuple(RAMP_SHAPES)),
        ("dnll_evaluate", RULES),
    ):
        # An algorithm with views of its own has no dnll_views.
        value = getattr(args, key, names[0])
        if value not in names:
            raise unknown(key, value, names)
    if not 1 <= args.dnll_num_negatives < args.num_classes:
        raise ConfigError(
            f"dnll_num_negatives: expected a number in 1..num_classes - 1 = 1..{args.num_classes - 1}, "
            f"but got {args.dnll_num_negatives}"
        )
    for key in ("dnll_weight", "dnll_self_weight"):
        if not getattr(args, key) >= 0:
            raise ConfigError(f"{key}: expected a value of 0 or more, but got {getattr(args, key):g}")
    if not 0.0 <= args.dnll_ramp <= 1.0:
        raise ConfigError(f"dnll_ramp: expected a share of the training in 0..1, but got {args.dnll_ramp:g}")
    if not 0.0 <= args.dnll_momentum < 1.0:
        raise ConfigError(f"dnll_momentum: expected a value in [0, 1), but got {args.dnll_momentum:g}")
    return {
        "num_negatives": args.dnll_num_negatives,
        "weight": args.dnll_weight,
        "self_weight": args.dnll_self_weight,
        "ramp": args.dnll_ramp,
        "ramp_shape": RAMP_SHAPES[args.dnll_ramp_shape](args.dnll_ramp),
        "reduction": args.dnll_reduction,
        "label_view": WEAK_VIEW,
    }


class LabeledLoss(ALGORITHMS["supervised"]):  # type: ignore[misc, name-defined]
    """The labeled loss, from one pass with the view that negatives are learned on (two passes without ``use_cat``).

    With weights 0 no such view is there: the step is plain ``supervised``.
    """

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
