"""Where Curriculum Labeling's rounds lie, what a round selects, and the average of a round's snapshots."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from usb_negsamp import ConfigError
from usb_negsamp.algorithms.cl.curriculum import Curriculum
from usb_negsamp.algorithms.cl.rounds import round_at, round_ends, snapshot_decay
from usb_negsamp.algorithms.cl.settings import CLSettings


@settings(max_examples=100, deadline=None)
@given(st.lists(st.floats(0.01, 100.0), min_size=1, max_size=8), st.integers(0, 500))
def test_every_round_has_an_iteration_and_all_of_them_are_the_training(sizes: list[float], more: int) -> None:
    total = len(sizes) + more
    ends = round_ends(total, sizes)
    starts = (0, *ends[:-1])
    lengths = [end - start for start, end in zip(starts, ends, strict=True)]
    assert min(lengths) >= 1
    assert sum(lengths) == total
    for iteration in range(total):
        number = round_at(iteration, ends)
        assert starts[number] <= iteration < ends[number]


def test_rounds_are_as_long_as_their_sizes_say_where_there_is_room() -> None:
    assert round_ends(600, [1] * 6) == (100, 200, 300, 400, 500, 600)
    assert round_ends(147, [4, 12.2, 20.4, 28.6, 36.8, 45]) == (4, 16, 37, 65, 102, 147)


@settings(max_examples=50, deadline=None)
@given(st.integers(1, 60), st.floats(0.0, 0.95), st.floats(0.01, 1.0))
def test_the_average_by_the_decays_is_the_mean_of_the_snapshots(length: int, start: float, every: float) -> None:
    weights = [float(step**2 % 7) for step in range(length)]
    average, snapshots = -1.0, []
    for step, weight in enumerate(weights):
        decay = snapshot_decay(step, length, start, every)
        average = decay * average + (1 - decay) * weight
        if step >= round(start * length) and (step - round(start * length)) % max(1, round(every * length)) == 0:
            snapshots.append(weight)
        expected = sum(snapshots) / len(snapshots) if snapshots else weight
        assert average == pytest.approx(expected)


def curriculum(**values: Any) -> Curriculum:
    labels = torch.tensor([0, 0, 1, 2])
    return Curriculum(CLSettings(**values), labels, num_unlabeled=10, num_classes=4, num_iterations=60)


def probs_of(confidences: list[float], classes: list[int]) -> torch.Tensor:
    """Probabilities (N, 4) of these largest entries."""
    probs = torch.empty(len(confidences), 4)
    for row, (confidence, label) in enumerate(zip(confidences, classes, strict=True)):
        probs[row] = (1 - confidence) / 3
        probs[row, label] = confidence
    return probs


def test_a_round_takes_those_it_is_surest_of_and_weighs_their_classes() -> None:
    found = curriculum(rounds=5)
    assert found.class_weights().tolist() == [1.0] * 4
    confidences = [0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 0.96, 0.97, 0.98]
    classes = [0, 1, 2, 0, 1, 2, 0, 1, 1, 0]
    found.begin(1, probs_of(confidences, classes))
    assert found.selected.tolist() == [8, 9]
    assert found.pseudo_labels.tolist() == [-1] * 8 + [1, 0]
    assert 0.96 < found.threshold < 0.97
    assert found.selected_share == pytest.approx(0.2)
    # Classes 0, 1, 2, 3 have 3, 2, 1, 0 of 6 images.
    assert found.class_weights().tolist() == pytest.approx([1.0, 2.0, 5.0, 0.0])
    found.begin(5, probs_of(confidences, classes))
    assert found.pseudo_labels.tolist() == classes
    assert found.selected_share == 1.0
    assert curriculum(class_weights=False).class_weights().tolist() == [1.0] * 4


def test_the_rounds_best_model_is_the_later_of_equals_and_forgotten_by_the_next_round() -> None:
    found = curriculum()
    for accuracy, weight in ((0.5, 1.0), (0.7, 2.0), (0.6, 3.0), (0.7, 4.0)):
        found.keep_if_best(accuracy, {"weight": torch.tensor(weight)})
    assert (found.best_accuracy, found.best["weight"].item()) == (0.7, 4.0)
    found.begin(1, torch.full((10, 4), 0.25))
    assert (found.best_accuracy, found.best) == (-1.0, {})


def test_passes_give_each_round_iterations_by_its_images() -> None:
    # 4 labeled images and 0, 2, 4, 6, 8, 10 selected ones.
    assert curriculum(lengths="passes").ends == round_ends(60, [4, 6, 8, 10, 12, 14])
    assert curriculum(lengths="equal").ends == (10, 20, 30, 40, 50, 60)


NETWORK = torch.nn.Linear(2, 2)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"pseudo_labels": torch.zeros(9, dtype=torch.int64)}, r"pseudo_labels of 10 images, but got Tensor \(9,\)"),
        ({"pseudo_labels": torch.full((10,), 4)}, "pseudo_labels from -1 to 3"),
        ({"pseudo_labels": None}, "pseudo_labels of 10 images"),
        ({"round": 6}, "a round from 0 to 5, but got 6"),
        ({"round": True}, "a round from 0 to 5"),
        ({"threshold": "high"}, "two numbers"),
        ({"best_model": {"weight": torch.zeros(3, 2)}}, "best_model, weights of the run's own network"),
        ({"best_model": None}, "best_model, .* but got it is not there"),
    ],
)
def test_a_state_of_other_images_or_another_network_is_one_line(change: dict[str, Any], message: str) -> None:
    found = curriculum()
    state = {**found.state(), **change}
    with pytest.raises(ConfigError, match=f"^a.pth: cl: expected .*{message}"):
        found.load(state, NETWORK, "a.pth")
    with pytest.raises(ConfigError, match=r"^a.pth: cl: expected"):
        found.load(None, NETWORK, "a.pth")


def test_a_state_comes_back() -> None:
    found, other = curriculum(), curriculum()
    found.begin(2, torch.rand(10, 4, generator=torch.Generator().manual_seed(0)))
    found.keep_if_best(0.5, NETWORK.state_dict())
    other.load(found.state(), NETWORK, "a.pth")
    assert other.state().keys() == found.state().keys()
    for name, value in found.state().items():
        if name == "best_model":
            assert all(torch.equal(other.best[key], tensor) for key, tensor in value.items())
        elif name == "pseudo_labels":
            assert torch.equal(other.pseudo_labels, value)
        else:
            assert other.state()[name] == value
    assert other.selected_share == found.selected_share
