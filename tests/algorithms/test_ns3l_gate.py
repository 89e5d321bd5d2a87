"""NS3L's gate: what an unlabeled image's loss counts, by the averaged network's features."""

from types import SimpleNamespace

import numpy as np
import pytest
import torch

import usb_negsamp
from usb_negsamp import ConfigError
from usb_negsamp.algorithms.ns3l import gate as gates
from usb_negsamp.algorithms.ns3l.density_ratio_gate import check_pool
from usb_negsamp.algorithms.ns3l.gate import LABELED, check_gate
from usb_negsamp.algorithms.ns3l.ns3l import GATES
from usb_negsamp.functional import density_ratio_gate, neighbor_gate
from usb_negsamp.host import Hook
from usb_negsamp.host.checkpoints.file import write_checkpoint
from usb_negsamp.host.checkpoints.resume import resume
from usb_negsamp.testing import build_tiny, check_algorithm, parameters_of, train_tiny

usb_negsamp.register()

GATE = {"ns3l_gate": "neighbors", "ns3l_ramp": 0.0, "ns3l_threshold": 0.09}
BOTH = pytest.mark.parametrize("gate", ["neighbors", "density_ratio"])


def same(first, second):
    return all(torch.equal(first[name], second[name]) for name in first)


def plain(dataset, transform):
    """All images of a data set as they are evaluated, one by one."""
    return torch.stack([transform(dataset.__sample__(index)[0]) for index in range(len(dataset))])


class Keep(Hook):
    """Keeps of each step what the gate said, and what a network by itself makes of the same images."""

    def __init__(self, network_of):
        super().__init__()
        self.network_of = network_of
        self.rows = []

    def after_train_step(self, algorithm):
        network = self.network_of(algorithm)
        was_training = network.training
        network.eval()
        transform = algorithm.dataset_dict["eval"].transform
        unlabeled = plain(algorithm.dataset_dict["train_ulb"], transform)[algorithm.batch["idx_ulb"]]
        labeled = plain(algorithm.dataset_dict["train_lb"], transform)
        with torch.no_grad():
            expected = neighbor_gate(network(unlabeled)["feat"], network(labeled)["feat"])
        network.train(was_training)
        found = algorithm.ns3l_hook.gate.weights(algorithm)
        self.rows.append((found, expected))


def density_weights(algorithm, network, features, places):
    """By the public formula, of places in the pool that are found anew."""
    transform, data = algorithm.dataset_dict["eval"].transform, algorithm.dataset_dict
    chosen = algorithm.ns3l_hook.gate.chosen.tolist()
    with torch.no_grad():
        labeled, pool = (network(plain(data[part], transform))["feat"] for part in ("train_lb", "train_ulb"))
    own = torch.tensor([chosen.index(place) if place in chosen else -1 for place in places.tolist()])
    return density_ratio_gate(features, labeled, pool[chosen], places=own)


class KeepDensity(Keep):
    """The same of the gate that looks at the pool, too."""

    def after_train_step(self, algorithm):
        network = self.network_of(algorithm)
        was_training = network.training
        network.eval()
        places = algorithm.batch["idx_ulb"]
        with torch.no_grad():
            transform = algorithm.dataset_dict["eval"].transform
            features = network(plain(algorithm.dataset_dict["train_ulb"], transform)[places])["feat"]
        expected = density_weights(algorithm, network, features, places)
        network.train(was_training)
        self.rows.append((algorithm.ns3l_hook.gate.weights(algorithm), expected))


def rows_of_steps(name, directory, network_of, **overrides):
    keys = {**GATE, "ns3l_gate_interval": 1, "num_train_iter": 4, "num_eval_iter": 2, "lr": 0.3, **overrides}
    algorithm = build_tiny(name, directory, ns3l_rule="uniform", **keys)
    keep = (KeepDensity if keys["ns3l_gate"] == "density_ratio" else Keep)(network_of)
    algorithm.register_hook(keep, "Keep", "HIGHEST")
    # Ahead of the update of the weights, as NS3L's own.
    algorithm.hooks_dict.move_to_end("Keep", last=False)
    algorithm.train()
    return keep.rows


