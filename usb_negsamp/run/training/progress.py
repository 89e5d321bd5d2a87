"""Showing how far a run is: a bar on a terminal, a line every ``num_log_iter`` iterations elsewhere."""

from __future__ import annotations

import time
from typing import Any

from usb_negsamp.host import Hook
from usb_negsamp.host.algorithm import HostAlgorithm
from usb_negsamp.run.records.scalars import scalars
from usb_negsamp.run.training.console import Console

# What is shown of log_dict, in this order, under these short names.
SHOWN = {
    "train/sup_loss": "sup",
    "train/unsup_loss": "unsup",
    "train/ns3l_loss": "ns3l",
    "train/total_loss": "total",
}


class _Meter:
    """What the hook remembers; an object of its own, so that it is no part of a checkpoint's hook state."""

    def __init__(self) -> None:
        self.bar: Any = None
        self.last_time = self.start_time = time.monotonic()
        self.last_it = self.start_it = 0
        self.accuracy: float | None = None
        self.auroc: float | None = None


class ProgressHook(Hook):
    """Shows iterations, speed, time left, losses and the last evaluation."""

    def __init__(self, console: Console) -> None:
        self.console = console
        self.meter = _Meter()

    def before_run(self, algorithm: HostAlgorithm) -> None:
        """Start the clock and the bar."""
        self.meter = _Meter()
        self.meter.last_it = self.meter.start_it = algorithm.it
        self.meter.bar = self.console.bar(algorithm.num_train_iter, algorithm.it)

    def after_train_step(self, algorithm: HostAlgorithm) -> None:
        """Count the step; show numbers every ``num_log_iter`` iterations."""
        if not self.console.active:
            return
        meter = self.meter
        if meter.bar is not None:
            meter.bar.update(1)
        if "eval/top-1-acc" in algorithm.log_dict:
            meter.accuracy = float(algorithm.log_dict["eval/top-1-acc"])
            meter.auroc = algorithm.log_dict.get("eval/open/auroc")
        if not (self.every_n_iters(algorithm, algorithm.num_log_iter) or self.is_last_iter(algorithm)):
            return
        shown = self._shown(algorithm)
        if meter.bar is not None:
            meter.bar.set_postfix_str(shown)
            return
        self.console.line(self._line(algorithm.it + 1, algorithm.num_train_iter, shown))

    def after_run(self, algorithm: HostAlgorithm) -> None:
        """Take the bar away."""
        self.close()

    def close(self) -> None:
        """Leave the bar as it is and start a new line. May be called twice."""
        if self.meter.bar is not None:
            self.meter.bar.close()
            self.meter.bar = None

    def _shown(self, algorithm: HostAlgorithm) -> str:
        values = scalars({name: algorithm.log_dict[name] for name in SHOWN if name in algorithm.log_dict})
        parts = [f"{SHOWN[name]} {value:.4f}" for name, value in values.items()]
        if self.meter.accuracy is not None:
            parts.append(f"eval acc {100 * self.meter.accuracy:.2f}%")
        if self.meter.auroc is not None:
            parts.append(f"open auroc {self.meter.auroc:.3f}")
        return "  ".join(parts)

    def _line(self, done: int, total: int, shown: str) -> str:
        meter, now = self.meter, time.monotonic()
        speed = (done - meter.last_it) / max(now - meter.last_time, 1e-9)
        left = (total - done) * (now - meter.start_time) / max(done - meter.start_it, 1)
        meter.last_it, meter.last_time = done, now
        width = len(str(total))
        return f"{done:>{width}}/{total} {100 * done // total:>3}%  {speed:.1f} it/s  ETA {clock(left)}  {shown}"


def clock(seconds: float) -> str:
    """Return seconds as h:mm:ss.

    >>> clock(3725.4)
    '1:02:05'
    """
    whole = round(seconds)
    return f"{whole // 3600}:{whole // 60 % 60:02d}:{whole % 60:02d}"
