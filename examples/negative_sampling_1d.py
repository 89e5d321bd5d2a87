"""The 1-D toy of the NS3L paper (section 3.2, Figure 2): biased labels, and a boundary that negatives bring back.

    python examples/negative_sampling_1d.py --out negative_sampling_1d.png

Logistic regression on a line. Unlabeled points lie uniformly on both sides of the true boundary w* = 0; those on the
left are of class 1, those on the right of class 0. The few labeled points are biased (far away on the left, near on the
right), so that training on them alone puts the boundary too far left (w^). Then training goes on with a loss on the
unlabeled points of which the model is certain (some class has a probability below T):

* NS3L with a class drawn uniformly as the negative (section 3.1, P = 1). For a point of class-1 probability mu that is
  said not to be of class 1, the gradient is mu * x, as the paper writes it. More of the certain points lie on the side
  that the biased boundary made too large, so there are more negatives there, and the boundary comes back towards w*.
* NS3L with the classes below T as the negatives (Algorithm 1).
* Pseudo-labels, the "inductive SSL" of the paper, whose gradient for class 1 is -(1 - mu) * x.

What the rebuilt toy shows, and a picture cannot: with two classes "not class 0" and "class 1" are the same loss, so
Algorithm 1 and pseudo-labels are one method here, and that method moves the boundary either way, depending on the
sample. The paper's argument, with its two opposite gradients, holds for the uniformly drawn negatives. With more than
two classes the two losses differ.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from usb_negsamp.functional import ns3l_loss, threshold_negatives, uniform_negatives

SUPERVISED = "labels alone"
UNIFORM = "NS3L, uniform negatives"
THRESHOLD = "NS3L, negatives below T"
PSEUDO_LABELS = "pseudo-labels"

THRESHOLD_VALUE = 0.1
WEIGHT = 3.0
WEIGHT_DECAY = 0.01
STEPS = 200
LEFT, RIGHT = (-4.0, -3.0), (0.5, 1.5)
REACH = 4.0


@dataclass(frozen=True)
class Sample:
    """Labeled points with their classes, and unlabeled points."""

    labeled: Tensor
    labels: Tensor
    unlabeled: Tensor


def draw_sample(seed: int, labels_per_class: int = 4, unlabeled_per_side: int = 100) -> Sample:
    """Draw biased labeled points, and unlabeled points uniform on both sides of 0."""
    generator = torch.Generator().manual_seed(seed)

    def uniform(low: float, high: float, number: int) -> Tensor:
        return low + (high - low) * torch.rand(number, generator=generator)

    labeled = torch.cat([uniform(*LEFT, labels_per_class), uniform(*RIGHT, labels_per_class)])
    unlabeled = torch.cat([uniform(-REACH, 0.0, unlabeled_per_side), uniform(0.0, REACH, unlabeled_per_side)])
    return Sample(labeled, torch.tensor([1] * labels_per_class + [0] * labels_per_class), unlabeled)


def logits(parameters: Tensor, points: Tensor) -> Tensor:
    """Return the (N, 2) logits of the model with slope and offset ``parameters``; the second column is class 1."""
    score = parameters[0] * points + parameters[1]
    return torch.stack([torch.zeros_like(score), score], dim=1)


def boundary(parameters: Tensor) -> float:
    """Return where both classes are equally probable."""
    return float(-parameters[1] / parameters[0])


def uniform_loss(scores: Tensor, generator: torch.Generator) -> Tensor:
    """NS3L with one class drawn uniformly for every point that the model is certain about."""
    certain = threshold_negatives(scores.detach().softmax(dim=1), THRESHOLD_VALUE).any(dim=1, keepdim=True)
    return ns3l_loss(scores, uniform_negatives(len(scores), 2, 1, generator=generator) & certain)


def threshold_loss(scores: Tensor, generator: torch.Generator) -> Tensor:
    """NS3L with the classes below the threshold."""
    return ns3l_loss(scores, threshold_negatives(scores.detach().softmax(dim=1), THRESHOLD_VALUE))


def pseudo_label_loss(scores: Tensor, generator: torch.Generator) -> Tensor:
    """Cross entropy with the predicted class of every point that the model is certain about."""
    probability, predicted = scores.detach().softmax(dim=1).max(dim=1)
    certain = probability > 1 - THRESHOLD_VALUE
    return (F.cross_entropy(scores, predicted, reduction="none") * certain).mean()


UNLABELED_LOSSES: dict[str, Callable[[Tensor, torch.Generator], Tensor]] = {
    UNIFORM: uniform_loss,
    THRESHOLD: threshold_loss,
    PSEUDO_LABELS: pseudo_label_loss,
}


def train(sample: Sample, start: Tensor, loss_name: str | None, seed: int, steps: int = STEPS) -> Tensor:
    """Return the parameters after training from ``start``, on the labels alone or with an unlabeled loss beside."""
    generator = torch.Generator().manual_seed(seed)
    parameters = start.clone().requires_grad_()
    optimizer = torch.optim.Adam([parameters], lr=0.1)
    for _ in range(steps):
        loss = (
            F.cross_entropy(logits(parameters, sample.labeled), sample.labels) + WEIGHT_DECAY / 2 * parameters[0] ** 2
        )
        if loss_name is not None:
            scores = logits(parameters, sample.unlabeled)
            loss = loss + WEIGHT * UNLABELED_LOSSES[loss_name](scores, generator)
        optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
    return parameters.detach()


def experiment(seed: int) -> tuple[Sample, dict[str, Tensor]]:
    """Return a sample, and the parameters that each way of training reaches, all from the supervised ones."""
    sample = draw_sample(seed)
    supervised = train(sample, torch.zeros(2), None, seed)
    found = {name: train(sample, supervised, name, seed) for name in UNLABELED_LOSSES}
    return sample, {SUPERVISED: supervised, **found}


def draw(sample: Sample, found: dict[str, Tensor], path: str) -> None:
    """Draw the four panels of the figure."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(8.0, 8.0), layout="constrained")
    FigureCanvasAgg(figure)
    panels = figure.subplots(4, 1, sharex=True)
    biased = boundary(found[SUPERVISED])
    probability = logits(found[SUPERVISED], sample.unlabeled).softmax(dim=1)[:, 1]
    certain = (probability - 0.5).abs() > 0.5 - THRESHOLD_VALUE
    edge = abs(torch.logit(torch.tensor(THRESHOLD_VALUE)) / found[SUPERVISED][0]).item()
    for panel in panels:
        panel.axvspan(-REACH, 0, color="tab:blue", alpha=0.18, linewidth=0)
        panel.axvspan(0, REACH, color="tab:blue", alpha=0.10, linewidth=0)
        panel.axvline(0, color="tab:blue", linewidth=2, label="w*, the true boundary")
        panel.set_yticks([])
        panel.set_ylim(-1, 1)
    order = torch.randperm(len(sample.unlabeled), generator=torch.Generator().manual_seed(0))
    height = torch.linspace(-0.8, 0.8, len(sample.unlabeled))[order]
    panels[0].plot(sample.unlabeled, height, ".", color="tab:blue", markersize=4, label="unlabeled")
    panels[0].set_title("(a) data lie uniformly on both sides of w*; left: class 1, right: class 0", loc="left")
    _points(panels[1], sample.labeled, sample.labels)
    panels[1].axvline(biased, color="tab:red", linestyle="--", label=f"boundary from the labels alone, {biased:+.2f}")
    panels[1].set_title("(b) biased labels put the boundary too far left", loc="left")
    panels[2].axvspan(-REACH - 1, biased - edge, color="gold", alpha=0.35, linewidth=0)
    panels[2].axvspan(biased + edge, REACH + 1, color="gold", alpha=0.35, linewidth=0, label="where it is certain")
    panels[2].plot(sample.unlabeled[certain], height[certain], ".", color="tab:red", markersize=4)
    right, left = int((certain & (probability < 0.5)).sum()), int((certain & (probability > 0.5)).sum())
    panels[2].axvline(biased, color="tab:red", linestyle="--")
    panels[2].set_title(f"(c) certain unlabeled points: {left} left, {right} right of that boundary", loc="left")
    styles = {SUPERVISED: "--", UNIFORM: "-", THRESHOLD: "-.", PSEUDO_LABELS: ":"}
    colors = {SUPERVISED: "tab:red", UNIFORM: "tab:green", THRESHOLD: "black", PSEUDO_LABELS: "tab:orange"}
    for name, parameters in found.items():
        place = boundary(parameters)
        panels[3].axvline(place, color=colors[name], linestyle=styles[name], label=f"{name}, {place:+.2f}")
    panels[3].set_title("(d) after training with the unlabeled points", loc="left")
    panels[3].set_xlabel("x")
    panels[3].set_xlim(-REACH - 0.3, REACH + 0.3)
    for panel in panels:
        panel.legend(loc="upper right", fontsize=8)
    figure.savefig(path, dpi=130, format="png")


