"""Two students on each other's views."""

from __future__ import annotations

from typing import Any, ClassVar

from usb_negsamp.algorithms.dualstudent.settings import StudentSettings
from usb_negsamp.host.datasets.renamed_view import renamed
from usb_negsamp.host.evaluation.pair import EvaluatedPair
from usb_negsamp.host.wrapping.peer import PEER_VIEW

WEAK_VIEW = "x_ulb_w"
SECOND_WEAK_VIEW = "x_ulb_w_1"


class StudentPair(EvaluatedPair):
    """Base of what is put around a student. The view that one network learns on is the other's other view."""

    student: ClassVar[type[Any]]
    """The algorithm of each of the two networks."""
    student_settings: StudentSettings
    """Made by the student that this is put around."""

    @classmethod
    def views_needed(cls, args: Any) -> tuple[str, ...]:
        """Those of the wrappers inside, and two weak views."""
        return (*super().views_needed(args), WEAK_VIEW, SECOND_WEAK_VIEW)

    def batch_of_peer(self) -> dict[str, Any]:
        """The present step's batch with both views exchanged, of labeled and of unlabeled images."""
        batch = super().batch_of_peer()
        batch[PEER_VIEW] = self.batch["x_lb"]
        swapped = renamed(batch, SECOND_WEAK_VIEW, WEAK_VIEW)
        swapped[SECOND_WEAK_VIEW] = batch[WEAK_VIEW]
        return swapped
