"""Curriculum Labeling: rounds of supervised training on labels and on ever more of the network's own predictions."""

from __future__ import annotations

import functools
from typing import Any

import numpy as np
import torch
from torch import Tensor

from usb_negsamp.algorithms.cl.curriculum import Curriculum
from usb_negsamp.algorithms.cl.hook import RoundCheckpointHook, SnapshotHook
from usb_negsamp.algorithms.cl.settings import CLSettings
from usb_negsamp.errors import ConfigError, expected
from usb_negsamp.functional import mixed_cross_entropy
from usb_negsamp.host import AlgorithmBase
from usb_negsamp.host.datasets.labeled_anew import train_on, with_images_of
from usb_negsamp.host.evaluation.networks import weights_of
from usb_negsamp.host.evaluation.pool import values_of_pool
from usb_negsamp.host.own_arguments import host_argument
from usb_negsamp.host.randomness import mix
from usb_negsamp.host.transfer import on_device
from usb_negsamp.host.wrapping.among_processes import network_of, share_of, summed
from usb_negsamp.host.wrapping.loop_in_parts import LoopInParts
from usb_negsamp.host.wrapping.new_start import as_long_as, start_anew

_STREAM = 0xC1AB


class CurriculumLabeling(LoopInParts, AlgorithmBase):
    """Supervised training in rounds (Cascante-Bonilla et al., AAAI 2021).

    Round 0 trains on the labeled images. Each later round r of R scores the unlabeled images, without augmentation, by
    the model of the round before that was best on validation, takes the r/R that it is surest of as labeled with its
    predictions, and trains a network that begins anew on these and the labeled ones. ``model_best.pth`` is the best of
    all rounds on validation. A round's learning rate has the run's schedule from its beginning to its end.

    Each round ends with an evaluation, whatever ``num_eval_iter``.
    """

    paper = "Cascante-Bonilla, Tan, Qi, Ordonez, AAAI 2021"
    settings_class = CLSettings
    base_name = "pseudolabel"
    """What a wrapper around it hands to the host's data sets: one weak unlabeled view, and no strong one."""
    reads_unlabeled_batches = False
    separates_labeled_loss = False
    _class_weights: Tensor | None = None

    def __init__(self, args: Any, net_builder: Any, tb_log: Any = None, logger: Any = None, **kwargs: Any) -> None:
        if getattr(args, "imb_algorithm", None) is not None:
            raise ConfigError(
                f"imb_algorithm: expected none with cl, whose rounds it would not follow, but got {args.imb_algorithm}"
            )
        self.cl_settings = CLSettings.from_arguments(args)
        super().__init__(args, net_builder, tb_log, logger, **kwargs)
        self._check_data()

    def _check_data(self) -> None:
        """Check that there are unlabeled images.

        Raises:
            ConfigError: there are none, or they are no images.
        """
        pool = self.dataset_dict["train_ulb"]
        if pool is None or not len(pool):
            raise ConfigError("cl labels unlabeled images: expected some in the data, but there are none")
        if not isinstance(self.dataset_dict["eval"][0]["x_lb"], Tensor):
            raise expected("cl", "images, which can be mixed", f"dataset {self.args.dataset}")

    @functools.cached_property
    def curriculum(self) -> Curriculum:
        """The rounds; those of the first network where this is the second of two."""
        first = getattr(self, "first", None)
        if first is not None:
            shared: Curriculum = first.curriculum
            return shared
        data = self.dataset_dict
        labels = torch.as_tensor(np.asarray(data["train_lb"].targets)).long()
        pool = data["train_ulb"]
        num_unlabeled = 0 if pool is None else len(pool)
        return Curriculum(self.cl_settings, labels, num_unlabeled, self.num_classes, self.num_train_iter)

    @property
    def num_eval_iter(self) -> int:
        """Iterations from one evaluation to the next; 1 in the last one of a round, which is evaluated, too."""
        given = self._num_eval_iter
        return 1 if given > 0 and self.it + 1 in self.curriculum.ends else given

    @num_eval_iter.setter
    def num_eval_iter(self, value: int) -> None:
        self._num_eval_iter = value

    def set_optimizer(self) -> tuple[torch.optim.Optimizer, Any]:
        """The host's optimizer, and its schedule over the present round."""
        with as_long_as(self, self.curriculum.length):
            return super().set_optimizer()

    def set_hooks(self) -> None:
        """Register the host's hooks, those of rounds among them."""
        if self.cl_settings.swa_start is not None:
            self.register_hook(SnapshotHook(), "SnapshotHook", "HIGHEST")
        super().set_hooks()
        self.register_hook(RoundCheckpointHook(), "CheckpointHook", "HIGH")

    def begin_part(self) -> int:
        """Begin the next round where the present one is over; returns where the round ends."""
        if self.curriculum.is_over(self.it):
            self.begin_round(self.curriculum.round + 1)
        elif self.it == 0 and self.cl_settings.view == "strong":
            self._train_on_selected()
        return self.curriculum.ends[self.curriculum.round]

    def begin_round(self, number: int) -> None:
        """Choose the images of round ``number`` and begin anew; the second network, where there is one, too."""
        curriculum = self.curriculum
        with weights_of(self, curriculum.best):
            probs = values_of_pool(self, lambda output: output["logits"].float().softmax(dim=1))
        curriculum.begin(number, probs.cpu())
        for network in (self, getattr(self, "peer", None)):
            if network is not None:
                start_anew(network, mix(getattr(network, "seed_of_draws", self.args.seed), _STREAM, number))
                network._class_weights = None
        self._train_on_selected()
        self.print_fn(
            f"cl: round {number} of {self.cl_settings.rounds} begins with {len(curriculum.selected)} of "
            f"{len(curriculum.pseudo_labels)} unlabeled images, of a confidence of at least {curriculum.threshold:.4g}"
        )

    def _train_on_selected(self) -> None:
        """Let labeled batches come from the labeled images and those that count as labeled in this round."""
        rows = self.curriculum.selected
        classes = self.curriculum.pseudo_labels[rows].numpy()
        data = self.dataset_dict
        train_on(
            self,
            with_images_of(data["train_lb"], data["train_ulb"], rows.numpy(), classes, view=self.cl_settings.view),
        )

    @property
    def class_weights(self) -> Tensor:
        """What each class (K,) weighs in this round, where the model is."""
        if self._class_weights is None:
            self._class_weights = on_device(self.curriculum.class_weights(), next(self.model.parameters()).device)
        return self._class_weights

    def train_step(self, x_lb: Tensor, y_lb: Tensor) -> tuple[dict[str, Any], dict[str, Any]]:
        """The loss of images that are mixed in pairs by one share a step, each class weighed by its rarity.

        Args:
            x_lb: images (B, C, H, W) of the round, labeled or selected.
            y_lb: their labels or pseudo-labels (B,).
        """
        share, partners = self._drawn_mixing(len(y_lb), x_lb.device)
        images = x_lb if share == 1.0 else torch.lerp(x_lb[partners], x_lb, share)
        # The mean over the batch of all processes, of which each one's own gradient is averaged.
        total = summed(self.class_weights[y_lb].sum(), self) / share_of(self)[1]
        with self.amp_cm():
            outputs = self.model(images)
            loss = mixed_cross_entropy(outputs["logits"], y_lb, partners, share, self.class_weights, total)
        out_dict = self.process_out_dict(loss=loss, feat={"x_lb": outputs["feat"]})
        log_dict = self.process_log_dict(
            sup_loss=loss.detach(),
            total_loss=loss.detach(),
            cl_round=float(self.curriculum.round),
            cl_selected=self.curriculum.selected_share,
            cl_threshold=self.curriculum.threshold,
        )
        return out_dict, log_dict

    def _drawn_mixing(self, size: int, device: torch.device) -> tuple[float, Tensor]:
        """What an image has of the mixed one, the same in all processes, and the row (B,) of each one's partner."""
        alpha = self.cl_settings.mixup_alpha
        if alpha == 0.0:
            return 1.0, torch.arange(size, device=device)
        step = self.it + getattr(self, "steps_after_training", 0)
        draws = np.random.default_rng(mix(getattr(self, "seed_of_draws", self.args.seed), _STREAM, step))
        share = float(draws.beta(alpha, alpha))
        return share, on_device(torch.from_numpy(draws.permutation(size)), device)

    def get_save_dict(self) -> dict[str, Any]:
        """The host's entries, and the curriculum's state as ``cl``."""
        save_dict: dict[str, Any] = super().get_save_dict()
        if getattr(self, "first", None) is None:
            save_dict["cl"] = self.curriculum.state()
        return save_dict

    def load_model(self, load_path: str) -> dict[str, Any]:
        """Load the host's entries, the curriculum, and the place in the schedule of its round.

        Raises:
            ConfigError: the curriculum is one of other images or rounds.
        """
        checkpoint: dict[str, Any] = super().load_model(load_path)
        if getattr(self, "first", None) is None:
            self.curriculum.load(checkpoint.get("cl"), network_of(self.model), load_path)
            self._train_on_selected()
        self._class_weights = None
        if self.scheduler is not None and self.curriculum.round > 0:
            # Made for the length of the first round.
            self.optimizer, self.scheduler = self.set_optimizer()
            self.optimizer.load_state_dict(checkpoint["optimizer"])
            self.scheduler.load_state_dict(checkpoint["scheduler"])
        return checkpoint

    @staticmethod
    def get_argument() -> list[Any]:
        """The keys of Curriculum Labeling."""
        return [host_argument(key) for key in CLSettings.all_keys()]
