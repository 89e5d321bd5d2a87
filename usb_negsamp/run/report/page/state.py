"""How a run stands: finished, at work, stopped, or why it is no more."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from usb_negsamp.run.figures.spl_rounds import ROUND
from usb_negsamp.run.records.directory import is_occupied

Kind = Literal["finished", "running", "interrupted", "crashed", "killed"]


@dataclass(frozen=True)
class State:
    """How a run stands.

    Attributes:
        kind: in a word.
        sentence: why, or how far.
        iterations_done: how many iterations have left a trace.
    """

    kind: Kind
    sentence: str
    iterations_done: int


def state_of(folder: Path, manifest: Mapping[str, Any], metrics: Sequence[Mapping[str, Any]]) -> State:
    """How the run in ``folder`` stands, by its manifest, what it has logged, and whether a process is at work there.

    Args:
        folder: of the run.
        manifest: empty where it cannot be read.
        metrics: what :func:`usb_negsamp.run.records.metrics.read_metrics` returns.
    """
    reason = str(manifest.get("exit_reason") or "")
    done = _iterations_done(manifest, metrics)
    progress = _progress(done, manifest.get("config", {}).get("num_train_iter"))
    rounds = max((int(record[ROUND]) for record in metrics if record.get(ROUND) is not None), default=0)
    if rounds:
        progress += f" and {rounds} round{'s' if rounds > 1 else ''} of SPL"
    if is_occupied(folder):
        return State("running", f"The run is at work: {progress} so far.", done)
    if reason == "finished":
        return State("finished", f"The run has finished: {progress}.", done)
    if reason.startswith("error: "):
        return State("crashed", f"The run has failed, {progress}: {reason.removeprefix('error: ')}", done)
    if reason:
        return State("interrupted", f"The run was stopped, {progress}: {reason}.", done)
    return State(
        "killed",
        f"The run has not said how it ended, {progress}, and no process on this machine is at work in its folder: it "
        "was killed, or is at work elsewhere.",
        done,
    )


def _iterations_done(manifest: Mapping[str, Any], metrics: Sequence[Mapping[str, Any]]) -> int:
    # SPL's steps are counted on from the training's.
    logged = max((int(record["it"]) for record in metrics if ROUND not in record), default=0)
    ended = manifest.get("iterations_done")
    return max(logged, ended if isinstance(ended, int) else 0)


def _progress(done: int, asked: Any) -> str:
    if not isinstance(asked, int) or asked < 1:
        return f"{done} iterations"
    return f"{done} of {asked} iterations ({100 * done // asked}%)"
