"""Teachers under mixed precision."""

from __future__ import annotations

from contextlib import nullcontext
from pathlib import Path

import pytest
import torch
from semilearn.core.utils import misc
from torch import Tensor, nn
from torch.func import functional_call

from usb_negsamp.host.patching import undone
from usb_negsamp.testing import build_tiny


def _student_teacher_student(repaired: bool) -> tuple[list[Tensor], list[Tensor]]:
    """What three passes in one autocast block give, and what each gives in a block of its own."""
    torch.manual_seed(0)
    model = nn.Linear(4, 3)
    ema = misc.EMA(model, 0.9)
    ema.register()
    images = torch.randn(5, 4)

    def passes(amp_of_each: bool) -> list[Tensor]:
        outputs = []
        with torch.autocast("cpu"):
            for teacher in (False, True, False):
                if teacher:
                    ema.apply_shadow()
                if amp_of_each:
                    torch.clear_autocast_cache()
                with torch.set_grad_enabled(not teacher):
                    outputs.append(model(images))
                if teacher:
                    ema.restore()
        return outputs

    with torch.no_grad():
        model.weight.add_(1.0)
    with nullcontext() if repaired else undone("autocast_cache"):
        return passes(False), passes(True)


def test_the_teacher_computes_with_the_averaged_weights() -> None:
    in_one_block, apart = _student_teacher_student(repaired=True)
    for one, other in zip(in_one_block, apart, strict=True):
        assert torch.equal(one, other)
    assert not torch.equal(in_one_block[0], in_one_block[1])
    assert in_one_block[2].requires_grad


def test_without_the_repair_it_computes_with_the_students() -> None:
    in_one_block, apart = _student_teacher_student(repaired=False)
    assert torch.equal(in_one_block[1], in_one_block[0])
    assert (in_one_block[1] - apart[1]).abs().max() > 0.5


@pytest.mark.parametrize("name", ["meanteacher", "simmatch", "meanteacher_ns3l"])
def test_every_pass_of_a_step_in_bfloat16_computes_with_the_weights_of_its_time(name: str, tmp_path: Path) -> None:
    algorithm = build_tiny(name, tmp_path, amp=True)
    algorithm.call_hook("before_run")
    algorithm.epoch = 0
    passes: list[tuple[Tensor, Tensor, dict[str, Tensor]]] = []

    def record(model: nn.Module, inputs: tuple[Tensor], outputs: dict[str, Tensor]) -> None:
        weights = {key: parameter.detach().clone() for key, parameter in model.named_parameters()}
        passes.append((inputs[0], outputs["logits"].detach(), weights))

    for parameter in algorithm.model.parameters():
        parameter.data.add_(0.2 * torch.randn_like(parameter))
    with algorithm.model.register_forward_hook(record):
        batch = next(iter(zip(algorithm.loader_dict["train_lb"], algorithm.loader_dict["train_ulb"], strict=False)))
        algorithm.call_hook("before_train_step")
        algorithm.train_step(**algorithm.process_batch(**batch[0], **batch[1]))

    averaged = [
        not torch.equal(next(iter(weights.values())), next(algorithm.model.parameters())) for *_, weights in passes
    ]
    assert any(averaged)
    for images, logits, weights in passes:
        with torch.no_grad(), algorithm.amp_cm():
            expected = functional_call(algorithm.model, weights, (images,))["logits"]
        assert torch.equal(logits, expected)