@BOTH
@pytest.mark.parametrize("name", ["fixmatch_ns3l", "vat_ns3l"])
def test_weights_are_those_of_plain_images_by_the_averaged_network(name, gate, tmp_path):
    rows = rows_of_steps(name, tmp_path, lambda algorithm: algorithm.ema_model, ns3l_gate=gate)
    assert len(rows) == 4
    # A pass over all images rounds otherwise than one over a part of them: by one of 40 labeled images, at scale 2.
    rounding = 0.0 if gate == "neighbors" else 0.051
    for found, expected in rows:
        torch.testing.assert_close(found, expected, rtol=0, atol=rounding)
    assert all(0 < found.mean() < 1 for found, _ in rows)
    of_live = rows_of_steps(name, tmp_path / "live", lambda algorithm: algorithm.model, ns3l_gate=gate)
    assert max(float((found - expected).abs().max()) for found, expected in of_live) > rounding


def test_without_an_average_the_network_itself_looks(tmp_path):
    def network_itself(algorithm):
        # Its running statistics have been moved already by the step's own pass.
        averaged = dict(algorithm.ema_model.named_parameters())
        assert all(torch.equal(parameter, averaged[name]) for name, parameter in algorithm.model.named_parameters())
        return algorithm.ema_model

    rows = rows_of_steps("fixmatch_ns3l", tmp_path, network_itself, ema_m=0.0)
    assert all(torch.equal(found, expected) for found, expected in rows)


@pytest.mark.parametrize(
    ("name", "gate"),
    [("fixmatch_ns3l", "neighbors"), ("vat_ns3l", "density_ratio"), ("ns3l", "neighbors"), ("ns3l", "density_ratio")],
)
def test_weights_of_one_are_no_gate_bit_for_bit(name, gate, tmp_path, monkeypatch):
    keys = {key: value for key, value in GATE.items() if key != "ns3l_gate"}
    without = train_tiny(name, tmp_path / "without", **keys)
    kind = GATES[gate]
    asked, own = [], kind.weights

    def ones(self, algorithm):
        asked.append(own(self, algorithm))
        return torch.ones_like(asked[-1])

    gated = parameters_of(train_tiny(name, tmp_path / "gated", **{**GATE, "ns3l_gate": gate}))
    monkeypatch.setattr(kind, "weights", ones)
    inert = train_tiny(name, tmp_path / "inert", **{**GATE, "ns3l_gate": gate})
    assert len(asked) == 10
    assert same(parameters_of(without), parameters_of(inert))
    assert not same(parameters_of(without), gated)
    assert "train/ns3l_gate" not in without.log_dict
    assert float(inert.log_dict["train/ns3l_gate"]) == 1.0


def test_weight_zero_is_the_plain_algorithm_and_takes_no_pass(tmp_path, monkeypatch):
    monkeypatch.setattr(gates, "averaged_output", None)
    without = parameters_of(train_tiny("fixmatch", tmp_path / "plain"))
    zero = train_tiny("fixmatch_ns3l", tmp_path / "zero", ns3l_weight=0.0, **GATE)
    assert same(without, parameters_of(zero))
    assert "x_ulb_plain" not in zero.batch


@pytest.mark.parametrize("name", ["comatch", "simmatch", "crmatch", "remixmatch", "meanteacher", "supervised", "dash"])
def test_networks_with_more_heads_and_bases_with_loops_of_their_own_have_features_too(name, tmp_path):
    algorithm = train_tiny(f"{name}_ns3l", tmp_path, **GATE)
    assert 0 < float(algorithm.log_dict["train/ns3l_gate"]) < 1


