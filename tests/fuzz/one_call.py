"""One call of the command under the rule for every input: it is carried out, or refused in one line."""

from __future__ import annotations

import io
import os
import signal
import traceback
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from pathlib import Path
from types import FrameType

from usb_negsamp.run.cli.main import main

SECONDS = 120
"""What a call may take on a busy machine; one that takes longer hangs."""
MARK = "usb-negsamp: error: "


def number_of_examples(default: int) -> int:
    """``FUZZ_EXAMPLES`` of the environment, or what is quick enough for each run of the tests."""
    return int(os.environ.get("FUZZ_EXAMPLES", default))


class Hangs(BaseException):
    """Raised in a call that takes too long; no handler of the package may catch it."""


@contextmanager
def _alarm() -> Iterator[None]:
    def ring(signum: int, frame: FrameType | None) -> None:
        raise Hangs(f"no end after {SECONDS} seconds")

    before = signal.signal(signal.SIGALRM, ring)
    signal.setitimer(signal.ITIMER_REAL, SECONDS)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def contents(folder: Path) -> dict[str, bytes | None]:
    """Every path below ``folder``, with the bytes of files."""
    return {str(p.relative_to(folder)): p.read_bytes() if p.is_file() else None for p in folder.rglob("*")}


def broken_rule(words: list[str], folder: Path) -> tuple[bool, str]:
    """Call the command in ``folder``, the working directory.

    Returns:
        whether it was carried out, and how it breaks the rule; empty where it does not.
    """
    before = contents(folder)
    out, err = io.StringIO(), io.StringIO()
    code: object = None
    try:
        with _alarm(), redirect_stdout(out), redirect_stderr(err):
            code = main(words)
    except BaseException as error:
        if isinstance(error, KeyboardInterrupt):
            raise
        return False, "".join(traceback.format_exception(error))
    finally:
        os.chdir(folder)
    said = err.getvalue()
    if "Traceback" in said:
        return False, said
    if code == 0:
        return True, ""
    if code != 2:
        return False, f"exit code {code}: {said}"
    *notes, line = said.splitlines() or [""]
    if not line.startswith(MARK) or any(not note.startswith("usb-negsamp: ") or MARK in note for note in notes):
        return False, f"not one line: {said}"
    if len(line) > 1000:
        return False, f"a line of {len(line)} characters: {line}"
    after = contents(folder)
    if after != before:
        changed = sorted({*before} ^ {*after} | {name for name in before if after.get(name) != before[name]})
        return False, f"refused, but changed {changed}: {line}"
    return False, ""
