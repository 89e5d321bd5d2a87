"""Runs of the host's networks, of its smallest vision transformer from weights of a file, and of one of timm's."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import semilearn.nets
import torch
from PIL import Image
from semilearn.nets.vit.vit import VisionTransformer

from usb_negsamp.nets.timm_net import TimmNet, timm_builder
from usb_negsamp.run.cli.main import main
from usb_negsamp.tensor_file import read_tensors

OF_HOST, OF_TIMM = "vit_tiny_patch2_32", "timm:vit_tiny_patch16_224"
KEYS: dict[str, Any] = {
    "dataset": "image_folder",
    "data_dir": "pictures",
    "num_classes": 2,
    "num_labels": 4,
    "img_size": 32,
    "batch_size": 1,
    "uratio": 1,
    "optim": "AdamW",
    "lr": 0.001,
    "num_train_iter": 1,
    "num_eval_iter": 1,
    "num_log_iter": 1,
    "num_warmup_iter": 0,
    "epoch": 1,
    "num_workers": 0,
    "device": "cpu",
    "save_dir": "runs",
    "save_name": "one",
    "curve": False,
}


@pytest.fixture
def run(work_dir: Path) -> Callable[..., int]:
    """Train on two classes of a few random pictures each."""
    random = np.random.default_rng(0)
    for part, number in {
        "train/cat": 3,
        "train/dog": 3,
        "val/cat": 2,
        "val/dog": 2,
        "test/cat": 1,
        "test/dog": 1,
    }.items():
        folder = work_dir / "pictures" / part
        folder.mkdir(parents=True)
        for index in range(number):
            Image.fromarray(random.integers(0, 256, (32, 32, 3), dtype=np.uint8)).save(folder / f"{index}.png")

    def train(**changes: Any) -> int:
        return main(
            ["train", *(word for key, value in {**KEYS, **changes}.items() for word in (f"--{key}", str(value)))]
        )

    return train


def write_weights(net: str, path: Path) -> dict[str, torch.Tensor]:
    """Write what a pretrained network of another number of classes would leave; returns its weights."""
    if net == OF_HOST:
        network = semilearn.nets.vit_tiny_patch2_32(num_classes=7)
        torch.save({"model": network.state_dict()}, path)
        return dict(network.state_dict())
    trunk = timm_builder(net.removeprefix("timm:"))(num_classes=7, img_size=32).trunk
    torch.save(trunk.state_dict(), path)
    return {f"trunk.{name}": value for name, value in trunk.state_dict().items()}


@pytest.mark.parametrize("net", ["wrn_28_8", "wrn_var_37_2", "resnet50"])
def test_a_convolutional_network_trains_with_ns3l(net: str, run: Callable[..., int], work_dir: Path) -> None:
    assert run(algorithm="fixmatch_ns3l", net=net, img_size=16, optim="SGD", lr=1e-6) == 0
    assert "train/ns3l_loss" in (work_dir / "runs" / "one" / "metrics.jsonl").read_text()


@pytest.mark.parametrize("net", [OF_HOST, OF_TIMM])
def test_fixmatch_with_ns3l_starts_from_a_file_and_its_first_blocks_learn_less(
    net: str, run: Callable[..., int], work_dir: Path
) -> None:
    weights = write_weights(net, work_dir / "weights.pth")
    keys = {"use_pretrain": True, "pretrain_path": "weights.pth", "layer_decay": 0.5, "weight_decay": 0.0}
    assert run(algorithm="fixmatch_ns3l", net=net, **keys) == 0
    folder = work_dir / "runs" / "one"
    assert "train/ns3l_loss" in json.loads((folder / "metrics.jsonl").read_text().splitlines()[-1])
    learned = read_tensors(folder / "latest_model.pth")["model"]
    # AdamW's first step moves an entry by its rate, whatever the gradient.
    moved = {
        number: max(
            float((learned[name] - value).abs().max())
            for name, value in weights.items()
            if f"blocks.{number}.mlp" in name
        )
        for number in (0, 1, 11)
    }
    assert 0 < moved[0] == pytest.approx(moved[1] / 2, rel=0.02)
    assert moved[0] == pytest.approx(moved[11] / 2**11, rel=0.2)


SHALLOW = {"img_size": 32, "embed_dim": 48, "depth": 2, "num_heads": 2}


def shallow_of_host(pretrained: bool = False, pretrained_path: str | None = None, **keys: Any) -> VisionTransformer:
    """A vision transformer of the host's, as its own builders make them."""
    return VisionTransformer(patch_size=8, **SHALLOW, **keys)


def shallow_of_timm(**keys: Any) -> TimmNet:
    """One of timm's, made small by timm's own keywords."""
    return timm_builder("vit_tiny_patch16_224")(**SHALLOW, **keys)


@pytest.mark.parametrize(
    ("builder", "trunk"), [(shallow_of_host, ""), (shallow_of_timm, "trunk.")], ids=["host", "timm"]
)
def test_spl_masks_attention_and_linear_layers(
    builder: Any, trunk: str, run: Callable[..., int], work_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(semilearn.nets, "shallow", builder, raising=False)
    keys = {"spl_mismatch": 0.5, "spl_rounds": 1, "spl_inner_steps": 1, "spl_outer_steps": 1}
    assert run(algorithm="pseudolabel_spl", net="shallow", **keys) == 0
    records = [json.loads(line) for line in (work_dir / "runs" / "one" / "metrics.jsonl").read_text().splitlines()]
    shown = {name.removeprefix("train/spl_kept_ratio/") for record in records for name in record}
    layers = ("attn.qkv", "attn.proj", "mlp.fc1", "mlp.fc2")
    assert {f"{trunk}blocks.{number}.{layer}" for number in range(2) for layer in layers} <= shown
    assert 0 < records[-1]["train/spl_kept_ratio"] < 1
