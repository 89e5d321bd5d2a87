"""The hook that mends a step before the update of the weights (Huang et al., Fix-A-Step, AISTATS 2023, Algorithm 1)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from usb_negsamp.algorithms.fixastep.agreement import agreeing_loss
from usb_negsamp.algorithms.fixastep.mixing import mixed_losses
from usb_negsamp.algorithms.fixastep.settings import FixAStepSettings
from usb_negsamp.errors import ConfigError
from usb_negsamp.host import Hook
from usb_negsamp.host.wrapping.iteration import is_logged, log_total

if TYPE_CHECKING:
    from usb_negsamp.algorithms.fixastep.fixastep import FixAStepWrapper


class FixAStepHook(Hook):
    """Puts a loss on mixed images in the place of the labeled one, and leaves a harmful unlabeled loss out.

    The labeled loss of the algorithm is what its own criterion makes of the step's labels, times the factor that it has
    in the loss of the step. All else is the unlabeled loss, those of wrappers inside included. Runs right before the
    update of the weights.

    Args:
        settings: what is done.
        mixes: whether labeled images are to be mixed; not where the algorithm does so itself.
        temperature: of the guessed labels.

    Attributes:
        kept: steps so far whose unlabeled loss was kept, a scalar.
        steps: steps so far that had a labeled loss.
    """

    _algorithm: FixAStepWrapper | None = None
    """None until the run begins; no part of the hook's state."""

    def __init__(self, settings: FixAStepSettings, *, mixes: bool, temperature: float) -> None:
        super().__init__()
        self.settings = settings
        self._mixes, self._temperature = mixes, temperature
        self.kept: Tensor = torch.zeros((), dtype=torch.float64)
        self.steps = 0
        self._labeled: list[Tensor] = []
        self._in_step = False

    def before_run(self, algorithm: FixAStepWrapper) -> None:
        """Listen to the criterion of the algorithm."""
        if self._algorithm is None:
            algorithm.ce_loss.register_forward_hook(self._keep)
        self._algorithm = algorithm

    def before_train_step(self, algorithm: FixAStepWrapper) -> None:
        """Forget the step before."""
        self._labeled.clear()
        self._in_step = True

    def _keep(self, module: Any, inputs: tuple[Any, ...], output: Tensor) -> Tensor | None:
        """Keep a labeled loss, and hand on what stands for it in the loss of the step."""
        if not (self._in_step and torch.is_grad_enabled() and output.requires_grad and self._is_labeled(inputs[1])):
            return None
        # A leaf cuts off the graph of a loss that is replaced.
        kept = output.detach().requires_grad_() if self._mixes else output.view_as(output)
        self._labeled.append(kept)
        return kept

    def _is_labeled(self, targets: Tensor) -> bool:
        assert self._algorithm is not None
        return targets is self._algorithm.batch["y_lb"] or (self._algorithm.mixes_labels and targets.dim() == 2)

    def after_train_step(self, algorithm: FixAStepWrapper) -> None:
        """Mend the loss of the step, and at logged iterations say how many steps were kept so far."""
        self._in_step = False
        if getattr(algorithm, "is_without_labeled_loss", False):
            return
        labeled, total = self.labeled_and_total(algorithm)
        self.steps += 1
        if self.settings.gradient_test:
            total, agrees = agreeing_loss(algorithm, labeled, total)
            self.kept = self.kept.to(agrees.device) + agrees
        algorithm.out_dict["loss"] = total
        self._labeled.clear()
        if is_logged(algorithm):
            algorithm.log_dict["train/fixastep_labeled_loss"] = labeled.detach()
            if self.settings.gradient_test:
                algorithm.log_dict["train/fixastep_kept"] = self.kept / self.steps
            log_total(algorithm)

    def labeled_and_total(self, algorithm: FixAStepWrapper) -> tuple[Tensor, Tensor]:
        """The labeled loss, that of mixed images where they are mixed, and the loss of the step with it in it.

        Raises:
            ConfigError: the algorithm does not take its labeled loss from its criterion.
        """
        if not self._labeled:
            raise ConfigError(
                f"fixastep: expected an algorithm that takes its labeled loss by ce_loss(logits, y_lb), but "
                f"{algorithm.base_name} does not"
            )
        total: Tensor = algorithm.out_dict["loss"]
        factors = torch.autograd.grad(total, self._labeled, retain_graph=True, materialize_grads=True)
        parts = list(zip(factors, self._labeled, strict=True))
        if not self._mixes:
            return torch.stack([(factor * loss).sum() for factor, loss in parts]).sum(), total
        losses = mixed_losses(algorithm, self.settings.alpha, self._temperature)
        labeled = torch.stack([(factor * (losses if loss.dim() else losses.mean())).sum() for factor, loss in parts])
        replaced = torch.stack([(factor * loss.detach()).sum() for factor, loss in parts])
        return labeled.sum(), total + (labeled - replaced).sum()
