"""A network that begins anew in the midst of a run."""

from __future__ import annotations

from pathlib import Path

import torch

from usb_negsamp.host.wrapping.new_start import as_long_as, start_anew
from usb_negsamp.testing import parameters_of, train_tiny


def test_weights_average_and_momenta_are_those_of_a_new_run_in_the_same_tensors(tmp_path: Path) -> None:
    algorithm = train_tiny("supervised", tmp_path, num_train_iter=2, num_eval_iter=2, epoch=1, lr=0.1)
    trained, tensors = parameters_of(algorithm), [parameter.data_ptr() for parameter in algorithm.model.parameters()]
    random = torch.get_rng_state()
    start_anew(algorithm, 5)
    assert torch.equal(torch.get_rng_state(), random)
    assert [parameter.data_ptr() for parameter in algorithm.model.parameters()] == tensors
    begun = parameters_of(algorithm)
    for name, tensor in begun.items():
        if name.startswith("model."):
            assert torch.equal(tensor, begun[f"ema.{name[6:]}"])
    for name, average in algorithm.ema.shadow.items():
        assert torch.equal(average, dict(algorithm.model.named_parameters())[name])
    assert not torch.equal(begun["model.classifier.weight"], trained["model.classifier.weight"])
    assert float(begun["model.stage1.conv.bn.num_batches_tracked"]) == 0
    assert not algorithm.optimizer.state
    updated = {id(parameter) for group in algorithm.optimizer.param_groups for parameter in group["params"]}
    assert updated == {id(parameter) for parameter in algorithm.model.parameters()}
    start_anew(algorithm, 6)
    assert not torch.equal(parameters_of(algorithm)["model.classifier.weight"], begun["model.classifier.weight"])
    start_anew(algorithm, 5)
    assert all(torch.equal(tensor, begun[name]) for name, tensor in parameters_of(algorithm).items())


def test_a_schedule_is_made_for_the_length_that_is_said(tmp_path: Path) -> None:
    algorithm = train_tiny("supervised", tmp_path, num_train_iter=2, epoch=1, lr_schedule="cosine_to_zero", lr=1.0)
    with as_long_as(algorithm, 4):
        algorithm.optimizer, algorithm.scheduler = algorithm.set_optimizer()
    assert (algorithm.num_train_iter, algorithm.args.num_train_iter) == (2, 2)
    rates = []
    for _ in range(4):
        rates.append(round(algorithm.optimizer.param_groups[0]["lr"], 4))
        algorithm.optimizer.step()
        algorithm.scheduler.step()
    assert rates == [1.0, 0.8536, 0.5, 0.1464]
