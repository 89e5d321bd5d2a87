"""NS3L around MixMatch: which classes of a mixed label are negatives."""

import pytest
import torch

import usb_negsamp
from usb_negsamp import ConfigError
from usb_negsamp.host.options import mixed_classes
from usb_negsamp.testing import build_tiny, parameters_of, train_tiny

usb_negsamp.register()


def steps_of(algorithm, monkeypatch):
    """The negatives, mixed labels and mixed classes of every step of a run."""
    hook, negatives, labels, classes = algorithm.hooks_dict["NS3LHook"], [], [], []
    read, heard = hook.logits_and_negatives, mixed_classes.heard

    def reading(algorithm):
        labels.append(torch.cat([kept for _, kept in hook.mixed]))
        logits, chosen = read(algorithm)
        negatives.append(chosen)
        return logits, chosen

    def hearing():
        classes.append(heard())
        return classes[-1]

    monkeypatch.setattr(hook, "logits_and_negatives", reading)
    monkeypatch.setattr(mixed_classes, "heard", hearing)
    algorithm.train()
    return [torch.cat(parts) if parts else None for parts in (negatives, labels, classes)]


@pytest.mark.parametrize("official", [False, True])
def test_the_mixed_classes_are_spared_where_that_is_asked_for(official, tmp_path, monkeypatch):
    # Lambda is often near 1 with this alpha: the minor class falls below the threshold.
    keys = {"mixmatch_official": official, "mixup_alpha": 0.05, "ns3l_threshold": 0.05}
    algorithm = build_tiny("mixmatch_ns3l", tmp_path, ns3l_spare_mixed=True, **keys)
    negatives, labels, classes = steps_of(algorithm, monkeypatch)
    below = labels < 0.05
    assert (below & classes).any(), "the paper's form would have made negatives of them"
    assert torch.equal(negatives, below & ~classes)


@pytest.mark.parametrize("official", [False, True])
def test_by_default_they_are_negatives_as_in_the_paper(official, tmp_path, monkeypatch):
    keys = {"mixmatch_official": official, "mixup_alpha": 0.05, "ns3l_threshold": 0.05}
    negatives, labels, classes = steps_of(build_tiny("mixmatch_ns3l", tmp_path, **keys), monkeypatch)
    assert classes is None
    assert torch.equal(negatives, labels < 0.05)


def test_weight_zero_is_plain_mixmatch_with_them_spared_too(tmp_path):
    plain = parameters_of(train_tiny("mixmatch", tmp_path / "plain"))
    without = train_tiny("mixmatch_ns3l", tmp_path / "zero", ns3l_spare_mixed=True, ns3l_weight=0.0)
    assert all(torch.equal(plain[name], tensor) for name, tensor in parameters_of(without).items())


@pytest.mark.parametrize("name", ["vat_ns3l", "remixmatch_ns3l", "ns3l"])
def test_nothing_is_spared_where_no_label_is_mixed_as_in_mixmatch(name, tmp_path):
    with pytest.raises(ConfigError, match="ns3l_spare_mixed: expected false, or an algorithm that mixes labels"):
        build_tiny(name, tmp_path, ns3l_spare_mixed=True)
