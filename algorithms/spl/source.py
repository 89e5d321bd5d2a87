"""The run that ``spl_from`` names: what its algorithm carried from step to step, where this run can go on with it."""

from __future__ import annotations

import json
import os
from typing import Any

from usb_negsamp.host.checkpoints.file import read_checkpoint
from usb_negsamp.host.checkpoints.fit import unlike_own_entries
from usb_negsamp.host.checkpoints.form import own_entries
from usb_negsamp.host.wrapping.after_training import CHECKPOINTS
from usb_negsamp.host.wrapping.carried_state import hooks_in, of_another_run

MANIFEST = "manifest.json"


def carried_by_source(
    source: str, algorithm: str, split_seed: int, present: dict[str, Any]
) -> tuple[dict[str, Any] | None, str]:
    """What the run at ``source`` left beside its weights, and why nothing of it can be used.

    Of a folder that is what the end of the training left, whichever weights the stage starts from, as within a run.

    Args:
        source: a run's folder, or a checkpoint of ours or of the host.
        algorithm: the name of the present one, as registered.
        split_seed: of the present run's split: banks and labels of single images are good for one split.
        present: the present run's checkpoint.

    Returns:
        What :meth:`usb_negsamp.host.wrapping.carried_state.CarryingWrapper.carry_on_with` takes, or None with the
        reason in words, which is empty for an algorithm that carries nothing.
    """
    own = own_entries(present)
    if not own and not any(hooks_in(of_another_run(present, present)).values()):
        return None, ""
    folder = source if os.path.isdir(source) else os.path.dirname(source)
    last = os.path.join(folder, CHECKPOINTS["last"])
    if os.path.isdir(source) and not os.path.isfile(last):
        return None, f"{last} is not there"
    saved = read_checkpoint(last if os.path.isdir(source) else source)
    manifest = _manifest_of(folder)
    there = manifest.get("config", {}).get("algorithm")
    if there is not None and not _same_base(str(there), algorithm):
        return None, f"it was trained by {there}"
    if there is None and set(own_entries(saved)) - {"spl"} != set(own):
        return None, "its checkpoint has other entries"
    if there is not None and manifest.get("split_seed") not in (None, split_seed):
        return None, f"its split_seed was {manifest['split_seed']}"
    reason = unlike_own_entries(present, saved)
    if reason:
        return None, reason
    wanted = {name: entry for name, entry in saved.items() if name in own or name in ("loss_scaler", "run_state")}
    return of_another_run(wanted, present), ""


def _same_base(there: str, here: str) -> bool:
    """Whether two registered names are of one algorithm, or of one with and without wrappers.

    >>> _same_base("flexmatch", "flexmatch_ns3l_spl"), _same_base("flexmatch_spl", "freematch_spl")
    (True, False)
    """
    first, second = (name.removesuffix("_spl") for name in (there, here))
    return first == second or first.startswith(f"{second}_") or second.startswith(f"{first}_")


def _manifest_of(folder: str) -> dict[str, Any]:
    """The manifest beside a checkpoint; empty where there is none that can be read."""
    try:
        with open(os.path.join(folder, MANIFEST), encoding="utf-8") as file:
            content = json.load(file)
    except (OSError, ValueError):
        return {}
    return content if isinstance(content, dict) else {}
