"""When a run saves itself, in an order that a kill at any moment leaves whole."""

from __future__ import annotations

import os

from semilearn.core.hooks import Hook

from usb_negsamp.host.algorithm import HostAlgorithm

LATEST = "latest_model.pth"
BEST = "model_best.pth"


class CheckpointHook(Hook):
    """Saves at each evaluation: the best model first, then the latest one, which says that there is a best one.

    A run that is killed between the two goes on from the latest checkpoint before, and makes the same best model again.
    """

    def after_train_step(self, algorithm: HostAlgorithm) -> None:
        """Save if an evaluation was due, in the first process."""
        if not (self.every_n_iters(algorithm, algorithm.num_eval_iter) or self.is_last_iter(algorithm)):
            return
        if algorithm.distributed and algorithm.rank % algorithm.ngpus_per_node != 0:
            return
        directory = os.path.join(algorithm.save_dir, algorithm.save_name)
        if algorithm.it == algorithm.best_it:
            algorithm.save_model(BEST, directory)
        algorithm.save_model(LATEST, directory)
