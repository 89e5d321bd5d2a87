"""What a run changes for the whole process: put back for whoever called it from Python."""

from __future__ import annotations

import os
import random
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import torch

from usb_negsamp.host import device


@contextmanager
def global_state_kept() -> Iterator[None]:
    """After the block generators, selected device, PyTorch's threads and the environment are as before.

    The repairs of the host stay: they are made once for a process, and change nothing that is not the host's.
    """
    on_gpu = torch.cuda.is_available() and torch.cuda.is_initialized()  # type: ignore[no-untyped-call]
    of_python, of_numpy, of_torch = random.getstate(), np.random.get_state(), torch.get_rng_state()
    of_gpus = torch.cuda.get_rng_state_all() if on_gpu else None
    environment, threads = dict(os.environ), torch.get_num_threads()
    try:
        with device.selection_kept():
            yield
    finally:
        random.setstate(of_python)
        np.random.set_state(of_numpy)
        torch.set_rng_state(of_torch)
        if of_gpus is not None:
            torch.cuda.set_rng_state_all(of_gpus)
        torch.set_num_threads(threads)
        for name in set(os.environ) - set(environment):
            del os.environ[name]
        os.environ.update(environment)
