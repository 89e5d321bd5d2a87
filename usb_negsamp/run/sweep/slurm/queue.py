"""What a cluster says of its jobs: ``squeue``, because ``sacct`` knows nothing where there is no accounting."""

from __future__ import annotations

import os
import subprocess
import time

GONE = "GONE"
"""The state of a job that the cluster does not know, or no longer: it forgets what ended minutes ago."""
COMPLETING = "COMPLETING"
"""The state of a job that is about to end, be it to be started again."""
ENDED = frozenset(
    {
        "BOOT_FAIL",
        "CANCELLED",
        "COMPLETED",
        "DEADLINE",
        "FAILED",
        "NODE_FAIL",
        "OUT_OF_MEMORY",
        "PREEMPTED",
        "REVOKED",
        "TIMEOUT",
        GONE,
    }
)
"""States of jobs that will not go on. One that the cluster starts again has another."""
_AGE = 10.0
_PATIENCE = 60.0


class Queue:
    """States of this user's jobs, all of them in one look, and no look oftener than the cluster likes.

    Args:
        age: seconds for which a look is good.
    """

    def __init__(self, age: float = _AGE) -> None:
        self.age = age
        self._states: dict[str, str] | None = None
        self._looked = float("-inf")

    def state(self, job: str) -> str | None:
        """Return the state of the job with this number, or None where the cluster does not answer."""
        if time.monotonic() - self._looked > self.age:
            self._states = _look()
            self._looked = time.monotonic()
        return None if self._states is None else self._states.get(job, GONE)

    def look_anew(self) -> None:
        """Look at the next question again: a job was submitted."""
        self._looked = float("-inf")


def _look() -> dict[str, str] | None:
    command = ["squeue", "--noheader", "--all", "--states=all", f"--user={os.getuid()}", "--format=%i %T"]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=_PATIENCE, check=True)
    except (OSError, subprocess.SubprocessError):
        return None
    return dict(line.split() for line in done.stdout.splitlines() if len(line.split()) == 2)
