"""The hooks of Curriculum Labeling: the best model of each round, and the average of snapshots within one."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from usb_negsamp.algorithms.cl.rounds import snapshot_decay
from usb_negsamp.host import Hook
from usb_negsamp.host.checkpoints.hook import CheckpointHook
from usb_negsamp.host.wrapping.after_training import trained_state

if TYPE_CHECKING:
    from usb_negsamp.algorithms.cl.cl import CurriculumLabeling

ACCURACY = "eval/top-1-acc"


class RoundCheckpointHook(CheckpointHook):
    """Keeps the round's best model after each evaluation, before the run is saved with it.

    Where the images of the evaluation are the test images, since none were held out, it is the round's last model:
    test images choose no labels.
    """

    settings_only = True

    def after_train_step(self, algorithm: Any) -> None:
        """Keep the model where one was evaluated, then save as always."""
        accuracy = algorithm.log_dict.get(ACCURACY)
        if accuracy is not None:
            held_out = "test" in algorithm.loader_dict
            state = trained_state(algorithm, "last")
            algorithm.curriculum.keep_if_best(float(accuracy) if held_out else 0.0, state)
        super().after_train_step(algorithm)


class SnapshotHook(Hook):
    """Lets the average of the weights be the mean of snapshots of the round, ahead of its update (priority HIGHEST)."""

    settings_only = True

    def after_train_step(self, algorithm: CurriculumLabeling) -> None:
        """Set the decay of this step's update."""
        settings, curriculum = algorithm.cl_settings, algorithm.curriculum
        if settings.swa_start is None or algorithm.ema is None:
            return
        step = algorithm.it - curriculum.start
        algorithm.ema.decay = snapshot_decay(step, curriculum.length, settings.swa_start, settings.swa_every)
