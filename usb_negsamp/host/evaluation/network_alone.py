"""The network of an algorithm, built without any data."""

from __future__ import annotations

from typing import Any, cast

from torch import nn

from usb_negsamp.errors import ConfigError
from usb_negsamp.host import ALGORITHMS
from usb_negsamp.host.algorithm import HostAlgorithm
from usb_negsamp.host.build import net_builder_of


class _NetworkIsThere(BaseException):
    """Leaves the constructor of an algorithm where its network is built, and nothing that needs data is yet."""


def algorithm_of_network(args: Any) -> HostAlgorithm:
    """An algorithm of which there are the arguments and ``model`` alone, as it is before its first step.

    Its constructor is gone through as far as the host builds the network, so that heads, and whatever else an algorithm
    puts around a network, are there.

    Args:
        args: of the run. Weights of a pretrained network are not asked for.

    Raises:
        ConfigError: an unknown network, or a run with ``imb_algorithm``, whose network is changed by its data.
    """
    if args.imb_algorithm is not None:
        raise ConfigError(
            f"imb_algorithm: expected none for a network without its data, but the run has {args.imb_algorithm}"
        )
    base = ALGORITHMS[args.algorithm]
    alone: Any = type(base.__name__, (_Alone, base), {})
    unfinished = alone.__new__(alone)
    args.use_pretrain = False
    try:
        unfinished.__init__(args=args, net_builder=net_builder_of(args), tb_log=None, logger=None)
    except _NetworkIsThere:
        return cast("HostAlgorithm", unfinished)
    raise ConfigError(f"{args.algorithm}: expected an algorithm of the host's kind, which builds its network once")


class _Alone:
    """Goes before an algorithm: there is no data, and the constructor ends with the network."""

    model: nn.Module

    def set_dataset(self) -> None:
        """None."""

    def set_data_loader(self) -> None:
        """None."""

    def set_ema_model(self) -> nn.Module:
        """Leave: ``model`` is there."""
        raise _NetworkIsThere
