"""Within ``bare_host`` the host is as it comes, but for what it needs to start; after it, all is mended again."""

from __future__ import annotations

import inspect
from typing import Any

import numpy as np
import pytest
from semilearn.core import AlgorithmBase
from semilearn.core import hooks as host_hooks
from semilearn.core.utils import build, misc

import usb_negsamp
from usb_negsamp.data.sources.image_source import ImageArrays, ImageSource
from usb_negsamp.errors import ConfigError
from usb_negsamp.host import device, patching
from usb_negsamp.host.bare_host import NEEDED_TO_START, bare_host, build_bare_algorithm
from usb_negsamp.testing import seed_everything, tiny_arguments


def source(num_classes: int = 10, test: bool = True) -> ImageSource:
    images = np.random.default_rng(0).integers(0, 256, (200, 16, 16, 3), dtype=np.uint8)
    arrays = ImageArrays(images, np.arange(200) % num_classes)
    statistics = (0.5, 0.5, 0.5)
    names = tuple(map(str, range(num_classes)))
    return ImageSource("pictures", names, arrays, None, None, arrays if test else None, statistics, statistics, True)


def of_the_host(value: Any) -> bool:
    # A function that wraps another one says that it is of the other's module.
    module = value.__module__ if inspect.isclass(value) else value.__globals__["__name__"]
    return str(module).startswith("semilearn.")


def test_what_a_step_a_batch_and_an_evaluation_do_is_the_hosts_own() -> None:
    usb_negsamp.register()
    names = {"evaluate": AlgorithmBase, "process_batch": AlgorithmBase, "set_hooks": AlgorithmBase}
    mended = {name: getattr(owner, name) for name, owner in names.items()}
    assert not any(map(of_the_host, (*mended.values(), build.get_data_loader, misc.EMA, host_hooks.TimerHook)))
    with bare_host():
        own = [getattr(owner, name) for name, owner in names.items()]
        assert all(map(of_the_host, (*own, build.get_data_loader, misc.EMA, host_hooks.TimerHook)))
    assert {name: getattr(owner, name) for name, owner in names.items()} == mended


def test_what_stays_is_applied_and_is_not_overwritten_by_what_is_taken_back() -> None:
    usb_negsamp.register()
    assert set(NEEDED_TO_START) <= set(patching.applied())
    with bare_host():
        assert not of_the_host(misc.send_model_cuda)


def test_the_bare_host_trains_on_the_images_of_a_source(tmp_path: Any) -> None:
    args = tiny_arguments("fixmatch", tmp_path, num_labels=40, num_train_iter=10**4, epoch=1)
    device.select("cpu")
    seed_everything(0)
    with bare_host():
        algorithm = build_bare_algorithm(args, source())
        assert len(algorithm.dataset_dict["train_ulb"]) == len(algorithm.dataset_dict["eval"]) == 200
        assert len(algorithm.dataset_dict["train_lb"]) == 40
        algorithm.epoch = 0
        algorithm.call_hook("before_run")
        before = [parameter.clone() for parameter in algorithm.model.parameters()]
        batch = [next(iter(algorithm.loader_dict[name])) for name in ("train_lb", "train_ulb")]
        assert tuple(batch[1]["x_ulb_s"].shape) == (16, 3, 16, 16)
        algorithm.out_dict, algorithm.log_dict = algorithm.train_step(**algorithm.process_batch(**batch[0], **batch[1]))
        algorithm.call_hook("after_train_step")
    assert any(not (a == b).all() for a, b in zip(before, algorithm.model.parameters(), strict=True))


@pytest.mark.parametrize("refused", [source(num_classes=20), source(test=False)], ids=["20 classes", "no test images"])
def test_a_data_set_that_the_loader_cannot_carry_is_refused(refused: ImageSource, tmp_path: Any) -> None:
    args = tiny_arguments("fixmatch", tmp_path)
    with bare_host(), pytest.raises(ConfigError, match="at most 10 classes with test images"):
        build_bare_algorithm(args, refused)
