"""Dual Student: two networks, of which the more stable one teaches the other, sample by sample."""

from __future__ import annotations

from typing import Any

from usb_negsamp.algorithms.dnll import DNLLWrapper
from usb_negsamp.algorithms.dualstudent.dnll import DualStudentDNLLWrapper
from usb_negsamp.algorithms.dualstudent.hook import DualStudentHook
from usb_negsamp.algorithms.dualstudent.pair import StudentPair
from usb_negsamp.algorithms.dualstudent.settings import PairSettings
from usb_negsamp.algorithms.dualstudent.student import Student
from usb_negsamp.errors import ConfigError
from usb_negsamp.host.wrapping.wrapper import Wrapper, compose

BASE = "supervised"
"""The host's data set makes no unlabeled view for this name: all are asked for by :class:`StudentPair`."""


class DualStudentWrapper(StudentPair):
    """Makes two of the student it wraps, and lets them teach each other. Its keys: :class:`PairSettings`."""

    wrapper_name = "dualstudent"
    paper = "Ke, Wang, Yan, Ren, Lau, ICCV 2019"
    settings_class = PairSettings
    peer_seed_key = "dualstudent_peer_seed"
    rule_key = "dualstudent_evaluate"

    def set_hooks(self) -> None:
        """Register Dual Student's hook ahead of the update of the weights, then the student's hooks."""
        hook = DualStudentHook(PairSettings.from_arguments(self.args))
        self.register_hook(hook, "DualStudentHook", "HIGHEST")
        super().set_hooks()


def pair_of(student: type[Any], name: str, wrapper: type[StudentPair]) -> type[Any]:
    """Return ``wrapper`` around ``student`` as a class named after ``name``."""
    pair = compose(student, name, BASE, wrapper)
    pair.student = student
    return pair


def add_wrapper(pair: type[Any], name: str, wrapper: type[Wrapper]) -> type[Any]:
    """Return the pair with one wrapper more, named after ``name``.

    DNLL couples the two students that are there. Any other wrapper goes around each of them.

    Raises:
        ConfigError: the pair carries the wrapper already.
    """
    if issubclass(pair, wrapper):
        raise ConfigError(f"{pair.__name__} carries the wrapper {wrapper.wrapper_name!r} already")
    if issubclass(wrapper, DNLLWrapper):
        return pair_of(pair.student, name, DualStudentDNLLWrapper)
    coupled_by = DualStudentDNLLWrapper if issubclass(pair, DualStudentDNLLWrapper) else DualStudentWrapper
    return pair_of(compose(pair.student, f"{name}_student", BASE, wrapper), name, coupled_by)


DualStudent = pair_of(Student, "dualstudent", DualStudentWrapper)
