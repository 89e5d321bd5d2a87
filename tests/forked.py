"""Commands in processes of their own, as a user starts them, without the seconds of importing everything anew."""

from __future__ import annotations

import subprocess
import sys
import tempfile
from pathlib import Path

from usb_negsamp.run.forks import server as fork_server
from usb_negsamp.run.forks.server import COMMAND_LINE, ProcessLike

SECONDS = 300.0


class Started:
    """A process that was started, and what it has printed so far.

    Args:
        call: the function, as ``module:name``; where the module lies does not matter.
        words: its argument.
        folder: the working directory; None, this process's.
    """

    def __init__(self, call: str, words: list[str], folder: Path | None = None) -> None:
        self._prints = tempfile.TemporaryDirectory(prefix="printed_")
        self._output, self._errors = (Path(self._prints.name, name) for name in ("output.txt", "errors.txt"))
        self.process: ProcessLike
        if fork_server.is_possible():
            self.process = fork_server.shared_server(1).start(
                call, words, self._output, self._errors, directory=folder, path=[str(folder or Path.cwd()), *sys.path]
            )
            return
        module, _, name = call.partition(":")
        code = (
            f"import sys; sys.path[1:] = {sys.path}; from {module} import {name} as main; sys.exit(main(sys.argv[1:]))"
        )
        with self._output.open("wb") as output, self._errors.open("wb") as errors:
            self.process = subprocess.Popen(
                [sys.executable, "-c", code, *words],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=errors,
                cwd=folder,
            )

    @property
    def stdout(self) -> str:
        return self._output.read_text() if self._output.exists() else ""

    @property
    def stderr(self) -> str:
        return self._errors.read_text() if self._errors.exists() else ""

    def ended(self) -> subprocess.CompletedProcess[str]:
        """Wait for its end."""
        try:
            code = self.process.wait(SECONDS)
        except subprocess.TimeoutExpired:
            self.process.kill()
            raise
        return subprocess.CompletedProcess([], code, self.stdout, self.stderr)


def start(*words: object, folder: Path | None = None) -> Started:
    """Start ``usb-negsamp`` with these words."""
    return Started(COMMAND_LINE, [str(word) for word in words], folder)


def command(*words: object, folder: Path | None = None) -> subprocess.CompletedProcess[str]:
    """Run ``usb-negsamp`` with these words, to its end."""
    return start(*words, folder=folder).ended()
