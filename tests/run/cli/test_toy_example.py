"""The 1-D toy: it runs, and what its figure is meant to show holds."""

from __future__ import annotations

from pathlib import Path
from types import ModuleType

import pytest
import torch
from repository_script import load_script

from usb_negsamp.functional import ns3l_loss

EXAMPLE = Path(__file__).parents[3] / "examples" / "negative_sampling_1d.py"


@pytest.fixture(scope="module")
def toy() -> ModuleType:
    return load_script(EXAMPLE)


@pytest.fixture(scope="module")
def boundaries(toy: ModuleType) -> list[dict[str, float]]:
    return [
        {name: toy.boundary(parameters) for name, parameters in toy.experiment(seed)[1].items()} for seed in range(3)
    ]


def test_the_example_prints_its_figures_and_draws_the_picture(
    toy: ModuleType, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(toy, "STEPS", 20)
    picture = tmp_path / "toy.png"
    assert toy.main(["--out", str(picture), "--seeds", "1"]) == 0
    assert picture.read_bytes().startswith(b"\x89PNG")
    assert "closer" in capsys.readouterr().out


def test_biased_labels_alone_put_the_boundary_far_left(toy: ModuleType, boundaries: list[dict[str, float]]) -> None:
    assert all(found[toy.SUPERVISED] < -1.0 for found in boundaries)


def test_uniform_negatives_bring_the_boundary_back(toy: ModuleType, boundaries: list[dict[str, float]]) -> None:
    for found in boundaries:
        assert abs(found[toy.UNIFORM]) < 0.5 * abs(found[toy.SUPERVISED])


def test_more_of_the_certain_points_lie_on_the_side_that_the_bias_made_too_large(toy: ModuleType) -> None:
    for seed in range(3):
        sample = toy.draw_sample(seed)
        supervised = toy.train(sample, torch.zeros(2), None, seed)
        certain = toy.logits(supervised, sample.unlabeled).softmax(dim=1) < toy.THRESHOLD_VALUE
        right, left = certain.sum(dim=0).tolist()[::-1]
        assert right > 1.5 * left


def test_with_two_classes_negatives_below_the_threshold_are_pseudo_labels(
    toy: ModuleType, boundaries: list[dict[str, float]]
) -> None:
    for found in boundaries:
        assert found[toy.THRESHOLD] == pytest.approx(found[toy.PSEUDO_LABELS], abs=1e-3)


def test_the_gradients_are_the_papers(toy: ModuleType) -> None:
    point = torch.tensor([1.7])
    parameters = torch.tensor([-0.8, 0.3], requires_grad=True)
    scores = toy.logits(parameters, point)
    mu = scores.softmax(dim=1)[0, 1].item()
    [negative] = torch.autograd.grad(ns3l_loss(scores, torch.tensor([[False, True]])), parameters, retain_graph=True)
    [pseudo] = torch.autograd.grad(torch.nn.functional.cross_entropy(scores, torch.tensor([1])), parameters)
    assert negative[0].item() == pytest.approx(mu * 1.7, abs=1e-6)
    assert pseudo[0].item() == pytest.approx(-(1 - mu) * 1.7, abs=1e-6)
