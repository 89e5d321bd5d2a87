"""The host's alignment of predictions on unlabeled images with a uniform distribution, for algorithms of ours."""

from __future__ import annotations

from semilearn.algorithms.hooks import DistAlignQueueHook
from semilearn.core.hooks import Hook

ALIGNMENT_HOOK = "DistAlignHook"
"""The name that the host registers it under; the entry to call is ``dist_align``."""
QUEUE_LENGTH = 128


def alignment_hook(num_classes: int) -> Hook:
    """A hook that divides probabilities by their mean over the last batches, and makes each row sum to 1 again."""
    hook: Hook = DistAlignQueueHook(num_classes=num_classes, queue_length=QUEUE_LENGTH, p_target_type="uniform")
    return hook
