"""From a namespace of arguments to an algorithm that is ready to train."""

from __future__ import annotations

from typing import Any

from semilearn import algorithms, imb_algorithms
from semilearn.core.utils import build, misc


def build_algorithm(args: Any, logger: Any = None, tb_log: Any = None) -> Any:
    """Build network, data, optimizer and hooks, and send the networks to the selected device.

    Raises:
        ConfigError: an unknown algorithm, network or data set; data that are not there or do not fit.
    """
    net_builder = build.get_net_builder(args.net, args.net_from_name)
    get = algorithms.get_algorithm if args.imb_algorithm is None else imb_algorithms.get_imb_algorithm
    algorithm = get(args, net_builder, tb_log, logger)
    algorithm.model = misc.send_model_cuda(args, algorithm.model, clip_batch=False)
    algorithm.ema_model = misc.send_model_cuda(args, algorithm.ema_model, clip_batch=False)
    return algorithm
