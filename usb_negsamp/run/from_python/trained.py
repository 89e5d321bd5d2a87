"""Training from Python: the request, checks and run of the command, and the run that it leaves."""

from __future__ import annotations

import os
import signal
from collections.abc import Mapping
from typing import Any

from usb_negsamp.run.configuration.command_line import from_python, words_of
from usb_negsamp.run.configuration.processes import from_environment
from usb_negsamp.run.from_python.run import Run
from usb_negsamp.run.training.train import resolve_request


def train(config: str | os.PathLike[str] | Mapping[str, Any] | None = None, **keys: Any) -> Run:
    """Train as ``usb-negsamp train`` does, and return the run.

    Generators, the selected device and the environment of the process are as before afterwards. Ctrl-C ends the run
    after the present step, with a checkpoint saved, and is raised again; in another thread than the main one signals
    are left alone.

    Args:
        config: the path of a file, the name of a configuration of the package, or a dictionary of keys; None for none.
        keys: of a configuration, which win over ``config``; also ``overwrite=True``, and ``resume=RUN``, the folder of
            a run to go on with, without ``config``.

    Returns:
        the run in save_dir/save_name.

    Raises:
        ConfigError: the request cannot be carried out; nothing was written.
        KeyboardInterrupt: SIGINT ended the run; ``train(resume=RUN)`` goes on from there.
        SystemExit: SIGTERM did.
    """
    process = from_environment()
    request = from_python(config, keys)
    resolved = resolve_request(request)

    from usb_negsamp.run.finished_runs.global_state import global_state_kept
    from usb_negsamp.run.records.directory import run_directory
    from usb_negsamp.run.training.run import carry_out

    directory = run_directory(resolved.args)
    with global_state_kept():
        code = carry_out(resolved, words_of(request), process)
    if code == 128 + signal.SIGINT:
        raise KeyboardInterrupt
    if code:
        raise SystemExit(code)
    return Run(directory)
