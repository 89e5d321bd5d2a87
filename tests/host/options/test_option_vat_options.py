"""The keys ``vat_*``."""

from __future__ import annotations

from argparse import Namespace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from semilearn.algorithms.pseudolabel import PseudoLabel
from semilearn.algorithms.vat import VAT
from semilearn.core.criterions import ConsistencyLoss
from torch import Tensor

from usb_negsamp.errors import ConfigError
from usb_negsamp.host.options import vat_options
from usb_negsamp.host.options.vat_options import VATPseudoLabelHook, VATSettings
from usb_negsamp.host.patching import undone
from usb_negsamp.host.wrapping.passes.virtual_adversary import adversarial_logits
from usb_negsamp.testing import build_tiny, check_algorithm, parameters_of, train_tiny


def same(one: Any, other: Any) -> bool:
    return all(torch.equal(parameters_of(other)[key], tensor) for key, tensor in parameters_of(one).items())


def test_the_defaults_are_the_hosts_vat_bit_for_bit(tmp_path: Path) -> None:
    ours = train_tiny("vat", tmp_path / "ours")
    with undone("vat_options"):
        hosts = train_tiny("vat", tmp_path / "hosts")
    assert same(ours, hosts)
    assert set(ours.hooks_dict) == set(hosts.hooks_dict)


def loss_of(monkeypatch: pytest.MonkeyPatch, clean: Tensor, perturbed: Tensor, **settings: Any) -> Tensor:
    """``VAT.vat_loss`` where the adversary is known."""
    monkeypatch.setattr(vat_options, "adversarial_logits", lambda *args: (clean.detach(), perturbed))
    algorithm = SimpleNamespace(args=SimpleNamespace(**settings))
    algorithm.kl_div_with_logit = lambda q, p: VAT.kl_div_with_logit(algorithm, q, p)
    return VAT.vat_loss(algorithm, None, None, clean)


def test_the_direction_decides_which_output_is_the_target(monkeypatch: pytest.MonkeyPatch) -> None:
    p, q = torch.tensor([[0.8, 0.2]]), torch.tensor([[0.5, 0.5]])
    clean, perturbed = p.log().requires_grad_(), q.log().requires_grad_()
    forward = loss_of(monkeypatch, clean, perturbed)
    reverse = loss_of(monkeypatch, clean, perturbed, vat_direction="adversarial_to_clean")
    # 0.8 log 1.6 + 0.2 log 0.4 and 0.5 log 0.625 + 0.5 log 2.5
    assert forward.item() == pytest.approx(0.192745, abs=1e-5)
    assert reverse.item() == pytest.approx(0.223144, abs=1e-5)
    reverse.backward()
    assert clean.grad is None
    assert perturbed.grad is not None
    # d/dz_k of sum q (log q - log p) is q_k (log q_k - log p_k - KL)
    log_ratio = (q / p).log()
    assert torch.allclose(perturbed.grad, q * (log_ratio - 0.223144), atol=1e-5)


def test_the_probe_and_the_number_of_iterations_reach_the_search(tmp_path: Path, monkeypatch: Any) -> None:
    asked = []
    search = adversarial_logits

    def recorded(
        algorithm: Any, model: Any, x: Any, y: Tensor, xi: float, eps: float, iters: int, *rest: Any
    ) -> tuple[Tensor, Tensor]:
        asked.append((xi, eps, iters))
        return search(algorithm, model, x, y, xi, eps, iters, *rest)

    monkeypatch.setattr(vat_options, "adversarial_logits", recorded)
    train_tiny("vat", tmp_path, vat_xi=0.1, vat_num_iters=2, vat_eps=3.0, num_train_iter=1, epoch=1)
    assert asked == [(0.1, 3.0, 2)]


def test_without_iterations_the_direction_is_random_and_has_norm_eps(tmp_path: Path) -> None:
    algorithm = build_tiny("vat", tmp_path)
    images = torch.randn(4, 3, 16, 16)
    seen: list[Tensor] = []
    algorithm.model.register_forward_pre_hook(lambda module, inputs: seen.append(inputs[0]))
    VAT.vat_loss(algorithm, algorithm.model, images, torch.zeros(4, 10), eps=2.0, num_iters=0)
    assert len(seen) == 1
    assert torch.allclose((seen[0] - images).flatten(1).norm(dim=1), torch.full((4,), 2.0), atol=1e-4)


def test_the_entropy_may_be_that_of_the_perturbed_logits(tmp_path: Path) -> None:
    algorithm = build_tiny("vat", tmp_path, vat_entropy_on="perturbed", ent_loss_ratio=0.1)
    logits: list[Tensor] = []
    algorithm.model.register_forward_hook(lambda module, inputs, output: logits.append(output["logits"]))
    batch = {"x_lb": torch.randn(8, 3, 16, 16), "y_lb": torch.arange(8), "x_ulb_w": torch.randn(16, 3, 16, 16)}
    _, log = algorithm.train_step(**batch)
    perturbed = logits[-1].softmax(1)
    assert log["train/loss_entmin"] == pytest.approx(-(perturbed * perturbed.log()).sum(1).mean().item(), rel=1e-5)
    assert "vat_perturbed" not in vars(algorithm)
    _, log = build_tiny("vat", tmp_path / "clean", ent_loss_ratio=0.1).train_step(**batch)
    assert log["train/loss_entmin"] > 0


