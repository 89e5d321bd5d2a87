"""One process of a run with SPL, for the test of several."""

import logging
from pathlib import Path
from typing import Any

import torch

import usb_negsamp


def main(words: list[str]) -> None:
    """Train as the words FOLDER RANK WORLD_SIZE say, and leave the parameters in FOLDER."""
    folder, rank, world_size = Path(words[0]), int(words[1]), int(words[2])
    from usb_negsamp.host import device
    from usb_negsamp.host.build import build_algorithm
    from usb_negsamp.host.wrapping.among_processes import network_of
    from usb_negsamp.testing import seed_everything, tiny_arguments

    torch.set_num_threads(1)
    usb_negsamp.register()
    args = tiny_arguments(
        "pseudolabel_spl", folder / str(world_size), spl_mismatch=0.5, spl_rounds=2, spl_inner_steps=3,
        spl_outer_steps=2, spl_inner_lr=3.0, spl_patience=0, num_train_iter=4, num_eval_iter=2,
    )  # fmt: skip
    if world_size > 1:
        torch.distributed.init_process_group(
            "gloo", init_method=f"file://{folder}/store", rank=rank, world_size=world_size
        )
        args.distributed = args.multiprocessing_distributed = True
        args.world_size, args.rank = world_size, rank
        args.batch_size //= world_size
    device.select(args.device)
    seed_everything(args.seed)
    algorithm: Any
    algorithm, _ = build_algorithm(args, logging.getLogger("spl_process"))
    algorithm.train()
    algorithm.finetune()
    state = dict(algorithm.stage.best["state"])
    state.update({f"folded.{name}": tensor for name, tensor in network_of(algorithm.model).state_dict().items()})
    torch.save(state, folder / f"{world_size}_{rank}.pth")
    if world_size > 1:
        torch.distributed.barrier()
        torch.distributed.destroy_process_group()
