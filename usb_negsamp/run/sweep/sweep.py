"""``usb-negsamp sweep``: a grid of runs, some at a time, that can be stopped and goes on where it was."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from pathlib import Path

from usb_negsamp.errors import ConfigError
from usb_negsamp.run.configuration.processes import from_environment
from usb_negsamp.run.records.atomic_write import write_atomically
from usb_negsamp.run.records.directory import LOCK, RESULTS, alone
from usb_negsamp.run.records.place import check_files, check_folder
from usb_negsamp.run.report.measures import MEASURES
from usb_negsamp.run.sweep import workers
from usb_negsamp.run.sweep.grid import Plan, Request, Run, make_plan, parse
from usb_negsamp.run.sweep.mismatch_curve import PICTURE as CURVE_PICTURE
from usb_negsamp.run.sweep.mismatch_curve import TABLE, MismatchCurve, curve_of, draw_mismatch_curve, mismatch_table
from usb_negsamp.run.sweep.results import write_results
from usb_negsamp.run.sweep.run_state import failure, last_row, words_to_begin
from usb_negsamp.run.sweep.sensitivity import PICTURE, cells_of, draw_cells
from usb_negsamp.run.training.console import Console

USAGE = """\
usage: usb-negsamp sweep --c FILE --grid KEY=VALUE,VALUE ... [--seeds N] [--jobs N] [--key value ...]

Trains every combination of the grid's values, each with every seed, as `usb-negsamp train` would: one run each, in its
own folder below save_dir/SWEEP. All combinations are checked, as far as that goes
without the data, before the first run starts. The same command again goes
on: finished runs are kept, interrupted ones resumed, failed ones tried again.

  --grid KEY=A,B ... values to try, e.g. ns3l_threshold=0.01,0.02,0.04,0.08 ns3l_weight=0.3,1,3
  --algorithms A,B   the same as --grid algorithm=A,B
  --seeds N          seeds 0 to N-1, each setting seed and split_seed, but for one that is given as --seed or
                     --split_seed; default: the configuration's own
  --jobs N           runs at a time (default 1); they share the cores, and take the GPUs in turn
  --slurm NAME=VALUE,...  runs on a SLURM cluster, N in the queue at a time, e.g. partition=gpu,time=120,gpus_per_node=1
                     (needs submitit: pip install usb-negsamp[slurm]); time in minutes, or as SLURM writes it
  --save_name NAME   the sweep's folder in save_dir; default: the file's name and _sweep
  --overwrite        makes runs anew that are there already
  --key value        any key of train, for all runs