def test_no_option_adds_a_forward_pass(tmp_path: Path) -> None:
    passes: list[int] = []
    variants: tuple[dict[str, Any], ...] = ({}, {"vat_entropy_on": "perturbed", "vat_pseudo_label_weight": 1.0})
    for settings in variants:
        algorithm = build_tiny("vat", tmp_path / str(len(passes)), num_train_iter=1, epoch=1, **settings)
        count: list[int] = []
        algorithm.model.register_forward_pre_hook(
            lambda module, inputs, count=count: count.append(1) if module.training else None
        )
        algorithm.train()
        passes.append(len(count))
    assert passes == [4, 4]


def test_the_pseudo_label_term_is_that_of_the_paper() -> None:
    logits = torch.tensor([[4.0, 0.0, 0.0], [0.2, 0.1, 0.0]], requires_grad=True)
    hook = VATPseudoLabelHook(weight=0.3, cutoff=0.9)
    hook.logits = logits
    algorithm = SimpleNamespace(it=1, unsup_warm_up=0.4, num_train_iter=10, consistency_loss=ConsistencyLoss())
    algorithm.out_dict, algorithm.log_dict = {"loss": torch.tensor(1.0)}, {}
    hook.after_train_step(algorithm)
    # Only the first row is sure: its cross-entropy over a batch of two, a quarter of the way up the ramp.
    expected = F.cross_entropy(logits[:1], torch.tensor([0])).item() / 2
    assert algorithm.out_dict["loss"].item() == pytest.approx(1.0 + 0.3 * 0.25 * expected)
    assert algorithm.log_dict["train/vat_pseudo_label_ratio"] == 0.5
    assert hook.logits is None


@pytest.mark.parametrize("name", ["vat", "vat_ns3l"])
def test_vat_with_pseudo_labels_trains_and_is_another_run(tmp_path: Path, name: str) -> None:
    with_term = {"vat_pseudo_label_weight": 1.0, "vat_pseudo_label_cutoff": 0.1, "unsup_warm_up": 0.0}
    algorithm = train_tiny(name, tmp_path / "with", **with_term)
    assert algorithm.log_dict["train/vat_pseudo_label_ratio"] == 1.0
    assert not same(algorithm, train_tiny(name, tmp_path / "without", unsup_warm_up=0.0))


def test_a_pseudo_label_weight_of_zero_is_plain_vat_bit_for_bit(tmp_path: Path) -> None:
    plain = train_tiny("vat", tmp_path / "plain")
    assert same(plain, train_tiny("vat", tmp_path / "zero", vat_pseudo_label_weight=0.0, vat_pseudo_label_cutoff=0.1))


@pytest.mark.parametrize(
    ("settings", "line"),
    [
        ({"vat_direction": "clean"}, r"^vat_direction: expected clean_to_adversarial or adversarial_to_clean, but got"),
        ({"vat_entropy_on": "perturb"}, r"^vat_entropy_on: .*; did you mean 'perturbed'\?$"),
        ({"vat_xi": 0.0}, r"^vat_xi: expected a number above 0, but got 0$"),
        ({"vat_num_iters": -1}, r"^vat_num_iters: expected a whole number from 0 to 1000, but got -1$"),
        (
            {"vat_pseudo_label_weight": -0.1},
            r"^vat_pseudo_label_weight: expected a number of at least 0, but got -0.1$",
        ),
    ],
)
def test_a_bad_value_is_one_line(settings: dict[str, Any], line: str) -> None:
    with pytest.raises(ConfigError, match=line):
        VATSettings.from_arguments(Namespace(**settings))


def test_the_hosts_pseudo_label_loss_is_the_mean_over_the_batch_of_the_masked_cross_entropy(tmp_path: Path) -> None:
    algorithm = build_tiny("pseudolabel", tmp_path, unsup_warm_up=0.0, p_cutoff=0.3)
    logits: list[Tensor] = []
    algorithm.model.register_forward_hook(lambda module, inputs, output: logits.append(output["logits"].detach()))
    batch = {"x_lb": torch.randn(8, 3, 16, 16), "y_lb": torch.arange(8), "x_ulb_w": torch.randn(16, 3, 16, 16)}
    assert isinstance(algorithm, PseudoLabel)
    _, log = algorithm.train_step(**batch)
    unlabeled = logits[1]
    confidence, labels = unlabeled.softmax(1).max(1)
    sure = confidence >= 0.3
    expected = (F.cross_entropy(unlabeled, labels, reduction="none") * sure).sum() / 16
    assert 0 < sure.sum() < 16
    assert log["train/unsup_loss"] == pytest.approx(expected.item(), rel=1e-5)


def test_the_hosts_pi_model_is_the_mean_squared_difference_of_probabilities(tmp_path: Path) -> None:
    algorithm = build_tiny("pimodel", tmp_path)
    logits: list[Tensor] = []
    algorithm.model.register_forward_hook(lambda module, inputs, output: logits.append(output["logits"].detach()))
    views = torch.randn(2, 16, 3, 16, 16)
    batch = {"x_lb": torch.randn(8, 3, 16, 16), "y_lb": torch.arange(8), "x_ulb_w": views[0], "x_ulb_s": views[1]}
    _, log = algorithm.train_step(**batch)
    expected = (logits[1].softmax(1) - logits[2].softmax(1)).square().mean()
    assert log["train/unsup_loss"] == pytest.approx(expected.item(), rel=1e-5)


def test_two_processes_draw_the_directions_of_one() -> None:
    # A probe of the usual length divides by a difference of the size of rounding, which processes round otherwise.
    [outcome] = check_algorithm("vat", overrides={"vat_xi": 1.0}, checks=["two_processes"]).outcomes
    assert outcome.status == "passed"
