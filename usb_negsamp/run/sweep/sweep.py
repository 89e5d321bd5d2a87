"""``usb-negsamp sweep``: a grid of runs, some at a time, that can be stopped and goes on where it was."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from pathlib import Path

from usb_negsamp.atomic_write import remove_leftovers, write_atomically
from usb_negsamp.errors import ConfigError
from usb_negsamp.run.configuration.processes import from_environment
from usb_negsamp.run.records.directory import LOCK, RESULTS, exclusive
from usb_negsamp.run.records.place import check_files, check_folder
from usb_negsamp.run.report.measures import MEASURES
from usb_negsamp.run.sweep import workers
from usb_negsamp.run.sweep.grid import Request, make_plan
from usb_negsamp.run.sweep.mismatch_curve import PICTURE as CURVE_PICTURE
from usb_negsamp.run.sweep.mismatch_curve import MismatchCurve, curve_of, draw_mismatch_curve
from usb_negsamp.run.sweep.mismatch_table import TABLE, mismatch_table
from usb_negsamp.run.sweep.plan import Plan, Run
from usb_negsamp.run.sweep.results import SweepResults
from usb_negsamp.run.sweep.run_state import failure, resume_arguments
from usb_negsamp.run.sweep.same_runs import what_is_not_repeated
from usb_negsamp.run.sweep.sensitivity import PICTURE, cells_of, draw_cells
from usb_negsamp.run.training.console import Console
from usb_negsamp.run.training.signals import catch_signals


def sweep(request: Request) -> int:
    """Run the sweep that is asked for; return the exit code.

    Raises:
        ConfigError: the request cannot be carried out.
    """
    check_place(request)
    return run_plan(make_plan(request), request)


def check_place(request: Request) -> None:
    """Refuse what cannot start runs, before the combinations are resolved, which takes seconds.

    Raises:
        ConfigError: this is one process of several, or the cluster cannot be asked.
    """
    if from_environment().distributed:
        raise ConfigError("sweep starts its processes itself: run it without torchrun")
    if request.slurm is not None:
        from usb_negsamp.run.sweep.slurm.launcher import check

        check(request.slurm)


def run_plan(
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
    todo = [(run, begin) for run in plan.runs if (begin := resume_arguments(run, anew=request.overwrite)) is not None]
    launcher = _launcher(request, plan)
    try:
        plan.directory.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ConfigError(f"{plan.directory} cannot be the sweep's folder: {error.strerror}") from error
    with exclusive(plan.directory, "sweep"):
        remove_leftovers(plan.directory)
        return (session or Sweep)(plan, request.jobs, launcher).execute(todo)


def _launcher(request: Request, plan: Plan) -> workers.Launcher:
    if request.slurm is None:
        return workers.LocalLauncher(request.jobs)
    from usb_negsamp.run.sweep.slurm.launcher import SlurmLauncher

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
        self.total, self.began = len(todo), time.monotonic()
        self.results = SweepResults(self.plan)
        self.printed = {run.name: workers.output_size(run.directory) for run, _ in todo}
        self._announce(todo)
        with catch_signals() as flag:
            self.signum: Callable[[], int] = lambda: flag.signum
            workers.work(todo, self.launcher, self.jobs, self._ended, self.signum, self._stopping)
            self.results.write()
            rows = self.results.finished
            if flag.signum:
                left = len(self.plan.runs) - len(rows)
                self.console.line(
                    f"usb-negsamp: interrupted: {len(rows)} of {len(self.plan.runs)} runs have finished; "
                    f"the same command goes on with the other {left}"
                )
                return 128 + flag.signum
        self._summary(len(rows))
        return 1 if self.failures else 0

    def _announce(self, todo: Sequence[tuple[Run, Sequence[str]]]) -> None:
        resumed = sum("--resume" in begin for _, begin in todo)
        kept = len(self.plan.runs) - len(todo)
        parts = [f"{kept} finished before" if kept else "", f"{resumed} to be resumed" if resumed else ""]
        self.console.line(
            f"usb-negsamp: {_runs(len(self.plan.runs))}"
            + "".join(f", {part}" for part in parts if part)
            + f"; {self.jobs} at a time, into {self.plan.directory}"
            + self._expected(len(todo))
        )
        for line in what_is_not_repeated(self.plan.runs):
            self.console.line(f"usb-negsamp: {line}")

    def _expected(self, todo: int) -> str:
        """What the runs that have finished before say of the time that is left; empty where none has."""
        from usb_negsamp.run.training.progress import clock

        took = [float(row["seconds"]) for _, row in self.results.finished if row.get("seconds")]
        if not took or not todo:
            return ""
        each = sum(took) / len(took)
        return f"; about {clock(each * todo / self.jobs)} left, {clock(each)} a run"

    def _ended(self, run: Run, code: int) -> None:
        from usb_negsamp.run.training.progress import clock

        row = self.results.take(run)
        if row is not None:
            self.finished += 1
            shown = self._figure(row)
        elif self.signum():
            self.interrupted.append(run.name)
            shown = "stopped"
        else:
            reason = failure(run, code, workers.last_words(run.directory, self.printed[run.name]))
            self.failures[run.name] = " ".join(reason.split())
            shown = f"failed: {self.failures[run.name]}"
        done = self.finished + len(self.failures) + len(self.interrupted)
        each = (time.monotonic() - self.began) / done
        left = self.total - done
        eta = f"  ETA {clock(left * each)}, a run in {clock(each)}" if left and not self.signum() else ""
        everything = len(self.plan.runs)
        self.console.line(f"{everything - left:>{len(str(everything))}}/{everything}  {run.name}  {shown}{eta}")

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

    def _summary(self, finished: int) -> None:
        lines = [f"sweep of {_runs(len(self.plan.runs))}: {finished} finished, {len(self.failures)} failed"]
        if finished:
            lines += self.figures(self.results.cells)
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
