"""The configuration keys that are ours, and the keys of the host's files that nothing reads.

The host's own keys come from the host (:mod:`usb_negsamp.host.arguments`), those of an algorithm from its
``get_argument()``. This table is what the resolution validates against and what the README's table is made from.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Key:
    """One configuration key of ours."""

    name: str
    type: type
    default: Any
    meaning: str
    unit: str = ""
    symbol: str = ""
    choices: tuple[str, ...] = ()


OWN_ARGUMENTS: tuple[Key, ...] = (
    Key(
        "device",
        str,
        "auto",
        "where to train: auto takes a GPU if there is one",
        choices=("auto", "cpu", "cuda"),
    ),
    Key("split_seed", int, None, "seed of the labeled/unlabeled/validation split; none: the value of seed"),
    Key(
        "validation_size",
        int,
        0,
        "training images held out to choose the best model by, where the source has no validation part (digits, "
        "image_folder); 0: none, the test images choose it, as everywhere in the host",
        "images",
    ),
    Key("horizontal_flip", bool, None, "mirror images in the augmentation; none: the source's own choice"),
    Key(
        "bn_batches",
        int,
        0,
        "batches that re-estimate the batch-norm statistics before each evaluation; 0: as the host, never",
        "batches",
    ),
    Key("curve", bool, True, "draw curve.png at the end of the run"),
    Key(
        "deterministic",
        bool,
        None,
        "same numbers from the same seed on the same machine; none: true on CPU, where it costs nothing, and false on "
        "a GPU, where cuDNN then picks the fastest kernels",
    ),
)

# Values that our launcher chooses itself, so that the host's defaults for them do not apply.
DEFAULTS: dict[str, Any] = {"save_name": None, "overwrite": False, "resume": False}

RUN_STATE_KEYS: dict[str, str] = {
    "resume": "give --resume on the command line",
    "overwrite": "give --overwrite on the command line",
    "load_path": "give --resume --load_path on the command line",
}

LAUNCHER_KEYS: dict[str, str] = {
    "world_size": "torchrun sets it",
    "rank": "torchrun sets it",
    "dist_url": "torchrun sets it",
    "dist_backend": "nccl on a GPU, gloo elsewhere",
    "multiprocessing_distributed": "torchrun starts several processes",
}

INERT_HOST_KEYS: dict[str, str] = {
    "clip": "did you mean clip_grad?",
    "simis_la": "no part of the host reads it",
    "dist_align_target": "no part of the host reads it",
    "use_epass": "only the host's git main reads it",
    "use_refix": "no part of the host reads it",
}


def own_key(name: str) -> Key | None:
    """Return our key of that name, if there is one."""
    return next((key for key in OWN_ARGUMENTS if key.name == name), None)


def markdown_table(keys: Iterable[Key] = OWN_ARGUMENTS) -> str:
    """Return the keys as a table for the README.

    >>> print(markdown_table([Key("curve", bool, True, "draw it")]))
    | key | default | unit | paper | meaning |
    |-|-|-|-|-|
    | `curve` | true |  |  | draw it |
    """
    lines = ["| key | default | unit | paper | meaning |", "|-|-|-|-|-|"]
    for key in keys:
        default = {None: "none", True: "true", False: "false"}.get(key.default, key.default)
        meaning = f"{key.meaning} ({', '.join(key.choices)})" if key.choices else key.meaning
        lines.append(f"| `{key.name}` | {default} | {key.unit} | {key.symbol} | {meaning} |")
    return "\n".join(lines)
