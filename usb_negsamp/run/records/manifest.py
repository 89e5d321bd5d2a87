"""manifest.json: what a run was asked, with what it ran, and how it ended.

Written when the run starts and again, atomically, when it ends, so that a killed run has one too, without an end.
"""

from __future__ import annotations

import json
import time
from collections.abc import Collection, Mapping, Sequence
from datetime import datetime, timezone
from pathlib import Path
from typing import TYPE_CHECKING, Any

from usb_negsamp.atomic_write import write_atomically
from usb_negsamp.errors import ConfigError
from usb_negsamp.key import Affects
from usb_negsamp.run.configuration.keys import affects_of, of_earlier_version
from usb_negsamp.run.records import versions
from usb_negsamp.run.records.directory import MANIFEST

if TYPE_CHECKING:
    from usb_negsamp.host.datasets.built_data import BuiltData

_SESSION_KEYS = ("start", "end", "wall_seconds", "exit_reason", "iterations_done", "argv")


def read_manifest(path: Path) -> dict[str, Any]:
    """Return the manifest in ``path``, or an empty mapping where there is none.

    Raises:
        ConfigError: it cannot be read.
    """
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (FileNotFoundError, NotADirectoryError):
        return {}
    except (OSError, ValueError) as error:
        reason = " ".join(f"{type(error).__name__}: {error}".split())
        raise ConfigError(
            f"{path} is damaged: expected what a run was asked, but it cannot be read ({reason})"
        ) from error
    if not isinstance(content, dict) or not isinstance(content.get("config"), dict):
        raise ConfigError(f"{path} is damaged: expected what a run was asked, but it holds no configuration")
    return content


def config_of(run: Path) -> dict[str, Any]:
    """The configuration of the run in the folder ``run``, as it is spelled today.

    Raises:
        ConfigError: the folder holds no run.
    """
    config = read_manifest(run / MANIFEST).get("config")
    if not isinstance(config, dict):
        raise ConfigError(f"{run} holds no run: expected its {MANIFEST} with a configuration")
    return of_earlier_version(config)


def difference(
    there: Mapping[str, Any],
    wanted: Mapping[str, Any],
    affecting: Collection[Affects] = ("result", "start", "length"),
    but: Collection[str] = (),
) -> str | None:
    """Return the first key that two configurations have with different values, as ``lr 0.1 (now 0.3)``.

    Args:
        there: as a manifest has it, also one of an earlier version.
        wanted: as it is resolved.
        affecting: the kinds of keys that are compared, by what another value of them changes.
        but: keys of these kinds that may differ.
    """
    there = of_earlier_version(there)
    plain = json.loads(json.dumps(dict(wanted), default=str))
    for key in sorted((set(there) & set(plain)) - set(but)):
        if there[key] != plain[key] and affects_of(key) in affecting:
            return f"{key} {there[key]} (now {plain[key]})"
    return None


class Manifest:
    """The manifest of the session that begins now; sessions that a resumed run had before are kept in it."""

    def __init__(
        self,
        path: Path,
        *,
        config: Mapping[str, Any],
        argv: Sequence[str],
        data: BuiltData,
        device: Any,
        world_size: int,
        resumed_from: Path | None = None,
    ) -> None:
        """Collect what is known at the start, and write nothing.

        Args:
            path: manifest.json of the run.
            config: the resolved configuration.
            argv: the command line, without the program.
            data: the digests of the images and the split, and its figures.
            device: where the run computes.
            world_size: number of processes.
            resumed_from: the checkpoint the session starts from, if any.
        """
        self.path = path
        self._began = time.monotonic()
        earlier = _sessions(read_manifest(path)) if resumed_from is not None else []
        split_seed = config.get("split_seed")
        self.content: dict[str, Any] = {
            "config": dict(config),
            "argv": list(argv),
            "seed": config.get("seed"),
            "split_seed": config.get("seed") if split_seed is None else split_seed,
            "versions": versions.versions(),
            "package": versions.own_commit(),
            "host": versions.host_identity(),
            "data_digest": data.data_digest,
            "split_digest": data.split_digest,
            "split": data.figures,
            "device": versions.device_name(device),
            "world_size": world_size,
            "resumed_from": None if resumed_from is None else str(resumed_from),
            "earlier_sessions": earlier,
            "start": _now(),
            "end": None,
            "wall_seconds": None,
            "exit_reason": None,
            "iterations_done": None,
        }

    @property
    def total_seconds(self) -> float:
        """Wall-clock seconds of this session until now and of the earlier ones that ended."""
        before = sum(session.get("wall_seconds") or 0.0 for session in self.content["earlier_sessions"])
        return before + time.monotonic() - self._began

    def write(self) -> None:
        """Write the manifest as it is."""
        write_atomically(self.path, json.dumps(self.content, indent=2, default=str) + "\n")

    def close(self, exit_reason: str, iterations_done: int) -> None:
        """Record the end of the session, without writing it."""
        self.content.update(
            end=_now(),
            wall_seconds=round(time.monotonic() - self._began, 3),
            exit_reason=exit_reason,
            iterations_done=iterations_done,
        )


def _sessions(manifest: Mapping[str, Any]) -> list[dict[str, Any]]:
    if not manifest:
        return []
    return [*manifest.get("earlier_sessions", []), {key: manifest.get(key) for key in _SESSION_KEYS}]


def _now() -> str:
    return datetime.now(timezone.utc).isoformat(timespec="seconds")
