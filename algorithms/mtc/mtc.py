"""Multi-Task Curriculum: a head that tells seen images from others chooses those that MixMatch takes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from usb_negsamp.algorithms.mtc.heads import DOMAIN_LOGITS, DOMAIN_THRESHOLD, DomainHead
from usb_negsamp.algorithms.mtc.hook import SoftLabelHook
from usb_negsamp.algorithms.mtc.settings import MTCSettings
from usb_negsamp.errors import ConfigError
from usb_negsamp.functional import domain_loss
from usb_negsamp.host import ALGORITHMS, AlgorithmBase
from usb_negsamp.host.datasets.kept_images import KeptImages
from usb_negsamp.host.datasets.seeded_loading import worthwhile_workers
from usb_negsamp.host.own_arguments import host_argument
from usb_negsamp.host.randomness import mix
from usb_negsamp.host.wrapping.among_processes import gathered, network_of, share_of
from usb_negsamp.host.wrapping.wrapper import Wrapper, compose, frozen_running_statistics
from usb_negsamp.nets import with_heads

if TYPE_CHECKING:
    MixMatch = AlgorithmBase
else:
    MixMatch = ALGORITHMS["mixmatch"]

BASE = "supervised"
"""The host's data set makes no unlabeled view for this name: all are asked for."""
VIEW = "x_ulb_w"
KEPT_VIEWS = ("x_ulb_w", "x_ulb_w_1")
_STREAM = 0x3A7C


