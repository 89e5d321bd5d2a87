"""From a namespace of arguments to an algorithm that is ready to train."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple

import torch
from semilearn import algorithms, imb_algorithms
from semilearn.core.utils import build, misc
from torch import nn
from torch.utils.data import DataLoader, default_collate

from usb_negsamp.errors import ConfigError
from usb_negsamp.host.algorithm import HostAlgorithm
from usb_negsamp.host.datasets.built_data import BuiltData, built_data_of
from usb_negsamp.host.datasets.texts_and_sounds.pretrained import check_pretrained, naming_what_is_absent
from usb_negsamp.host.randomness import keyed_randomness
from usb_negsamp.host.transfer import on_device

_OUT_OF_MEMORY = ("can't allocate memory", "out of memory", "not enough memory")
SIZED = ("timm:", "torchvision:")
"""Beginnings of names of networks whose builders take ``img_size``, and pass it on where a network is of one size."""


class Built(NamedTuple):
    """An algorithm that is ready to train, and what its run records of the data."""

    algorithm: HostAlgorithm
    data: BuiltData


def build_algorithm(args: Any, logger: Any = None, tb_log: Any = None) -> Built:
    """Build network, data, optimizer and hooks, and send the networks to the selected device.

    Raises:
        ConfigError: an unknown algorithm, network or data set; data that are not there or do not fit; what is asked for
            is larger than the memory.
    """
    check_pretrained(args.net)
    with _lack_of_memory_named(args):
        net_builder = naming_what_is_absent(args.net, net_builder_of(args))
        get = algorithms.get_algorithm if args.imb_algorithm is None else imb_algorithms.get_imb_algorithm
        algorithm = get(args, net_builder, tb_log, logger)
        algorithm.model = misc.send_model_cuda(args, algorithm.model, clip_batch=False)
        algorithm.ema_model = misc.send_model_cuda(args, algorithm.ema_model, clip_batch=False)
    return Built(algorithm, built_data_of(algorithm))


def net_builder_of(args: Any) -> Callable[..., nn.Module]:
    """The builder of the network that ``args`` name, for images of their size.

    Raises:
        ConfigError: an unknown network.
    """
    builder: Callable[..., nn.Module] = build.get_net_builder(args.net, args.net_from_name)
    if args.net.startswith(SIZED) or args.net_from_name:
        return functools.partial(builder, img_size=args.img_size)
    return builder


@contextmanager
def _lack_of_memory_named(args: Any) -> Iterator[None]:
    try:
        yield
    except (MemoryError, RuntimeError) as error:
        # PyTorch has a class of errors for a GPU's memory alone.
        reason = " ".join(str(error).split())
        if isinstance(error, RuntimeError) and not any(words in reason for words in _OUT_OF_MEMORY):
            raise
        raise ConfigError(
            f"{args.algorithm} with net {args.net}: expected what fits into the memory of this machine, but building "
            f"it asks for more ({reason[-120:]})"
        ) from error


@torch.no_grad()
def check_network(algorithm: HostAlgorithm) -> None:
    """Show the network one sample of the run's, before anything is written; it and all generators are as before.

    Raises:
        ConfigError: the network does not take such a sample.
    """
    with keyed_randomness(0):
        sample = _one_sample(algorithm)
    was_training = algorithm.model.training
    algorithm.model.eval()
    try:
        with keyed_randomness(0):
            algorithm.model(on_device(sample, next(algorithm.model.parameters()).device))
    except ConfigError:
        raise
    except Exception as error:
        reason = " ".join(str(error).split())[:200]
        raise ConfigError(f"net {algorithm.args.net} does not take {_in_words(sample)}: {reason}") from error
    finally:
        algorithm.model.train(was_training)


def _one_sample(algorithm: HostAlgorithm) -> Any:
    """The first sample of the evaluation, as a batch of one."""
    dataset = algorithm.dataset_dict["eval"]
    loader = algorithm.loader_dict.get("eval")
    # An algorithm may have loaders of its own.
    collate = loader.collate_fn if isinstance(loader, DataLoader) else default_collate
    return collate([dataset[0]])["x_lb"]


def _in_words(sample: Any) -> str:
    """What a batch of one sample is to a user.

    >>> _in_words(torch.zeros(1, 3, 32, 32)), _in_words({"input_ids": torch.zeros(1, 7)}), _in_words(torch.zeros(1, 9))
    ('images of 3 x 32 x 32', 'texts of 7 tokens', 'sounds of 9 values')
    """
    if isinstance(sample, dict):
        return f"texts of {next(iter(sample.values())).shape[1]} tokens"
    shape = sample.shape[1:]
    return f"images of {' x '.join(map(str, shape))}" if len(shape) == 3 else f"sounds of {shape[0]} values"
