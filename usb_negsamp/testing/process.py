"""One of the processes that :mod:`usb_negsamp.testing.two_processes` starts: ``python -m ... REQUEST RANK``."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from usb_negsamp.run.training.determinism import determinism
from usb_negsamp.testing.registration import follow
from usb_negsamp.testing.subject import described, stages
from usb_negsamp.testing.tiny import build_from, parameters_of, tiny_arguments


def take_part(request: Path, rank: int) -> None:
    """Train as process ``rank``, and leave the parameters, or the reason why not, beside ``request``."""
    content = json.loads(request.read_text())
    try:
        parameters = train(content, request.parent, rank)
    except Exception as error:
        (request.parent / f"error{rank}.txt").write_text(described(error))
        raise
    torch.save(parameters, request.parent / f"parameters{rank}.pth")


def train(content: dict[str, Any], folder: Path, rank: int) -> dict[str, Tensor]:
    """Parameters after the run that ``content`` describes, named as those of a single process."""
    import usb_negsamp
    from usb_negsamp.host import ALGORITHMS

    torch.set_num_threads(1)
    name, world_size = content["name"], content["world_size"]
    usb_negsamp.register()
    if name not in ALGORITHMS and content["register"]:
        follow(content["register"])
        usb_negsamp.register()
    if name not in ALGORITHMS:
        raise LookupError(f"{name} is not registered there; check_algorithm(..., register='package.module:function')")
    args = tiny_arguments(name, folder / "runs", **content["overrides"])
    args.distributed = args.multiprocessing_distributed = True
    args.world_size, args.rank = world_size, rank
    store = f"file://{folder}/store"
    torch.distributed.init_process_group("gloo", init_method=store, rank=rank, world_size=world_size)
    try:
        with determinism(True, "cpu" if args.device == "cpu" else "cuda"):
            algorithm = build_from(args)
            stages(algorithm)
        torch.distributed.barrier()
    finally:
        torch.distributed.destroy_process_group()
    return {tensor_name.replace(".module.", ".", 1): tensor for tensor_name, tensor in parameters_of(algorithm).items()}


def main(words: Sequence[str]) -> int:
    """Take part as the command line says: REQUEST RANK."""
    request, rank = words
    take_part(Path(request), int(rank))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
