"""``accelerate_views``."""

from __future__ import annotations

from pathlib import Path

import pytest
from stopped_run import train_stopped_and_resumed

from usb_negsamp import ConfigError
from usb_negsamp.host.datasets.on_device.loader import LoaderOnDevice
from usb_negsamp.host.patching import undone
from usb_negsamp.testing import build_tiny, parameters_of, train_tiny
from usb_negsamp.testing.subject import difference


@pytest.mark.parametrize("name", ["fixmatch_ns3l", "fixmatch_dnll", "crmatch", "remixmatch", "dash"])
def test_a_run_ends_as_with_the_host_s_views(name: str, tmp_path: Path) -> None:
    short = {"num_train_iter": 4, "num_eval_iter": 4}
    on_host, there = (
        parameters_of(train_tiny(name, tmp_path / where, accelerate_views=where, **short))
        for where in ("host", "device")
    )
    assert difference(on_host, there) is None


def test_a_stopped_run_resumes_bit_for_bit(tmp_path: Path) -> None:
    expected = parameters_of(train_tiny("fixmatch_ns3l", tmp_path / "whole"))
    again = train_stopped_and_resumed("fixmatch_ns3l", tmp_path / "again", 6, accelerate_views="device")
    assert difference(expected, parameters_of(again)) is None


def test_what_cannot_be_made_anywhere_is_refused_for_that(tmp_path: Path) -> None:
    keys = {"preprocessing": "gcn_zca", "augmentation": "oliver"}
    with pytest.raises(ConfigError, match="preprocessing: expected mean_std or minus_one_to_one"):
        build_tiny("fixmatch", tmp_path, accelerate_views="device", **keys)


def test_training_alone_is_concerned(tmp_path: Path) -> None:
    there = build_tiny("fixmatch", tmp_path, accelerate_views="device").loader_dict
    assert [isinstance(there[name], LoaderOnDevice) for name in ("train_lb", "train_ulb", "eval")] == [
        True,
        True,
        False,
    ]


def test_the_default_and_the_host_alone_make_views_on_the_host(tmp_path: Path) -> None:
    assert not isinstance(build_tiny("fixmatch", tmp_path).loader_dict["train_lb"], LoaderOnDevice)
    with undone("accelerate_views"):
        loaders = build_tiny("fixmatch", tmp_path, accelerate_views="device").loader_dict
    assert not isinstance(loaders["train_lb"], LoaderOnDevice)
