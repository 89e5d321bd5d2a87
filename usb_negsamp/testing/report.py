"""What a conformance check found."""

from __future__ import annotations

from dataclasses import dataclass, field

PASSED, FAILED, SKIPPED = "passed", "failed", "skipped"


class Skipped(Exception):
    """Raised by a check that has nothing to check; its text says why."""


class Broken(AssertionError):
    """Raised by a check that an algorithm fails: what was expected, what came, and where to look."""


@dataclass(frozen=True)
class Outcome:
    """One check: its name, ``passed``, ``failed`` or ``skipped``, and why it failed or was skipped."""

    check: str
    status: str
    reason: str = ""

    def __str__(self) -> str:
        return f"{self.status:<7} {self.check}" + (f": {self.reason}" if self.reason else "")


@dataclass
class Report:
    """The outcomes of all checks of one algorithm, in order. Printed, one line each.

    >>> print(Report("ownmatch", [Outcome("output", "passed"), Outcome("weight_zero", "skipped", "no base")]))
    ownmatch: 1 passed, 1 skipped
      passed  output
      skipped weight_zero: no base
    """

    algorithm: str
    outcomes: list[Outcome] = field(default_factory=list)

    @property
    def failures(self) -> list[Outcome]:
        """The checks that failed."""
        return [outcome for outcome in self.outcomes if outcome.status == FAILED]

    def __getitem__(self, check: str) -> Outcome:
        """The outcome of ``check``.

        Raises:
            KeyError: it was not among those asked for.
        """
        for outcome in self.outcomes:
            if outcome.check == check:
                return outcome
        raise KeyError(check)

    def __str__(self) -> str:
        counts = {status: sum(o.status == status for o in self.outcomes) for status in (PASSED, FAILED, SKIPPED)}
        shown = ", ".join(f"{count} {status}" for status, count in counts.items() if count)
        return "\n".join([f"{self.algorithm}: {shown}", *(f"  {outcome}" for outcome in self.outcomes)])


class ConformanceError(AssertionError):
    """An algorithm fails one or more checks. Its text is the report, its attribute ``report`` the object."""

    def __init__(self, report: Report) -> None:
        super().__init__(str(report))
        self.report = report
