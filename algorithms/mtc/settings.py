"""The keys of Multi-Task Curriculum: their values, checked before anything is trained."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from usb_negsamp.errors import expected
from usb_negsamp.host.wrapping.iteration import iterations_of
from usb_negsamp.key import AT_LEAST_ONE, SHARE_ABOVE_0, SHARE_BETWEEN
from usb_negsamp.settings import Settings, setting


@dataclass(frozen=True)
class MTCSettings(Settings, prefix="mtc"):
    """Values of the keys ``mtc_...``, and the lengths that they give a training."""

    warm_up: float = setting(
        float,
        0.1,
        "share of the training that learns to tell seen images alone, before MixMatch; rounded up to an iteration",
        range=SHARE_BETWEEN,
    )
    epoch: float = setting(
        float,
        0.01,
        "share of the training from one update of soft labels and threshold to the next; rounded up to an iteration",
        range=SHARE_ABOVE_0,
    )
    memory: int = setting(
        int,
        10,
        "epochs whose predictions a soft label is the mean of; of a shorter warm-up its epochs",
        range=AT_LEAST_ONE,
    )

    @classmethod
    def from_arguments(cls, args: Any) -> MTCSettings:
        """The settings that the run's arguments ask for.

        Raises:
            ConfigError: a value that cannot be, or no iteration after the warm-up.
        """
        settings = cls(**cls.values_of(args))
        warm_up = settings.warm_up_iterations(args.num_train_iter)
        if warm_up >= args.num_train_iter:
            raise expected(
                "mtc_warm_up",
                f"a share that leaves an iteration of {args.num_train_iter} to MixMatch",
                f"{settings.warm_up:g}",
            )
        return settings

    def warm_up_iterations(self, num_train_iter: int) -> int:
        """Iterations of the warm-up, at least one.

        >>> MTCSettings().warm_up_iterations(1000), MTCSettings().warm_up_iterations(8)
        (100, 1)
        """
        return max(1, iterations_of(self.warm_up, num_train_iter))

    def epoch_iterations(self, num_train_iter: int) -> int:
        """Iterations of an epoch, at least one.

        >>> MTCSettings().epoch_iterations(1000), MTCSettings().epoch_iterations(8)
        (10, 1)
        """
        return max(1, iterations_of(self.epoch, num_train_iter))

    def warm_up_epochs(self, num_train_iter: int) -> int:
        """Epochs of the warm-up, of which the last one may be shorter."""
        return -(-self.warm_up_iterations(num_train_iter) // self.epoch_iterations(num_train_iter))

    def epochs_before(self, iteration: int, num_train_iter: int) -> int:
        """How many epochs are over before ``iteration``. One ends with the warm-up.

        >>> settings = MTCSettings(warm_up=0.5, epoch=0.2)
        >>> [settings.epochs_before(iteration, 10) for iteration in range(11)]
        [0, 0, 1, 1, 2, 3, 3, 4, 4, 5, 5]
        """
        warm_up, epoch = self.warm_up_iterations(num_train_iter), self.epoch_iterations(num_train_iter)
        if iteration < warm_up:
            return iteration // epoch
        return self.warm_up_epochs(num_train_iter) + (iteration - warm_up) // epoch
