"""Curriculum Labeling in runs: what a round trains on, by whom it is scored, and where a run goes on."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import usb_negsamp
from usb_negsamp import ConfigError
from usb_negsamp.functional import mixed_cross_entropy
from usb_negsamp.host import Hook
from usb_negsamp.host.checkpoints.resume import resume
from usb_negsamp.testing import build_tiny, check_algorithm, parameters_of, train_tiny

usb_negsamp.register()

SIX = {"cl_rounds": 5, "num_train_iter": 8, "num_eval_iter": 4, "epoch": 1}
"""Six rounds in eight steps: 1, 2, 1, 1, 2 and 1."""


class Observer(Hook):
    """Calls a function after each step, when it was evaluated and saved."""

    settings_only = True

    def __init__(self, act: Any) -> None:
        self.act = act

    def after_train_step(self, algorithm: Any) -> None:
        self.act(algorithm)


def observed(algorithm: Any, act: Any) -> Any:
    algorithm.register_hook(Observer(act), "Observer", "NORMAL")
    return algorithm


def same(first: dict[str, torch.Tensor], second: dict[str, torch.Tensor]) -> bool:
    return first.keys() == second.keys() and all(torch.equal(first[name], second[name]) for name in first)


def test_a_run_of_eight_steps_passes_through_all_six_rounds(tmp_path: Path) -> None:
    seen: list[tuple[int, float, bool]] = []

    def look(algorithm: Any) -> None:
        figures = algorithm.log_dict
        seen.append((int(figures["train/cl_round"]), figures["train/cl_selected"], "eval/top-1-acc" in figures))

    algorithm = observed(build_tiny("cl", tmp_path, **SIX), look)
    algorithm.train()
    assert [number for number, _, _ in seen] == [0, 1, 1, 2, 3, 4, 4, 5]
    # Each round takes its fifth more, and ends with an evaluation.
    assert [share for _, share, _ in seen] == pytest.approx([0, 0.2, 0.2, 0.4, 0.6, 0.8, 0.8, 1.0], abs=0.005)
    assert [evaluated for _, _, evaluated in seen] == [True, False, True, True, True, False, True, True]
    assert algorithm.it == 8
    assert algorithm.results_dict["eval/best_acc"] == algorithm.best_eval_acc


def test_a_round_begins_with_a_network_of_its_own_and_labels_of_the_best_model_before(tmp_path: Path) -> None:
    algorithm = build_tiny("cl", tmp_path, cl_rounds=1, num_train_iter=6, num_eval_iter=1, epoch=1, lr=0.5, ema_m=0.5)
    models: list[dict[str, torch.Tensor]] = []
    accuracies: list[float] = []

    def look(algorithm: Any) -> None:
        if algorithm.it < 3:
            models.append({name: tensor.clone() for name, tensor in algorithm.ema_model.state_dict().items()})
            accuracies.append(algorithm.log_dict["eval/top-1-acc"])

    observed(algorithm, look)
    begin = algorithm.begin_round
    begun: dict[str, Any] = {}

    def begin_round(number: int) -> None:
        begin(number)
        begun["parameters"] = parameters_of(algorithm)
        begun["momenta"] = len(algorithm.optimizer.state)
        begun["rate"] = algorithm.optimizer.param_groups[0]["lr"]

    algorithm.begin_round = begin_round
    start = parameters_of(algorithm)
    algorithm.train()
    # Later ones win among equals.
    best = max(range(3), key=lambda number: (accuracies[number], number))
    network = algorithm.set_model()
    network.load_state_dict(models[best])
    network.eval()
    pool, transform = algorithm.dataset_dict["train_ulb"], algorithm.dataset_dict["eval"].transform
    with torch.no_grad():
        probs = torch.stack(
            [network(transform(pool.data[row])[None])["logits"].softmax(1)[0] for row in range(len(pool))]
        )
    assert torch.equal(algorithm.curriculum.pseudo_labels, probs.argmax(1))
    # Weights, average and momenta as at the start of a run, but with another draw.
    parameters = begun["parameters"]
    live = {name: tensor for name, tensor in parameters.items() if name.startswith("model.")}
    assert all(torch.equal(tensor, parameters[f"ema.{name[6:]}"]) for name, tensor in live.items())
    assert not any(torch.equal(tensor, start[name]) for name, tensor in live.items() if name.endswith("conv.weight"))
    assert not torch.equal(live["model.classifier.weight"], start["model.classifier.weight"])
    assert (begun["momenta"], begun["rate"]) == (0, 0.5)


def test_a_round_trains_on_all_labels_and_on_its_pseudo_labels(tmp_path: Path) -> None:
    algorithm = build_tiny("cl", tmp_path, cl_rounds=2, num_train_iter=9, epoch=1)
    algorithm.train()
    data, trained_on = algorithm.dataset_dict, algorithm.loader_dict["train_lb"].dataset.dataset
    labeled, unlabeled = data["train_lb"], data["train_ulb"]
    assert len(labeled) == 40, "the data set itself stays as it is"
    assert np.array_equal(trained_on.data, np.concatenate([labeled.data, unlabeled.data]))
    assert np.array_equal(trained_on.targets[:40], labeled.targets)
    assert np.array_equal(trained_on.targets[40:], algorithm.curriculum.pseudo_labels.numpy())


@pytest.mark.parametrize("length", [{"cl_lengths": "equal"}, {"cl_lengths": "passes"}])
def test_the_schedule_goes_from_the_beginning_of_a_round_to_its_end(length: dict[str, str], tmp_path: Path) -> None:
    rates: list[float] = []
    keys = {"cl_rounds": 2, "num_train_iter": 30, "epoch": 1, "lr_schedule": "cosine_to_zero", "lr": 1.0, **length}
    algorithm = build_tiny("cl", tmp_path, **keys)
    # After the update the rate is that of the next step.
    observed(algorithm, lambda algorithm: rates.append(algorithm.optimizer.param_groups[0]["lr"]))
    algorithm.train()
    starts = (0, *algorithm.curriculum.ends[:-1])
    for start, end in zip(starts, algorithm.curriculum.ends, strict=True):
        expected = [0.5 * (1 + np.cos(np.pi * step / (end - start))) for step in range(1, end - start + 1)]
        assert rates[start:end] == pytest.approx(expected, abs=1e-12)


@pytest.mark.parametrize("stop", [1, 2, 3, 5])
@pytest.mark.parametrize("overrides", [{}, {"cl_swa_start": 0.3, "cl_view": "strong", "lr_schedule": "cosine_to_zero"}])
def test_a_run_stopped_within_a_round_or_at_its_end_goes_on_bit_for_bit(
    stop: int, overrides: dict[str, Any], tmp_path: Path
) -> None:
    class Stopped(Exception):
        pass

    def stop_after(algorithm: Any) -> None:
        if algorithm.it + 1 == stop:
            algorithm.save_model("stopped.pth", str(tmp_path))
            raise Stopped

    whole = train_tiny("cl", tmp_path / "whole", **SIX, **overrides)
    first = observed(build_tiny("cl", tmp_path / "part", **SIX, **overrides), stop_after)
    with pytest.raises(Stopped):
        first.train()
    second = build_tiny("cl", tmp_path / "part", **SIX, **overrides)
    resume(second, tmp_path / "stopped.pth")
    assert second.it == stop
    second.train()
    assert same(parameters_of(whole), parameters_of(second))
    assert torch.equal(whole.curriculum.pseudo_labels, second.curriculum.pseudo_labels)
    assert (whole.best_eval_acc, whole.best_it) == (second.best_eval_acc, second.best_it)


def test_images_are_mixed_in_pairs_by_the_share_that_the_loss_is_told(tmp_path: Path, monkeypatch: Any) -> None:
    algorithm = build_tiny("cl", tmp_path, cl_mixup_alpha=1.0)
    batch = next(iter(algorithm.loader_dict["train_lb"]))
    passed: list[torch.Tensor] = []
    told: list[Any] = []
    algorithm.model.register_forward_pre_hook(lambda module, inputs: passed.append(inputs[0]))

    def tell(*arguments: Any) -> Any:
        told.append(arguments)
        return mixed_cross_entropy(*arguments)

    monkeypatch.setattr("usb_negsamp.algorithms.cl.cl.mixed_cross_entropy", tell)
    algorithm.train_step(batch["x_lb"], batch["y_lb"])
    _, labels, partners, share, *_ = told[0]
    assert 0 < share < 1
    assert sorted(partners.tolist()) == list(range(8))
    assert torch.allclose(passed[0], share * batch["x_lb"] + (1 - share) * batch["x_lb"][partners], atol=1e-6)
    assert torch.equal(labels, batch["y_lb"])


def test_without_mixing_and_weights_the_first_round_is_supervised_training(tmp_path: Path) -> None:
    keys = {"num_train_iter": 4, "num_eval_iter": 2, "epoch": 1}
    plain = build_tiny("supervised", tmp_path / "plain", **keys)
    ours = build_tiny("cl", tmp_path / "cl", cl_rounds=1, cl_mixup_alpha=0.0, **{**keys, "num_train_iter": 8})
    kept: list[dict[str, torch.Tensor]] = []
    observed(ours, lambda algorithm: kept.append(parameters_of(algorithm)))
    plain.train()
    ours.train()
    expected = parameters_of(plain)
    assert all(torch.allclose(tensor, kept[3][name], atol=1e-6) for name, tensor in expected.items())


def test_without_validation_images_the_last_model_of_a_round_labels(tmp_path: Path) -> None:
    kept: list[bool] = []

    def look(algorithm: Any) -> None:
        best = algorithm.curriculum.best
        kept.append(bool(best) and same(best, dict(algorithm.ema_model.state_dict())))

    keys = {"validation_size": 0, "num_train_iter": 4, "num_eval_iter": 1, "cl_rounds": 1, "epoch": 1}
    algorithm = observed(build_tiny("cl", tmp_path, **keys), look)
    algorithm.train()
    assert all(kept)
    assert len(kept) == 4


def test_the_average_of_a_round_is_that_of_its_snapshots(tmp_path: Path) -> None:
    live: list[torch.Tensor] = []
    keys = {"cl_rounds": 1, "num_train_iter": 8, "epoch": 1, "cl_swa_start": 0.5, "cl_swa_every": 0.25, "lr": 0.1}
    algorithm = build_tiny("cl", tmp_path, **keys)
    observed(algorithm, lambda algorithm: live.append(algorithm.model.classifier.weight.detach().clone()))
    algorithm.train()
    # Of the second round's four steps the last two; every fourth of them is one.
    expected = torch.stack(live[6:8]).mean(0)
    assert torch.allclose(algorithm.ema_model.classifier.weight, expected, atol=1e-7)


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        ({"cl_rounds": 0}, "cl_rounds: expected a whole number of at least 1, but got 0"),
        ({"cl_rounds": 10}, "cl_rounds: expected at most num_train_iter - 1 = 9, .* but got 10"),
        ({"cl_lengths": "epochs"}, "cl_lengths: expected equal or passes, but got 'epochs'"),
        ({"cl_mixup_alpha": -1.0}, "cl_mixup_alpha: expected a number of at least 0"),
        ({"cl_view": "strng"}, "cl_view: .* did you mean 'strong'"),
        ({"cl_swa_start": 1.0}, "cl_swa_start: expected a number from 0 to below 1"),
        ({"cl_swa_every": 0.0}, "cl_swa_every: expected a number above 0"),
        ({"bn_update": "labeled"}, "bn_update: expected host or all with cl_mixup_alpha"),
        ({"imb_algorithm": "debiaspl"}, "imb_algorithm: expected none with cl"),
    ],
)
def test_impossible_settings_are_one_clear_error(overrides: dict[str, Any], message: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=message):
        build_tiny("cl", tmp_path, **overrides)


def test_resume_two_processes_and_all_else_that_is_expected_of_an_algorithm(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    # Partners are drawn among a process's own rows.
    check_algorithm("cl", overrides={"cl_mixup_alpha": 0.0}, expected_tags=("train/cl_round", "train/cl_threshold"))
    check_algorithm("cl", checks=("determinism", "resume"))


def test_both_networks_of_a_pair_begin_anew_on_the_labels_of_the_first(tmp_path: Path) -> None:
    algorithm = build_tiny("cl_dnll", tmp_path, cl_rounds=1, num_train_iter=4, epoch=1, lr=0.1)
    first = algorithm.begin_round
    begun: list[tuple[dict[str, torch.Tensor], dict[str, torch.Tensor]]] = []
    before: list[dict[str, torch.Tensor]] = []

    def begin_round(number: int) -> None:
        before.append(parameters_of(algorithm.peer))
        first(number)
        begun.append((parameters_of(algorithm), parameters_of(algorithm.peer)))

    algorithm.begin_round = begin_round
    algorithm.train()
    (own, of_peer), [peer_before] = begun[0], before
    assert algorithm.peer.curriculum is algorithm.curriculum
    for one, other in ((own, of_peer), (peer_before, of_peer)):
        assert not torch.equal(one["model.classifier.weight"], other["model.classifier.weight"])
    assert "cl" not in algorithm.peer.get_save_dict()


@pytest.mark.parametrize("name", ["cl_ns3l", "cl_dnll", "cl_spl"])
def test_it_composes(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    of_spl = {"spl_rounds": 1, "spl_inner_steps": 2, "spl_outer_steps": 2, "spl_mismatch": 0.3}
    overrides = {"cl_mixup_alpha": 0.0, "num_train_iter": 6, "num_eval_iter": 3, **(of_spl if name == "cl_spl" else {})}
    check_algorithm(name, overrides=overrides, two_processes=name != "cl_spl")
