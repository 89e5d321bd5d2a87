"""``amp_dtype``."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from stopped_run import train_stopped_and_resumed
from torch import nn

from usb_negsamp.errors import ConfigError
from usb_negsamp.host.evaluation.networks import predict
from usb_negsamp.testing import build_tiny, parameters_of, train_tiny

BFLOAT16 = {"amp": True, "amp_dtype": "bfloat16"}
FLOAT16 = {"amp": True, "amp_dtype": "float16"}
# On a CPU without kernels of its own for it float16 takes ten times as long.
FEW = {"num_train_iter": 4, "num_eval_iter": 4, "epoch": 1, "batch_size": 4, "uratio": 1}


def dtypes_of_passes(algorithm: Any) -> list[torch.dtype]:
    """What the network's passes of one training step return, in their order."""
    algorithm.call_hook("before_run")
    algorithm.epoch = 0
    found: list[torch.dtype] = []

    def record(model: nn.Module, inputs: tuple[Any, ...], outputs: dict[str, torch.Tensor]) -> None:
        found.append(outputs["logits"].dtype)

    with algorithm.model.register_forward_hook(record):
        labeled, unlabeled = (next(iter(algorithm.loader_dict[name])) for name in ("train_lb", "train_ulb"))
        algorithm.call_hook("before_train_step")
        algorithm.train_step(**algorithm.process_batch(**labeled, **unlabeled))
    return found


@pytest.mark.parametrize(("keys", "dtype"), [(BFLOAT16, torch.bfloat16), (FLOAT16, torch.float16)])
def test_the_passes_of_a_step_are_in_it_and_evaluations_are_not(
    keys: dict[str, Any], dtype: torch.dtype, tmp_path: Path
) -> None:
    algorithm = build_tiny("fixmatch_ns3l", tmp_path, **keys)
    assert dtypes_of_passes(algorithm) == [dtype]
    assert all(parameter.dtype == torch.float32 for parameter in algorithm.model.parameters())
    with (
        torch.no_grad(),
        algorithm.model.register_forward_hook(lambda module, inputs, output: _assert_single(output["logits"])),
    ):
        predict(algorithm, "eval")


def _assert_single(logits: torch.Tensor) -> None:
    assert logits.dtype == torch.float32


def test_the_probe_for_the_adversary_stays_in_float32(tmp_path: Path) -> None:
    """In half precision its step of 1e-2 is lost in rounding. Labeled, unlabeled, probe, perturbed."""
    passes = dtypes_of_passes(build_tiny("vat_ns3l", tmp_path, **BFLOAT16))
    assert passes == [torch.bfloat16, torch.bfloat16, torch.float32, torch.bfloat16]


def test_only_float16_has_its_loss_scaled(tmp_path: Path) -> None:
    assert not build_tiny("fixmatch", tmp_path, **BFLOAT16).loss_scaler.is_enabled()
    scaler = build_tiny("fixmatch", tmp_path, **FLOAT16).loss_scaler
    assert scaler.is_enabled()
    assert scaler.get_scale() > 1


def test_without_the_key_the_device_chooses_as_before(tmp_path: Path) -> None:
    kept, named = (
        parameters_of(train_tiny("fixmatch_ns3l", tmp_path / str(len(keys)), **keys))
        for keys in ({"amp": True}, BFLOAT16)
    )
    assert all(torch.equal(kept[key], tensor) for key, tensor in named.items())


def test_a_weight_of_0_is_the_plain_algorithm_bit_for_bit(tmp_path: Path) -> None:
    plain = parameters_of(train_tiny("fixmatch", tmp_path / "plain", **BFLOAT16))
    wrapped = parameters_of(train_tiny("fixmatch_ns3l", tmp_path / "wrapped", ns3l_weight=0.0, **BFLOAT16))
    assert all(torch.equal(plain[key], tensor) for key, tensor in wrapped.items())


@pytest.mark.parametrize("name", ["meanteacher_ns3l", "vat_ns3l_dnll", "dualstudent"])
def test_every_weight_is_trained_and_finite(name: str, tmp_path: Path) -> None:
    before = parameters_of(build_tiny(name, tmp_path / "before", **BFLOAT16))
    after = parameters_of(train_tiny(name, tmp_path / "after", **BFLOAT16))
    assert all(bool(torch.isfinite(tensor).all()) and tensor.dtype != torch.bfloat16 for tensor in after.values())
    trained = [key for key in after if key.startswith("model.") and key.endswith("weight")]
    assert all(not torch.equal(before[key], after[key]) for key in trained)


@pytest.mark.parametrize(
    ("name", "keys"),
    [("fixmatch_ns3l", BFLOAT16), ("vat_dnll", BFLOAT16), ("fixmatch", {**FLOAT16, **FEW})],
    ids=["ns3l-bfloat16", "dnll-bfloat16", "float16"],
)
def test_a_stopped_run_resumes_bit_for_bit(name: str, keys: dict[str, Any], tmp_path: Path) -> None:
    expected = train_tiny(name, tmp_path / "whole", **keys)
    again = train_stopped_and_resumed(name, tmp_path / "again", 3, **keys)
    assert again.loss_scaler.state_dict() == expected.loss_scaler.state_dict()
    found = parameters_of(again)
    assert all(torch.equal(found[key], tensor) for key, tensor in parameters_of(expected).items())


def test_another_name_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="unknown amp_dtype 'half'"):
        build_tiny("fixmatch", tmp_path, amp=True, amp_dtype="half")
