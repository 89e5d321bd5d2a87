"""What is left of a run of a sweep from earlier: whether it is done, goes on, or begins."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from usb_negsamp.errors import ConfigError
from usb_negsamp.run.records.directory import LATEST, MANIFEST, RESULTS, run_files
from usb_negsamp.run.records.manifest import difference, read_manifest
from usb_negsamp.run.records.results import read_rows
from usb_negsamp.run.sweep.plan import Run
from usb_negsamp.value_types import ALL, AUTO


def resume_arguments(run: Run, anew: bool = False) -> tuple[str, ...] | None:
    """Return what ``train`` needs beside the run's own words to bring it to its end, or None where it has finished.

    Args:
        run: the run.
        anew: begin again whatever is there.

    Raises:
        ConfigError: the run's folder holds one of another configuration, or files that are not a run's of ours.
    """
    if not run_files(run.directory):
        return ()
    if anew:
        return ("--overwrite",)
    manifest = read_manifest(run.directory / MANIFEST)
    has_checkpoint = (run.directory / LATEST).is_file()
    if not manifest:
        if has_checkpoint:
            raise ConfigError(
                f"{run.directory} holds a run without a manifest; give --overwrite, or choose another folder"
            )
        return ("--overwrite",)
    other = _difference(manifest, run)
    if other is not None:
        raise ConfigError(
            f"{run.directory} holds a run with {other}; choose another folder, or --overwrite to make all runs anew"
        )
    if is_finished(run):
        return None
    # A finished run whose row was lost cannot go on either: there are no iterations left.
    if has_checkpoint and manifest.get("exit_reason") != "finished":
        return ("--resume",)
    return ("--overwrite",)


def is_finished(run: Run) -> bool:
    """Return whether the run, with this configuration, has finished and left its row."""
    return last_row(run) is not None


def last_row(run: Run) -> dict[str, str] | None:
    """Return the results row of the run if it has finished with this configuration."""
    manifest = read_manifest(run.directory / MANIFEST)
    if manifest.get("exit_reason") != "finished" or _difference(manifest, run) is not None:
        return None
    path = run.directory / RESULTS
    rows = read_rows(path) if path.is_file() else []
    return rows[-1] if rows else None


def _difference(manifest: Mapping[str, Any], run: Run) -> str | None:
    # What is asked for in words, or all labels by none, a run counts when it has read the images.
    in_words = {"num_labels": (None, ALL), "validation_size": (AUTO,)}
    wanted = {key: value for key, value in run.config.items() if value not in in_words.get(key, ())}
    return difference(manifest.get("config", {}), wanted)


def failure(run: Run, code: int, output: str) -> str:
    """Return in one line why a run that ended with ``code`` has not finished.

    Args:
        run: the run.
        code: the exit code; negative for a signal that ended the process at once.
        output: the last line that it printed.
    """
    reason = str(read_manifest(run.directory / MANIFEST).get("exit_reason") or "")
    if reason.startswith("error: "):
        return reason.removeprefix("error: ")
    if code < 0:
        return f"ended by signal {-code}" + (" (out of memory?)" if code == -9 else "")
    return output or f"exit code {code}"
