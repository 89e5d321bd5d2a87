"""Timing a step without stopping the GPU (V6, V7).

What is wrong: ``core/hooks/timer.py`` makes four CUDA events and ``core/hooks/param_update.py`` synchronizes the device
twice a step to read them. How it shows: no step on a machine without CUDA; on a GPU every step waits for the device,
so that data loading, launches and the averaging of weights never overlap with it. How it is mended: the timer keeps
its own events, does not hand them to the update hook (which then synchronizes nothing), and reads them only at the
iterations that are logged. The tags ``train/run_time``, ``train/prefetch_time`` (seconds) and ``lr`` stay. When it may
go: when the host reads its timers at log iterations only.
"""

from __future__ import annotations

import torch
from semilearn.core import hooks as host_hooks

from usb_negsamp.host.algorithm import HostAlgorithm
from usb_negsamp.host.patching import replace_everywhere


def apply() -> None:
    """Replace the host's ``TimerHook``."""

    class TimerHook(host_hooks.TimerHook):
        """Times loading and computing of the logged steps."""

        def before_run(self, algorithm: HostAlgorithm) -> None:
            events = (torch.cuda.Event(enable_timing=True) for _ in range(3))  # type: ignore[no-untyped-call]
            self.loaded, self.started, self.ended = events
            self.loaded.record()

        def before_train_step(self, algorithm: HostAlgorithm) -> None:
            self.started.record()

        def after_train_step(self, algorithm: HostAlgorithm) -> None:
            self.ended.record()
            algorithm.log_dict["lr"] = algorithm.optimizer.param_groups[-1]["lr"]
            if self.every_n_iters(algorithm, algorithm.num_log_iter):
                self.ended.synchronize()
                algorithm.log_dict["train/prefetch_time"] = self.loaded.elapsed_time(self.started) / 1000.0
                algorithm.log_dict["train/run_time"] = self.started.elapsed_time(self.ended) / 1000.0
            self.loaded.record()

    replace_everywhere(host_hooks.TimerHook, TimerHook)