@pytest.mark.parametrize(
    ("gate", "interval", "looks"),
    [
        ("neighbors", None, 4), ("neighbors", 1, 10), ("neighbors", 4, 3), ("neighbors", 100, 1),
        ("density_ratio", None, 2), ("density_ratio", 4, 3),
    ],
)  # fmt: skip
def test_kept_images_are_looked_at_every_so_many_steps(gate, interval, looks, tmp_path, monkeypatch):
    # 40 labeled images and batches of 16: by default they are looked at every third step, with 40 others every fifth.
    kind = GATES[gate]
    count, own = [], kind.look

    def counted(self, algorithm):
        count.append(algorithm.it)
        own(self, algorithm)

    monkeypatch.setattr(kind, "look", counted)
    train_tiny("fixmatch_ns3l", tmp_path, ns3l_gate_interval=interval, **{**GATE, "ns3l_gate": gate})
    assert len(count) == looks


@pytest.mark.parametrize(
    ("name", "gate"), [("fixmatch_ns3l", "neighbors"), ("ns3l_dnll", "neighbors"), ("ns3l_dnll", "density_ratio")]
)
def test_a_resumed_run_keeps_the_features_of_the_step_that_made_them(name, gate, tmp_path):
    settings = {**GATE, "ns3l_gate": gate, "ns3l_gate_interval": 4, "lr": 0.1}

    class Cut(Hook):
        settings_only = True

        def after_train_step(self, algorithm):
            if algorithm.it + 1 == 7:
                algorithm.save_model("cut.pth", algorithm.save_dir)
                raise KeyboardInterrupt

    whole = train_tiny(name, tmp_path / "whole", **settings)
    first = build_tiny(name, tmp_path / "cut", **settings)
    first.register_hook(Cut(), None, "LOWEST")
    with pytest.raises(KeyboardInterrupt):
        first.train()
    second = build_tiny(name, tmp_path / "cut", **settings)
    resume(second, tmp_path / "cut" / "cut.pth")
    kept, left = second.ns3l_hook.gate.features, first.ns3l_hook.gate.features
    assert len(kept) == (1 if gate == "neighbors" else 2)
    assert same(kept, left)
    second.ns3l_hook.gate.look(second)
    assert not any(torch.equal(features, left[key]) for key, features in second.ns3l_hook.gate.features.items())
    second.ns3l_hook.gate.resume_with(left, second, "cut.pth")
    second.train()
    assert same(parameters_of(whole), parameters_of(second))
    if name == "ns3l_dnll":
        assert same(parameters_of(whole.peer), parameters_of(second.peer))
        assert not torch.equal(whole.peer.ns3l_hook.gate.features[LABELED], whole.ns3l_hook.gate.features[LABELED])


@pytest.mark.parametrize("labeled", [torch.zeros(3, 128), torch.zeros(40, 7), torch.zeros(40, 128).long(), "abc"])
def test_features_of_other_images_or_networks_are_refused(labeled, tmp_path):
    right = torch.zeros(40, 128)
    for gate, kind in (("neighbors", "labeled"), ("density_ratio", "unlabeled")):
        run = build_tiny("ns3l", tmp_path, **{**GATE, "ns3l_gate": gate})
        run.epoch = 0
        entries = {"ns3l_labeled_features": right, f"ns3l_{kind}_features": labeled}
        write_checkpoint({**run.get_save_dict(), **entries}, tmp_path / "a.pth")
        message = rf"a\.pth: ns3l_{kind}_features: expected the features of 40 {kind} images, 128 each, but got"
        with pytest.raises(ConfigError, match=message):
            resume(run, tmp_path / "a.pth")


OPEN = {
    "seen_classes": 6, "num_classes": 6, "num_labels": 60, "mismatch_ratio": 0.6, "num_unlabeled": 400,
    "num_train_iter": 40, "num_eval_iter": 40, "epoch": 1, "lr": 0.03, "uratio": 1, "batch_size": 32,
}  # fmt: skip


