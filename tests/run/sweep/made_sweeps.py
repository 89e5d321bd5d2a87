"""Plans of sweeps, and a launcher that finishes their runs at once."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from typing import Any

from sweep_request import sweep_request

from usb_negsamp.run.records.results import COLUMNS, put_row
from usb_negsamp.run.sweep import workers
from usb_negsamp.run.sweep.grid import make_plan
from usb_negsamp.run.sweep.plan import Plan, Run

WriteConfig = Callable[..., str]
GRID = ["--grid", "ns3l_threshold=0.01,0.02", "ns3l_weight=1,2", "--seeds", "2"]


def plan_of(write_config: WriteConfig, *words: str, **changes: Any) -> Plan:
    return make_plan(sweep_request(["--c", write_config(**changes), *words]))


class FakeHandle:
    def __init__(self, code: int | None) -> None:
        self.code = code
        self.signals: list[int] = []

    def poll(self) -> int | None:
        return self.code

    def stop(self, signum: int) -> None:
        self.signals.append(signum)
        self.code = 128 + signum


class FakeLauncher:
    """Finishes runs at once: the test error is 10% per unit of weight, plus the seed; weight 9 fails."""

    pause = 0.0

    def __init__(self, then: Callable[[], None] = lambda: None) -> None:
        self.started: list[tuple[str, tuple[str, ...]]] = []
        self.then = then

    def start(self, run: Run, extra: Sequence[str], slot: int) -> FakeHandle:
        self.started.append((run.name, tuple(extra)))
        run.directory.mkdir(parents=True, exist_ok=True)
        if run.point.get("ns3l_weight") == 9:
            (run.directory / workers.OUTPUT).write_text("Traceback\n  x\nusb-negsamp: error: out of\n patience\n\n")
            return FakeHandle(1)
        leave_run(run, "finished")
        self.then()
        return FakeHandle(0)


def leave_run(run: Run, exit_reason: str | None, checkpoint: bool = True, row: bool = True) -> None:
    """Leave what a run leaves."""
    run.directory.mkdir(parents=True, exist_ok=True)
    content = {"config": run.config, "exit_reason": exit_reason}
    (run.directory / "manifest.json").write_text(json.dumps(content))
    if checkpoint:
        (run.directory / "latest_model.pth").write_bytes(b"")
    if row and exit_reason == "finished":
        error = 0.1 * run.point.get("ns3l_weight", 1) + 0.01 * run.config["seed"]
        values: dict[str, Any] = {name: run.config.get(name) for name in COLUMNS}
        values.update(selection="best on validation", eval_best_acc=1 - error / 2, test_acc_at_best=1 - error)
        values.update(test_acc_last=0.5, seconds=2.5, start=run.name)
        put_row(run.directory / "results.csv", values)
