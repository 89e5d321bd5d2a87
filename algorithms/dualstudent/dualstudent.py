"""Dual Student: two networks, of which the more stable one teaches the other, sample by sample."""

from __future__ import annotations

from typing import Any

from usb_negsamp.algorithms.dnll import DNLLWrapper
from usb_negsamp.algorithms.dualstudent.dnll import DualStudentDNLLWrapper
from usb_negsamp.algorithms.dualstudent.hook import DualStudentHook
from usb_negsamp.algorithms.dualstudent.pair import StudentPair
from usb_negsamp.algorithms.dualstudent.settings import check_settings, own_arguments
from usb_negsamp.algorithms.dualstudent.student import Student
from usb_negsamp.errors import ConfigError, unknown
from usb_negsamp.host import SSL_Argument
from usb_negsamp.host.evaluation.pair import RULES
from usb_negsamp.host.wrapping.wrapper import Wrapper, compose

BASE = "supervised"
"""The host's data set makes no unlabeled view for this name: all are asked for by :class:`StudentPair`."""


class DualStudentWrapper(StudentPair):
    """Makes two of the student it wraps, and lets them teach each other. Its keys: :meth:`own_arguments`."""

    wrapper_name = "dualstudent"
    peer_seed_key = "dualstudent_peer_seed"
    rule_key = "dualstudent_evaluate"

    def set_hooks(self) -> None:
        """Register Dual Student's hook ahead of the update of the weights, then the student's hooks."""
        check_settings(self.args)
        if self.args.dualstudent_evaluate not in RULES:
            raise unknown("dualstudent_evaluate", self.args.dualstudent_evaluate, RULES)
        hook = DualStudentHook(self.args.dualstudent_threshold, self.args.dualstudent_stabilization_weight)
        self.register_hook(hook, "DualStudentHook", "HIGHEST")  # type: ignore[attr-defined]
        super().set_hooks()

    @staticmethod
    def check_arguments(args: Any) -> None:
        """Refuse values of the keys of :meth:`own_arguments` that cannot be, before anything is built."""
        check_settings(args)

    @staticmethod
    def own_arguments() -> list[Any]:
        """The keys that the pair adds to those of a student."""
        return [
            *own_arguments(),
            SSL_Argument(
                "--dualstudent_evaluate",
                str,
                "first",
                "whose accuracy is the run's, of the first network, or of the average of both networks' probabilities",
            ),
            SSL_Argument(
                "--dualstudent_peer_seed",
                int,
                None,
                "seed of the second network, another than seed; none, one that follows from seed",
            ),
        ]


def pair_of(student: type[Any], name: str, wrapper: type[StudentPair]) -> type[Any]:
    """Return ``wrapper`` around ``student`` as a class named after ``name``."""
    pair = compose(student, name, BASE, wrapper)
    pair.student = student
    return pair


def take_in(pair: type[Any], name: str, wrapper: type[Wrapper]) -> type[Any]:
    """Return the pair with one wrapper more, named after ``name``.

    DNLL couples the two students that are there. Any other wrapper goes around each of them.

    Raises:
        ConfigError: the pair carries the wrapper already.
    """
    if issubclass(pair, wrapper):
        raise ConfigError(f"{pair.__name__} carries the wrapper {wrapper.wrapper_name!r} already")
    if issubclass(wrapper, DNLLWrapper):
        return pair_of(pair.student, name, DualStudentDNLLWrapper)
    return pair_of(compose(pair.student, f"{name}_student", BASE, wrapper), name, DualStudentWrapper)


DualStudent = pair_of(Student, "dualstudent", DualStudentWrapper)
