"""One step of an algorithm that trains two networks, for the tests of what couples them."""

import torch

from usb_negsamp.testing import build_tiny


def in_a_step(name, directory, **overrides):
    """An algorithm after the passes of one step of both networks, not yet coupled."""
    algorithm = build_tiny(name, directory, **overrides)
    algorithm.model.train()
    algorithm.epoch = 0
    algorithm.call_hook("before_run")
    algorithm.it = 0
    algorithm.call_hook("before_train_step")
    labeled, unlabeled = (next(iter(algorithm.loader_dict[f"train_{kind}"])) for kind in ("lb", "ulb"))
    algorithm.out_dict, algorithm.log_dict = algorithm.train_step(**algorithm.process_batch(**labeled, **unlabeled))
    peer = algorithm.peer
    peer.call_hook("before_train_step")
    peer.out_dict, peer.log_dict = peer.train_step(**peer.process_batch(**algorithm.batch_of_peer()))
    return algorithm


def same(first, second):
    """Whether two dictionaries of tensors are equal bit for bit."""
    return first.keys() == second.keys() and all(torch.equal(first[name], second[name]) for name in first)
