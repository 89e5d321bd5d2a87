"""The classes that MixMatch mixed into each label."""

import importlib

import numpy as np
import pytest
import torch

from usb_negsamp import ConfigError
from usb_negsamp.functional import sharpen
from usb_negsamp.host import patching
from usb_negsamp.host.options import mixed_classes, official_mixmatch
from usb_negsamp.testing import build_tiny, parameters_of, train_tiny

host_mixmatch = importlib.import_module("semilearn.algorithms.mixmatch.mixmatch")


def sharp_labels(num_samples=40, num_classes=10):
    # As the step has them: true classes first, then sharpened guesses, nowhere exactly zero.
    guesses = sharpen(torch.randn(num_samples // 2, num_classes).softmax(1), 0.5)
    return torch.cat([torch.eye(num_classes)[torch.randint(num_classes, (num_samples // 2,))], guesses])


def expected(labels, partners):
    classes = [
        {row.argmax().item(), labels[partner].argmax().item()} for row, partner in zip(labels, partners, strict=True)
    ]
    return torch.tensor([[k in both for k in range(labels.shape[1])] for both in classes])


def test_the_hosts_mixing_is_heard_and_not_changed():
    labels, images = sharp_labels(), torch.randn(40, 3, 4, 4)
    outcomes = []
    for heard in (False, True):
        torch.manual_seed(1)
        np.random.seed(1)
        if heard:
            mixed_classes.listen()
        outcomes.append(host_mixmatch.mixup_one_target(images, labels, 0.75, is_bias=True))
    for plain, listened in zip(*outcomes, strict=True):
        assert torch.equal(torch.as_tensor(plain), torch.as_tensor(listened))
    torch.manual_seed(1)
    assert torch.equal(mixed_classes.heard(), expected(labels, torch.randperm(40)))


def test_the_authors_mixing_is_heard_and_not_changed():
    labels, images = sharp_labels(), torch.randn(40, 3, 4, 4)
    partners, weights = official_mixmatch.draw_mixing(40, 0.75, torch.device("cpu"))
    plain = official_mixmatch.mixup(labels, partners, weights)
    mixed_classes.listen()
    assert torch.equal(official_mixmatch.mixup(labels, partners, weights), plain)
    official_mixmatch.mixup(images, partners, weights)
    assert torch.equal(mixed_classes.heard(), expected(labels, partners))


def test_a_partner_of_weight_zero_is_not_mixed_in():
    labels = sharp_labels()
    mixed_classes.listen()
    host_mixmatch.mixup_one_target(torch.randn(40, 3), labels, 0.0)
    assert torch.equal(mixed_classes.heard(), expected(labels, range(40)))


def test_hearing_nothing_is_one_clear_error():
    mixed_classes.listen()
    with pytest.raises(ConfigError, match="expected labels that are mixed"):
        mixed_classes.heard()


@pytest.mark.parametrize("official", [False, True])
def test_listening_changes_no_bit_of_a_run(official, tmp_path, monkeypatch):
    with patching.undone("mixed_classes"):
        plain = parameters_of(train_tiny("mixmatch", tmp_path / "plain", mixmatch_official=official))
    algorithm = build_tiny("mixmatch", tmp_path / "heard", mixmatch_official=official)
    step, heard = algorithm.train_step, []

    def train_step(x_lb, y_lb, x_ulb_w, x_ulb_s):
        mixed_classes.listen()
        result = step(x_lb, y_lb, x_ulb_w, x_ulb_s)
        heard.append(mixed_classes.heard())
        return result

    monkeypatch.setattr(algorithm, "train_step", train_step)
    algorithm.train()
    assert all(torch.equal(plain[name], tensor) for name, tensor in parameters_of(algorithm).items())
    assert {tuple(classes.shape) for classes in heard} == {(8 + 2 * 16, 10)}
    assert {count for classes in heard for count in classes.sum(1).tolist()} == {1, 2}
