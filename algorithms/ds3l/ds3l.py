"""DS3L: unlabeled images count as much as learning from them helps the labeled loss (Guo et al., ICML 2020)."""

from __future__ import annotations

from typing import Any

from torch import Tensor

from usb_negsamp.algorithms.ds3l.hook import ERRORS, PROBS, VIEWS, DS3LHook
from usb_negsamp.algorithms.ds3l.look_ahead import Views
from usb_negsamp.algorithms.ds3l.settings import DS3LSettings
from usb_negsamp.algorithms.ds3l.weights import LearnedWeights
from usb_negsamp.functional import squared_error
from usb_negsamp.host.randomness import keyed_randomness, mix
from usb_negsamp.host.wrapping.stand_alone import StandAlone
from usb_negsamp.host.wrapping.wrapper import frozen_running_statistics

_STREAM = 0xD531


class DS3L(StandAlone):
    """The labeled loss, and a weighted mean of the unlabeled images' distances between predictions on two weak views.

    The weights come from a network on the predictions. In each step it learns, by one step of Adam, what lowers the
    labeled loss that the main network would have after a small step of gradient descent. The checkpoint's entry
    ``ds3l`` has that network and its optimizer.

    With weight 0 it is supervised training.
    """

    base_name = "pimodel"
    paper = "Guo, Zhang, Jiang, Li, Zhou, ICML 2020"
    settings_class = DS3LSettings

    def __init__(self, args: Any, *rest: Any, **kwargs: Any) -> None:
        self.ds3l_settings = DS3LSettings.from_arguments(args)
        super().__init__(args, *rest, **kwargs)

    def set_hooks(self) -> None:
        """Make the network that gives the weights, and register the hook ahead of the update, then the host's hooks."""
        with keyed_randomness(mix(self.seed_of_draws, _STREAM)):
            self.learned_weights = LearnedWeights(self.num_classes, self.ds3l_settings.weights_lr)
        self.register_hook(DS3LHook(self.ds3l_settings), "DS3LHook", "HIGHEST")
        super().set_hooks()

    def train_step(
        self, x_lb: Tensor, y_lb: Tensor, x_ulb_w: Tensor, x_ulb_s: Tensor
    ) -> tuple[dict[str, Any], dict[str, Any]]:
        """One step's labeled loss, and what the hook makes the unlabeled one of.

        Args:
            x_lb: labeled images (B_l, C, H, W).
            y_lb: their labels (B_l,).
            x_ulb_w: unlabeled images (B_u, C, H, W), the view that is predicted.
            x_ulb_s: their other weak view, which learns that prediction.
        """
        if self.ds3l_settings.weight == 0.0:
            return self.supervised_step(x_lb, y_lb)
        with self.amp_cm():
            labeled, first = self.passed(x_lb, x_ulb_w)
            with frozen_running_statistics(self):
                second = self.model(x_ulb_s)
            sup_loss = self.ce_loss(labeled["logits"], y_lb, reduction="mean")
        kept: dict[str, Any] = {
            ERRORS: squared_error(second["logits"], first["logits"]),
            PROBS: first["logits"].detach().float().softmax(dim=1),
            VIEWS: Views(x_lb, y_lb, x_ulb_w, x_ulb_s),
        }
        features = {"x_lb": labeled["feat"], "x_ulb_w": first["feat"], "x_ulb_s": second["feat"]}
        out_dict = self.process_out_dict(loss=sup_loss, feat=features, **kept)
        return out_dict, self.process_log_dict(sup_loss=sup_loss.detach(), total_loss=sup_loss.detach())

    def get_save_dict(self) -> dict[str, Any]:
        """The host's entries, and ``ds3l``."""
        return {**super().get_save_dict(), "ds3l": self.learned_weights.state()}

    def load_model(self, load_path: str) -> Any:
        """Load the host's entries and the network that gives the weights."""
        checkpoint = super().load_model(load_path)
        self.learned_weights.place(next(self.model.parameters()).device)
        self.learned_weights.load(checkpoint["ds3l"])
        return checkpoint