Leaves results.csv, one row for each finished run, and for one or two varied numbers sensitivity.png, the test error
over them. Where mismatch_ratio varies, mismatch_curve.png and mismatch_curve.md instead: the accuracy over the mismatch
for each algorithm, supervised training across it, the area under each line and its worst case. Ctrl-C stops all runs,
with checkpoints saved. Exit code: 0 all runs finished, 1 some failed, 2 the request cannot be carried out, 128 +
signal when interrupted.
"""


def sweep(words: Sequence[str]) -> int:
    """Run the sweep that the command line asks for; return the exit code.

    Raises:
        ConfigError: the request cannot be carried out.
    """
    request = parse(words)
    check_place(request)
    return work_off(make_plan(request), request)


def check_place(request: Request) -> None:
    """Refuse what cannot start runs, before the combinations are resolved, which takes seconds.

    Raises:
        ConfigError: this is one process of several, or the cluster cannot be asked.
    """
    if from_environment().distributed:
        raise ConfigError("sweep starts its processes itself: run it without torchrun")
    if request.slurm is not None:
        from usb_negsamp.run.sweep.slurm import check

        check(request.slurm)


def work_off(
    plan: Plan, request: Request, session: Callable[[Plan, int, workers.Launcher], Sweep] | None = None
) -> int:
    """Train what is left of ``plan`` and show the results; return the exit code.

    Args:
        plan: all runs.
        request: how many at a time, where, and whether to make them anew.
        session: makes the session; None, a :class:`Sweep`.

    Raises:
        ConfigError: a run's folder holds something else, or the plan's cannot be made.
    """
    check_folder(plan.directory, "sweep")
    check_files(plan.directory, (LOCK, RESULTS, PICTURE, CURVE_PICTURE, TABLE))
    todo = [(run, begin) for run in plan.runs if (begin := words_to_begin(run, anew=request.overwrite)) is not None]
    launcher = _launcher(request, plan)
    try:
        plan.directory.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ConfigError(f"{plan.directory} cannot be the sweep's folder: {error.strerror}") from error
    with alone(plan.directory, "sweep"):
        return (session or Sweep)(plan, request.jobs, launcher).execute(todo)


def _launcher(request: Request, plan: Plan) -> workers.Launcher:
    if request.slurm is None:
        return workers.LocalLauncher(request.jobs)
    from usb_negsamp.run.sweep.slurm import SlurmLauncher

    return SlurmLauncher(plan.directory / "slurm", request.slurm)


class Sweep:
    """One session of a sweep, from the first run to the summary."""

    def __init__(self, plan: Plan, jobs: int, launcher: workers.Launcher) -> None:
        self.plan, self.jobs, self.launcher = plan, jobs, launcher
        self.console = Console()
        self.failures: dict[str, str] = {}
        self.interrupted: list[str] = []
        self.finished = 0

    def execute(self, todo: Sequence[tuple[Run, Sequence[str]]]) -> int:
        """Run what is to do, and return the exit code."""
        from usb_negsamp.run.training.signals import watching

        self.total, self.began = len(todo), time.monotonic()
        self.printed = {run.name: workers.output_size(run.directory) for run, _ in todo}
        self._announce(todo)
        with watching() as flag:
            self.signum = lambda: flag.signum
            workers.work(todo, self.launcher, self.jobs, self._ended, self.signum, self._stopping)
            rows = write_results(self.plan)
            if flag.signum:
                left = len(self.plan.runs) - len(rows)
                self.console.line(
                    f"usb-negsamp: interrupted: {len(rows)} of {len(self.plan.runs)} runs have finished; "
                    f"the same command goes on with the other {left}"
                )
                return 128 + flag.signum
        self._summary(rows)
        return 1 if self.failures else 0

    def _announce(self, todo: Sequence[tuple[Run, Sequence[str]]]) -> None:
        resumed = sum("--resume" in begin for _, begin in todo)
        kept = len(self.plan.runs) - len(todo)
        parts = [f"{kept} finished before" if kept else "", f"{resumed} to be resumed" if resumed else ""]
        self.console.line(
            f"usb-negsamp: {_runs(len(self.plan.runs))}"
            + "".join(f", {part}" for part in parts if part)
            + f"; {self.jobs} at a time, into {self.plan.directory}"
        )

    def _ended(self, run: Run, code: int) -> None:
        from usb_negsamp.run.training.progress import clock

        row = last_row(run)
        if row is not None:
            self.finished += 1
            write_results(self.plan)
            shown = self._figure(row)
        elif self.signum():
            self.interrupted.append(run.name)
            shown = "stopped"
        else:
            reason = failure(run, code, workers.last_words(run.directory, self.printed[run.name]))
            self.failures[run.name] = " ".join(reason.split())
            shown = f"failed: {self.failures[run.name]}"
        done = self.finished + len(self.failures) + len(self.interrupted)
        left = (self.total - done) * (time.monotonic() - self.began) / done
        eta = f"  ETA {clock(left)}" if self.total > done and not self.signum() else ""
        self.console.line(f"{done:>{len(str(self.total))}}/{self.total}  {run.name}  {shown}{eta}")

    @staticmethod
    def _figure(row: dict[str, str]) -> str:
        from usb_negsamp.run.training.progress import clock

        measures = [measure for measure in MEASURES if measure.error(row) is not None]
        took = clock(float(row.get("seconds") or 0))
        if not measures:
            return f"finished  {took}"
        return f"test error {measures[0].error(row):.2f}% ({measures[0].rule})  {took}"

    def _stopping(self, running: int) -> None:
        if running:
            self.console.line(f"usb-negsamp: stopping {_runs(running)}, which save a checkpoint first")

    def _summary(self, rows: Sequence[tuple[Run, dict[str, str]]]) -> None:
        lines = [f"sweep of {_runs(len(self.plan.runs))}: {len(rows)} finished, {len(self.failures)} failed"]
        if rows:
            lines += self.figures(rows)
        lines += [f"  failed      {name}: {reason}" for name, reason in self.failures.items()]
        print("\n".join(line for line in lines if line), flush=True)

    def figures(self, rows: Sequence[tuple[Run, dict[str, str]]]) -> list[str]:
        """Write the picture that fits the grid, and return what the summary says of it and of the results."""
        results = f"  results     {self.plan.directory / RESULTS}"
        curve = curve_of(self.plan, rows)
        if curve is None:
            cells = cells_of(self.plan, rows)
            picture = self._picture(cells.why_no_picture(), PICTURE, lambda path: draw_cells(cells, path))
            return [*cells.lines(), results, picture]
        picture = self._picture(curve.why_no_picture(), CURVE_PICTURE, lambda path: draw_mismatch_curve(curve, path))
        return [*curve.summary(), results, self._table(curve), picture]

    def _table(self, curve: MismatchCurve) -> str:
        if curve.why_no_picture():
            return ""
        write_atomically(self.plan.directory / TABLE, mismatch_table(curve) + "\n")
        return f"  table       {self.plan.directory / TABLE}"

    def _picture(self, why_not: str, name: str, draw: Callable[[Path], None]) -> str:
        if why_not:
            return f"  no picture  {why_not}"
        path = self.plan.directory / name
        try:
            draw(path)
        except Exception as error:  # a picture must not cost a finished sweep its summary
            return f"  no picture  {type(error).__name__}: {error}"
        return f"  picture     {path}"


def _runs(number: int) -> str:
    return "1 run" if number == 1 else f"{number} runs"