class MultiTaskCurriculumStep(MixMatch):
    """MixMatch on the unlabeled images that a second task keeps: to tell images of seen classes (Yu et al., ECCV 2020).

    The head beside the classifier learns by :func:`domain_loss` that labeled images are of seen classes, and unlabeled
    ones as their soft labels say, which are the mean of its own predictions over the last epochs. After a warm-up by
    this loss alone, MixMatch's loss on labeled images and on those kept is added.
    """

    mixes_labeled_images = True
    mtc_settings: MTCSettings
    scores: SoftLabelHook
    seed_of_draws: int
    steps_after_training: int

    def __init__(self, args: Any, net_builder: Any, tb_log: Any = None, logger: Any = None, **kwargs: Any) -> None:
        if getattr(args, "imb_algorithm", None) is not None:
            raise ConfigError(
                f"imb_algorithm: expected none with mtc, whose second task it would not reach, but got "
                f"{args.imb_algorithm}"
            )
        self.mtc_settings = MTCSettings.from_arguments(args)
        super().__init__(args, with_heads(net_builder, DomainHead), tb_log, logger, **kwargs)

    def train_step(
        self, x_lb: Tensor, y_lb: Tensor, x_ulb_w: Tensor, idx_ulb: Tensor
    ) -> tuple[dict[str, Any], dict[str, Any]]:
        """One step's loss.

        Args:
            x_lb: labeled images (B_l, C, H, W).
            y_lb: their labels (B_l,).
            x_ulb_w: unlabeled images (B_u, C, H, W), of all that there are.
            idx_ulb: their indices (B_u,).
        """
        if self.is_warming_up:
            loss, features, log_dict = self.domain_step(x_lb, x_ulb_w, idx_ulb, alone=True)
            log_dict = {**log_dict, **self.process_log_dict(total_loss=loss.detach())}
            return self.process_out_dict(loss=loss, feat=features), log_dict
        kept = self.scores.images.batch(self.it + self.steps_after_training, x_lb.device)
        assert kept is not None
        out_dict, log_dict = self.mixmatch_step(x_lb, y_lb, kept)
        loss, features, of_domain = self.domain_step(x_lb, x_ulb_w, idx_ulb, alone=False)
        out_dict.update(loss=out_dict["loss"] + loss, feat=features)
        log_dict.update(of_domain, **{"train/total_loss": out_dict["loss"].detach()})
        return out_dict, log_dict

    def mixmatch_step(
        self, x_lb: Tensor, y_lb: Tensor, kept: dict[str, Tensor]
    ) -> tuple[dict[str, Any], dict[str, Any]]:
        """MixMatch's step on labeled and kept images. Its ramp begins with the end of the warm-up."""
        warm_up = self.mtc_settings.warm_up_iterations(self.num_train_iter)
        self.it -= warm_up
        try:
            result: tuple[dict[str, Any], dict[str, Any]] = super().train_step(
                x_lb, y_lb, kept[KEPT_VIEWS[0]], kept[KEPT_VIEWS[1]]
            )
        finally:
            self.it += warm_up
        return result

    def domain_step(
        self, x_lb: Tensor, x_ulb_w: Tensor, idx_ulb: Tensor, *, alone: bool
    ) -> tuple[Tensor, dict[str, Tensor], dict[str, Any]]:
        """The loss of the second task by one pass over labeled and unlabeled images; its features and figures.

        Args:
            x_lb: labeled images.
            x_ulb_w: unlabeled images.
            idx_ulb: their indices.
            alone: whether no other pass of the step moves running statistics: this one does then.
        """
        images, num_labeled = torch.cat([x_lb, x_ulb_w]), len(x_lb)
        with self.amp_cm():
            if alone:
                outputs = self.model(images)
            else:
                # The parallel wrapper has begun the step by MixMatch's passes.
                with frozen_running_statistics(self):
                    outputs = network_of(self.model)(images)
        logits = outputs[DOMAIN_LOGITS]
        labeled, unlabeled = logits[:num_labeled], logits[num_labeled:]
        loss = domain_loss(labeled, unlabeled, self.scores.soft_labels[idx_ulb], self.labeled_share)
        if alone:
            # Parameters that a step leaves out would end it among processes.
            loss = loss + 0.0 * outputs["logits"].float().sum()
        probs = torch.sigmoid(unlabeled.detach().float())
        self.scores.record(gathered(idx_ulb, self), gathered(probs, self))
        features = {"x_lb": outputs["feat"][:num_labeled], VIEW: outputs["feat"][num_labeled:]}
        log_dict = self.process_log_dict(
            mtc_domain_loss=loss.detach(),
            mtc_kept=self.scores.images.chosen_share,
            mtc_threshold=self.scores.threshold,
        )
        return loss, features, log_dict

    @property
    def is_warming_up(self) -> bool:
        """Whether the present step is without MixMatch."""
        return self.scores.is_warming_up(self)

    @property
    def is_without_labeled_loss(self) -> bool:
        """Whether the present step learns no classes: a wrapper that reads the labeled loss leaves it as it is."""
        return self.is_warming_up

    @property
    def labeled_share(self) -> float:
        """Labeled images of all training images."""
        labeled, unlabeled = (len(self.dataset_dict[f"train_{kind}"]) for kind in ("lb", "ulb"))
        return labeled / (labeled + unlabeled)

    @torch.no_grad()
    def set_threshold(self, threshold: Tensor) -> None:
        """Let the network have the ``threshold`` from which an image is taken for a seen one."""
        for module in network_of(self.model).modules():
            if isinstance(module, DomainHead):
                module.threshold.copy_(threshold)

    def reject_scores(self, output: dict[str, Tensor]) -> Tensor:
        """How likely each image (N,) is of no seen class."""
        return torch.sigmoid(-output[DOMAIN_LOGITS].float())

    def open_predictions(self, output: dict[str, Tensor]) -> Tensor:
        """The class (N,) of each image, or K where it is less likely of a seen one than the threshold asks for."""
        classes = output["logits"].argmax(dim=1)
        is_seen = torch.sigmoid(output[DOMAIN_LOGITS].float()) >= output[DOMAIN_THRESHOLD].float()
        return torch.where(is_seen, classes, torch.full_like(classes, self.num_classes))

    @staticmethod
    def get_argument() -> list[Any]:
        """MixMatch's keys and MTC's."""
        return [*MixMatch.get_argument(), *(host_argument(key) for key in MTCSettings.all_keys())]


class MultiTaskCurriculumWrapper(Wrapper):
    """Brings the view that the second task reads, and chooses images."""

    wrapper_name = "mtc"
    paper = "Yu, Ikami, Irie, Aizawa, ECCV 2020"
    settings_class = MTCSettings
    mtc_settings: MTCSettings

    @classmethod
    def own_keys(cls) -> tuple[()]:
        """None: they are those of what is inside."""
        return ()

    @classmethod
    def views_needed(cls, args: Any) -> tuple[str, ...]:
        """A weak view, and those of what is inside."""
        return (*super().views_needed(args), VIEW)

    def set_hooks(self) -> None:
        """Register the hook that chooses images, then the host's hooks."""
        pool = self.dataset_dict["train_ulb"]
        batch_size = self.args.uratio * self.args.batch_size
        seed = mix(self.seed_of_draws, _STREAM)
        images = KeptImages(pool, KEPT_VIEWS, batch_size=batch_size, seed=seed, share=share_of(self))
        images.num_workers = worthwhile_workers(images.dataset, batch_size, self.args.num_workers)
        self.scores = SoftLabelHook(self.mtc_settings, images, len(pool), self.num_train_iter)
        self.register_hook(self.scores, "SoftLabelHook")
        super().set_hooks()


MultiTaskCurriculum = compose(MultiTaskCurriculumStep, "mtc", BASE, MultiTaskCurriculumWrapper)