def _points(panel: Any, points: Tensor, labels: Tensor) -> None:
    for value, marker in ((1, "o"), (0, "s")):
        chosen = points[labels == value]
        panel.plot(chosen, torch.zeros_like(chosen), marker, color="black", label=f"labeled, class {value}")


def main(argv: Sequence[str] | None = None) -> int:
    """Print the boundaries over some samples, and draw the first."""
    parser = argparse.ArgumentParser(description="The 1-D toy of the NS3L paper's Figure 2.")
    parser.add_argument("--out", default="negative_sampling_1d.png", help="the picture to write (PNG)")
    parser.add_argument("--seeds", type=int, default=5, help="samples to draw (default 5); the first is the picture's")
    options = parser.parse_args(argv)
    if options.seeds < 1:
        parser.error(f"--seeds must be at least 1, got {options.seeds}")
    print(f"distance of the boundary from w* = 0   (T = {THRESHOLD_VALUE}, weight {WEIGHT:g})")
    print("  ".join(["sample", *(f"{name:>23}" for name in (SUPERVISED, *UNLABELED_LOSSES))]))
    closer = dict.fromkeys(UNLABELED_LOSSES, 0)
    for seed in range(options.seeds):
        sample, found = experiment(seed)
        distances = {name: abs(boundary(parameters)) for name, parameters in found.items()}
        print("  ".join([f"{seed:>6}", *(f"{distance:>23.3f}" for distance in distances.values())]))
        for name in closer:
            closer[name] += distances[name] < distances[SUPERVISED]
        if seed == 0:
            draw(sample, found, options.out)
    counts = [f"{number} of {options.seeds}" for number in closer.values()]
    print("  ".join([f"{'closer':>6}", " " * 23, *(f"{count:>23}" for count in counts)]))
    print(f"picture: {options.out}")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
