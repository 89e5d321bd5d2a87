"""The network that a run asks for, and what is larger than the memory."""

from __future__ import annotations

from argparse import Namespace
from pathlib import Path
from typing import Any

import pytest
import semilearn.nets
import torch
from semilearn import algorithms

import usb_negsamp
from usb_negsamp import ConfigError
from usb_negsamp.host.build import build_algorithm, net_builder_of
from usb_negsamp.testing import tiny_arguments

usb_negsamp.register()

CPU = "[enforce fail at alloc_cpu.cpp:127] DefaultCPUAllocator: can't allocate memory: you tried to allocate 10995116"
GPU = "CUDA out of memory. Tried to allocate 1024.00 GiB."


def build_raising(error: Exception, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def get(*args: Any) -> None:
        raise error

    args = tiny_arguments("simmatch", folder)
    monkeypatch.setattr(algorithms, "get_algorithm", get)
    build_algorithm(args)


@pytest.mark.parametrize("error", [RuntimeError(CPU), RuntimeError(GPU), MemoryError()])
def test_a_lack_of_memory_is_one_line(error: Exception, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ConfigError, match="simmatch with net small_cnn: expected what fits into the memory") as caught:
        build_raising(error, tmp_path, monkeypatch)
    assert len(str(caught.value)) < 300


def test_other_errors_are_what_they_are(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(RuntimeError, match="shapes differ"):
        build_raising(RuntimeError("shapes differ"), tmp_path, monkeypatch)


def asked_for(net: str, img_size: int, from_name: bool = False) -> Namespace:
    return Namespace(net=net, net_from_name=from_name, img_size=img_size)


@pytest.mark.parametrize("img_size", [32, 48])
def test_a_transformer_of_timm_is_one_for_the_images_of_the_run(img_size: int) -> None:
    net = net_builder_of(asked_for("timm:vit_tiny_patch16_224", img_size))(num_classes=3)
    assert net.get_parameter("trunk.pos_embed").shape[1] == 1 + (img_size // 16) ** 2
    assert net(torch.zeros(1, 3, img_size, img_size))["logits"].shape == (1, 3)


@pytest.mark.parametrize(("net", "from_name"), [("timm:resnet10t", False), ("resnet18", True)])
def test_a_network_for_images_of_any_size_stays_one(net: str, from_name: bool) -> None:
    built = net_builder_of(asked_for(net, 32, from_name))(num_classes=3)
    assert built(torch.zeros(2, 3, 40, 40))["logits"].shape == (2, 3)


def test_the_host_s_own_networks_have_the_size_of_their_name() -> None:
    assert net_builder_of(asked_for("vit_tiny_patch2_32", 64)) is semilearn.nets.vit_tiny_patch2_32


def test_an_unknown_network_is_one_line() -> None:
    with pytest.raises(ConfigError, match=r"^unknown timm model 'vit_tiny_patch16_225'; did you mean"):
        net_builder_of(asked_for("timm:vit_tiny_patch16_225", 32))
