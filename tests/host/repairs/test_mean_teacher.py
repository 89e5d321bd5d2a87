"""Mean Teacher's consistency."""

from __future__ import annotations

import contextlib
from typing import Any

import pytest
import torch
from semilearn.algorithms.meanteacher.meanteacher import MeanTeacher
from semilearn.core.criterions import CELoss, ConsistencyLoss
from semilearn.core.utils import EMA, Bn_Controller

from usb_negsamp.host.patching import undone
from usb_negsamp.host.repairs import mean_teacher
from usb_negsamp.nets import small_cnn

LABELS = torch.tensor([0, 1, 2, 0])


def _step(train_step: Any = None) -> tuple[Any, dict[str, Any], dict[str, float]]:
    torch.manual_seed(0)
    algorithm: Any = object.__new__(MeanTeacher)
    algorithm.model = small_cnn(num_classes=3)
    algorithm.ema = EMA(algorithm.model, 0.9)
    algorithm.ema.register()
    with torch.no_grad():
        for parameter in algorithm.model.parameters():
            parameter.add_(0.05 * torch.randn_like(parameter))
    algorithm.amp_cm = contextlib.nullcontext
    algorithm.bn_controller = Bn_Controller()
    algorithm.ce_loss, algorithm.consistency_loss = CELoss(), ConsistencyLoss()
    algorithm.it, algorithm.num_train_iter, algorithm.lambda_u = 4, 10, 50.0
    algorithm.init(unsup_warm_up=0.8)
    images = torch.randn(3, 4, 3, 32, 32)
    step = train_step or MeanTeacher.train_step
    out, log = step(algorithm, images[0], LABELS, images[1], images[2])
    return algorithm, out, {name: float(value) for name, value in log.items()}


def _host_is_defective() -> bool:
    with undone("mean_teacher"):
        return mean_teacher.ignores_the_student(MeanTeacher.train_step)


def test_host_of_the_main_branch_trains_without_its_student() -> None:
    if not _host_is_defective():
        pytest.skip("this host's Mean Teacher is sound")
    with undone("mean_teacher"):
        _, out, _ = _step()
    assert not out["feat"]["x_ulb_s"].requires_grad


def test_student_learns_from_the_teacher() -> None:
    algorithm, out, log = _step()
    assert log["train/unsup_loss"] > 0
    assert out["feat"]["x_ulb_s"].requires_grad
    assert not out["feat"]["x_ulb_w"].requires_grad
    assert log["train/total_loss"] == pytest.approx(
        log["train/sup_loss"] + 50 * 0.5 * log["train/unsup_loss"], rel=1e-5
    )
    out["loss"].backward()
    assert all(parameter.grad is not None for parameter in algorithm.model.parameters())


def test_our_step_is_that_of_a_sound_host() -> None:
    ours, our_out, our_log = _step(mean_teacher.train_step)
    if _host_is_defective():
        pytest.skip("this host has no sound step to compare with")
    host, host_out, host_log = _step(MeanTeacher.train_step)
    assert our_log == pytest.approx(host_log)
    our_out["loss"].backward()
    host_out["loss"].backward()
    for one, other in zip(ours.model.parameters(), host.model.parameters(), strict=True):
        torch.testing.assert_close(one.grad, other.grad)
    for one, other in zip(ours.model.buffers(), host.model.buffers(), strict=True):
        assert torch.equal(one, other)


def test_an_exception_in_the_teacher_s_pass_gives_the_student_its_weights_back() -> None:
    algorithm, _, _ = _step(mean_teacher.train_step)
    before = [parameter.clone() for parameter in algorithm.model.parameters()]
    with pytest.raises(RuntimeError):
        mean_teacher.train_step(algorithm, torch.zeros(4, 3, 32, 32), LABELS, torch.zeros(4, 9, 32, 32), torch.zeros(1))
    for parameter, kept in zip(algorithm.model.parameters(), before, strict=True):
        assert torch.equal(parameter, kept)
    assert all(getattr(module, "track_running_stats", True) for module in algorithm.model.modules())
