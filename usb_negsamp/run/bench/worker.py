"""A process that holds one variant, and does what it is told through a pipe.

Each variant has a process of its own, so that what one changes in the host or in the allocator is not there for the
others; one works at a time.
"""

from __future__ import annotations

import contextlib
import io
import multiprocessing
import signal
import tempfile
import time
import traceback
import warnings
from collections.abc import Sequence
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from usb_negsamp.errors import ConfigError
from usb_negsamp.run.bench.cases import Variant

_SECONDS_TO_END = 5.0


class Worker:
    """The parent's end.

    Args:
        variant: what to build.
        random_images: number of training images of the data set ``random_images``; None where it is not used.
        clock: name of the clock.
    """

    def __init__(self, variant: Variant, random_images: int | None, clock: str) -> None:
        context = multiprocessing.get_context("spawn")
        usual = multiprocessing.get_start_method()
        self.variant = variant
        self._pipe, theirs = context.Pipe()
        self._process = context.Process(target=_serve, args=(theirs, usual, variant, random_images, clock))
        self._process.start()
        theirs.close()

    def ask(self, method: str, *arguments: Any) -> Any:
        """Have a method called there, and return what it returns.

        Raises:
            ConfigError: the variant cannot be built; or it failed, with its traceback.
        """
        self._pipe.send((method, arguments))
        return self.answer()

    def answer(self) -> Any:
        """Wait for the next answer; the first one comes by itself, once the variant is built."""
        try:
            succeeded, answer = self._pipe.recv()
        except EOFError:
            self._process.join()
            raise ConfigError(
                f"{self.variant.name}: its process ended with exit code {self._process.exitcode}"
            ) from None
        if not succeeded:
            raise ConfigError(f"{self.variant.name}: {answer}")
        return answer

    def dismiss(self) -> None:
        """Have the process end once it is done with what it was asked for."""
        with contextlib.suppress(OSError):
            self._pipe.send(None)

    def wait(self, seconds: float) -> None:
        """Wait for the end of the process, which is killed after so many seconds."""
        self._process.join(timeout=max(0.0, seconds))
        if self._process.is_alive():
            self._process.kill()
            self._process.join()


def end_all(workers: Sequence[Worker]) -> None:
    """End the processes of all ``workers`` within seconds, whatever they are at."""
    for worker in workers:
        worker.dismiss()
    deadline = time.monotonic() + _SECONDS_TO_END
    for worker in workers:
        worker.wait(deadline - time.monotonic())


def _serve(pipe: Connection, usual: str, variant: Variant, random_images: int | None, clock_name: str) -> None:
    # A spawned process would spawn its loaders' workers, too.
    multiprocessing.set_start_method(usual, force=True)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # a keyboard's comes to all; the parent ends the others
    warnings.simplefilter("ignore")  # the host's, of what is to change in its libraries
    # What the host prints of its data sets is not wanted between the lines of a table.
    with tempfile.TemporaryDirectory() as folder, contextlib.redirect_stdout(io.StringIO()):
        try:
            subject, clock = _build(variant, random_images, clock_name, Path(folder))
            pipe.send((True, subject.circumstances()))
            while (request := pipe.recv()) is not None:
                method, arguments = request
                if method.startswith("seconds"):
                    arguments = (*arguments, clock)
                pipe.send((True, getattr(subject, method)(*arguments)))
        except ConfigError as error:
            pipe.send((False, str(error)))
        except Exception:
            pipe.send((False, traceback.format_exc()))


def _build(variant: Variant, random_images: int | None, clock_name: str, folder: Path) -> tuple[Any, Any]:
    import usb_negsamp

    usb_negsamp.register()

    from usb_negsamp.run.bench.random_images import offer_random_images
    from usb_negsamp.run.bench.stopwatch import clock
    from usb_negsamp.run.bench.subject import Subject

    if random_images is not None:
        offer_random_images(random_images)
    return Subject(variant, folder), clock(clock_name)