@BOTH
def test_seen_and_unseen_images_of_the_pool_count_what_the_gate_lets_them(gate, tmp_path):
    algorithm = train_tiny("fixmatch_ns3l", tmp_path, **{**GATE, "ns3l_gate": gate, "ns3l_threshold": 0.1}, **OPEN)
    network, data = algorithm.ema_model.eval(), algorithm.dataset_dict
    transform, targets = data["eval"].transform, torch.as_tensor(data["open_set"].pool.targets)
    with torch.no_grad():
        labeled, pool = (network(plain(data[name], transform))["feat"] for name in ("train_lb", "train_ulb"))
    if gate == "neighbors":
        weights = neighbor_gate(pool, labeled)
    else:
        weights = density_weights(algorithm, network, pool, torch.arange(len(pool)))
    expected = {"weight_seen": weights[targets < 6].mean(), "weight_unseen": weights[targets >= 6].mean()}
    for name, value in expected.items():
        assert algorithm.log_dict[f"train/open/{name}"] == pytest.approx(float(value), abs=1e-3)
        assert algorithm.results_dict[f"train/open/{name}"] == algorithm.log_dict[f"train/open/{name}"]
    assert expected["weight_seen"] > (1.5 if gate == "neighbors" else 3) * expected["weight_unseen"]


def test_the_pool_images_that_are_looked_at_are_as_many_as_labeled_ones_and_drawn_by_the_seed(tmp_path):
    settings = {**GATE, "ns3l_gate": "density_ratio"}
    runs = [build_tiny("ns3l", tmp_path, **settings, **keys) for keys in ({}, {}, {"seed": 7})]
    first, again, other = (run.ns3l_hook.gate.chosen for run in runs)
    assert len(first.unique()) == 40
    assert first.min() >= 0
    assert first.max() < len(runs[0].dataset_dict["train_ulb"])
    assert torch.equal(first, again)
    assert not torch.equal(first, other)


@BOTH
def test_two_processes_follow_one(gate):
    overrides = {**GATE, "ns3l_gate": gate}
    [outcome] = check_algorithm("fixmatch_ns3l", overrides=overrides, checks=["two_processes"]).outcomes
    assert outcome.status == "passed"


@pytest.mark.parametrize(
    ("name", "overrides", "message"),
    [
        ("mixmatch_ns3l", {"ns3l_gate": "neighbors"}, "ns3l_gate: expected none around mixmatch, where NS3L reads"),
        (
            "vat_ns3l",
            {"ns3l_gate": "neighbor"},
            "ns3l_gate: expected none, neighbors or dens.* mean 'neighbors'",
        ),
        ("vat_ns3l", {"ns3l_gate_scale": 0.0}, "ns3l_gate_scale: expected a number above 0, but got 0"),
        ("vat_ns3l", {"ns3l_gate_temperature": 0.0}, "ns3l_gate_temperature: expected a number above 0, but got 0"),
        ("vat_ns3l", {"ns3l_gate_interval": 0}, "ns3l_gate_interval: expected a whole number of at least 1, but got 0"),
    ],
)
def test_impossible_settings_are_one_clear_error(name, overrides, message, tmp_path):
    with pytest.raises(ConfigError, match=message):
        build_tiny(name, tmp_path, **overrides)


def test_texts_and_a_single_labeled_image_are_refused():
    args = SimpleNamespace(dataset="yelp_review")
    texts = SimpleNamespace(args=args, dataset_dict={"eval": SimpleNamespace(transform=None), "train_lb": ["a", "b"]})
    with pytest.raises(ConfigError, match=r"ns3l_gate: expected none for data that are no images, .* yelp_review"):
        check_gate(texts, "neighbors")
    images = {"eval": SimpleNamespace(transform=np.asarray), "train_lb": [0]}
    with pytest.raises(ConfigError, match=r"ns3l_gate: expected none, or at least 2 labeled images .* but got .* 1"):
        check_gate(SimpleNamespace(args=args, dataset_dict=images), "neighbors")
    with pytest.raises(ConfigError, match=r"ns3l_gate: expected none, or at least 2 unlabeled images .* but got .* 1"):
        check_pool(SimpleNamespace(args=args, dataset_dict={"train_ulb": [0]}))
