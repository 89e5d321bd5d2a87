"""The preset ``classic-cv``: the host's own files of its classic benchmark."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from usb_negsamp.errors import ConfigError
from usb_negsamp.run.configuration.checks import check
from usb_negsamp.run.configuration.presets.classic_cv import OF_ALGORITHM, classic_cv
from usb_negsamp.run.configuration.presets.request import Request
from usb_negsamp.run.configuration.processes import Process
from usb_negsamp.run.configuration.resolution import Sources, definitions_for, resolve
from usb_negsamp.yaml_file import read_yaml

# Where a run is and who sees it: no part of a protocol.
OF_THE_SESSION = {
    *("save_dir", "save_name", "resume", "load_path", "overwrite", "use_tensorboard", "use_wandb", "use_aim"),
    *("data_dir", "num_workers", "seed", "world_size", "rank", "multiprocessing_distributed", "dist_url"),
    *("dist_backend", "gpu", "net_from_name", "train_sampler"),
}


def of(algorithm: str, dataset: str, **user: Any) -> Any:
    """The resolved arguments where the user gives no more than that."""
    values = {"preset": "classic-cv", "algorithm": algorithm, "dataset": dataset, "device": "cpu", **user}
    return resolve(Sources(None, values, {})).args


@pytest.mark.parametrize(
    ("dataset", "expected"),
    [
        ("cifar10", {"num_classes": 10, "num_labels": 40, "net": "wrn_28_2", "weight_decay": 5e-4}),
        ("cifar100", {"num_classes": 100, "num_labels": 400, "net": "wrn_28_2", "weight_decay": 1e-3}),
        ("svhn", {"num_classes": 10, "num_labels": 40, "net": "wrn_28_2", "weight_decay": 5e-4}),
        ("stl10", {"num_classes": 10, "num_labels": 40, "net": "wrn_var_37_2", "img_size": 96}),
    ],
)
@pytest.mark.parametrize("base", ["fixmatch", "freematch"])
def test_the_values_of_the_classic_benchmark(base: str, dataset: str, expected: dict[str, Any]) -> None:
    args = of(f"{base}_ns3l", dataset)
    check(args, Process())
    assert {key: getattr(args, key) for key in expected} == expected
    assert (args.batch_size, args.uratio, args.num_train_iter, args.epoch) == (64, 7, 1_048_576, 1024)
    assert (args.optim, args.lr, args.momentum, args.ema_m, args.lr_schedule) == ("SGD", 0.03, 0.9, 0.999, "cosine")
    assert (args.validation_size, args.include_lb_to_ulb, args.num_eval_iter) == (0, True, 5120)
    assert (args.ns3l_threshold * args.num_classes, args.ns3l_weight) == (pytest.approx(0.4), 0.3)
    if base == "freematch":
        assert (args.ent_loss_ratio, args.clip_thresh) == (0.001, dataset == "svhn")


@pytest.mark.parametrize("algorithm", OF_ALGORITHM)
def test_every_key_of_an_algorithm_is_one_that_it_reads(algorithm: str) -> None:
    keys = set(OF_ALGORITHM[algorithm])
    assert keys <= definitions_for(algorithm).keys()
    assert keys <= classic_cv(Request(algorithm, frozenset(), "cifar10")).keys()


def test_an_algorithm_that_the_files_are_not_read_for_is_one_line() -> None:
    with pytest.raises(ConfigError, match=r"^algorithm: expected one of adamatch, .* classic-cv, .* but got simmatch$"):
        of("simmatch_ns3l", "cifar10")


@pytest.mark.skipif(not os.environ.get("USB_CHECKOUT"), reason="USB_CHECKOUT does not name a checkout of the host")
@pytest.mark.parametrize("algorithm", sorted(OF_ALGORITHM.keys() - {"ns3l", "dnll"}))
def test_the_preset_is_what_the_host_s_files_say(algorithm: str) -> None:
    paths = sorted((Path(os.environ["USB_CHECKOUT"]) / "config" / "classic_cv" / algorithm).glob("*_0.yaml"))
    assert paths
    # The files give keys, too, that the installed host reads nowhere: clip, and those of its git main alone.
    read = definitions_for(algorithm).keys() - OF_THE_SESSION
    for path in paths:
        of_host = {key: value for key, value in read_yaml(path).items() if key in read}
        args = of(algorithm, of_host["dataset"], num_labels=of_host["num_labels"])
        assert {key: getattr(args, key) for key in of_host} == of_host, path.name
