"""What SPL's stage starts from, and what it refuses."""

import os
import sys

import pytest
import torch
from spl_runs import SHORT, Watch, equal, run, trained_run

from usb_negsamp import ConfigError
from usb_negsamp.algorithms.spl.validation import measure
from usb_negsamp.functional import safe_ratio
from usb_negsamp.host.checkpoints.file import read_checkpoint
from usb_negsamp.host.wrapping.running_statistics import reestimate_batch_norm
from usb_negsamp.testing import build_tiny, tiny_arguments


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    return trained_run(tmp_path_factory.mktemp("trained"))


@pytest.mark.parametrize("bn_batches", [0, 2])
def test_what_new_batch_statistics_alone_do_to_the_start_is_a_figure_of_its_own(tmp_path, trained, bn_batches):
    algorithm = run(tmp_path, trained, bn_batches=bn_batches)
    found = algorithm.results_dict
    plain = build_tiny("pseudolabel", tmp_path / "plain")
    state = read_checkpoint(os.path.join(trained, "model_best.pth"))["ema_model"]
    plain.model.load_state_dict(state)
    plain.call_hook("before_run")
    validation = algorithm.validation

    def accuracies():
        return {
            "test": plain.evaluate("test")["test/top-1-acc"],
            "eval": measure(plain, validation, validation.second)[0],
        }

    own = accuracies()
    reestimate_batch_norm(plain)
    anew = accuracies()
    assert own != anew
    for part in ("test", "eval"):
        assert found[f"{part}/spl_start_reestimated_acc"] == anew[part]
        assert bn_batches or found[f"{part}/spl_start_acc"] == own[part]


def test_without_pre_training_the_stage_starts_from_the_initial_network(tmp_path):
    algorithm = build_tiny("pseudolabel_spl", tmp_path, **SHORT, spl_ablation="no_pretraining")
    initial = {name: p.detach().clone() for name, p in algorithm.model.named_parameters()}
    watch = Watch()
    algorithm.register_hook(watch, None, "LOWEST")
    algorithm.train()
    assert equal(initial, dict(algorithm.model.named_parameters()))
    algorithm.finetune()
    start = {
        name.replace("parametrizations.weight.original", "weight"): p
        for name, p in watch.steps[0]["parameters"].items()
    }
    assert equal(dict(sorted(initial.items())), dict(sorted(start.items())))


def test_the_stage_starts_from_the_averaged_weights_of_a_folder_a_file_or_a_checkpoint_of_the_host(tmp_path, trained):
    best = read_checkpoint(os.path.join(trained, "model_best.pth"))
    last = read_checkpoint(os.path.join(trained, "latest_model.pth"))
    hosts = tmp_path / "hosts.pth"
    torch.save({"model": last["model"], "ema_model": {f"module.{n}": t for n, t in best["ema_model"].items()}}, hosts)
    for source, start, expected in (
        (trained, "best", best["ema_model"]),
        (trained, "last", last["ema_model"]),
        (os.path.join(trained, "latest_model.pth"), "best", last["ema_model"]),
        (str(hosts), "best", best["ema_model"]),
    ):
        algorithm = build_tiny("fixmatch_spl", tmp_path, **SHORT, spl_from=source, spl_start=start, overwrite=True)
        algorithm.train()
        assert equal(expected, dict(algorithm.model.state_dict()))
        assert equal(expected, dict(algorithm.ema_model.state_dict()))
        assert algorithm.it == algorithm.num_train_iter
        assert algorithm.results_dict["test/best_acc"] == algorithm.results_dict["test/last_acc"]


def test_the_stage_under_the_hosts_parallel_wrapper_for_one_process_is_that_without(tmp_path, trained, monkeypatch):
    # Without a number of a GPU the host takes DataParallel. Where it finds no device, it passes everything on.
    monkeypatch.setattr(sys.modules[torch.nn.DataParallel.__module__], "_get_available_device_type", lambda: None)
    plain = run(tmp_path / "plain", trained)
    wrapped = build_tiny("pseudolabel_spl", tmp_path / "wrapped", **SHORT, spl_from=trained)
    wrapped.model, wrapped.ema_model = (torch.nn.DataParallel(model) for model in (wrapped.model, wrapped.ema_model))
    wrapped.train()
    wrapped.finetune()
    assert equal(dict(plain.model.state_dict()), dict(wrapped.model.module.state_dict()))
    assert plain.results_dict == wrapped.results_dict


OPEN_SET = {
    "num_classes": 6, "seen_classes": 6, "mismatch_ratio": 0.5, "num_unlabeled": 300, "num_labels": 30,
    "validation_size": 100,
}  # fmt: skip


def test_the_mismatch_of_an_open_set_split_is_taken_or_estimated(tmp_path):
    for mismatch in (None, "estimate"):
        algorithm = run(
            tmp_path / str(mismatch), None, **OPEN_SET, spl_ablation="no_pretraining", spl_rounds=1,
            spl_mismatch=mismatch,
        )  # fmt: skip
        split = algorithm.dataset_dict["open_set"].split
        if mismatch is None:
            assert algorithm.stage.ratio == pytest.approx(safe_ratio(split.mismatch, split.labeled_ratio))
            assert algorithm.results_dict["train/spl_mismatch"] == split.mismatch == pytest.approx(0.5, abs=0.01)
        else:
            assert safe_ratio(1.0, split.labeled_ratio) <= algorithm.stage.ratio <= 1.0


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        ({"spl_mismatch": None}, "spl_mismatch: expected the share of unlabeled samples of unseen classes"),
        ({"spl_mismatch": 1.5}, "spl_mismatch: expected a number from 0 to 1, or estimate, but got 1.5"),
        ({"spl_ratio": 1.5}, "spl_ratio: expected a number above 0 and at most 1, but got 1.5"),
        ({"spl_ratio": 0.0}, "spl_ratio: expected"),
        ({"validation_size": 0}, "spl needs validation images of its own"),
        ({"validation_size": 1}, "spl_validation_fraction: expected a share that leaves images to both parts"),
        ({"spl_validation_fraction": 1.0}, "spl_validation_fraction: expected"),
        ({"spl_mask": "herd"}, "spl_mask: expected hard or soft, but got 'herd'; did you mean 'hard'"),
        ({"spl_outer": "eq7"}, "spl_outer: expected base or eq6, but got"),
        ({"spl_start": "first"}, "spl_start: expected best or last, but got"),
        ({"spl_ablation": "no_iner"}, "did you mean 'no_inner'"),
        ({"spl_control": "tune"}, "spl_control: expected finetune or alternate, but got"),
        ({"spl_control": "finetune", "spl_ablation": "no_inner"}, "spl_control and spl_ablation: expected one"),
        ({"spl_rounds": 0}, "spl_rounds: expected a whole number of at least 1, but got 0"),
        ({"spl_inner_steps": 0}, "spl_inner_steps: expected"),
        ({"spl_inner_lr": 0.0}, "spl_inner_lr: expected a number above 0, or select, but got 0"),
        ({"spl_inner_lr": "best"}, "spl_inner_lr: expected a number above 0, or select, but got 'best'"),
        (
            {"spl_inner_lr": "select", "spl_ablation": "no_inner"},
            "spl_inner_lr: expected a number with spl_ablation no_in",
        ),
        ({"spl_outer_lr": -1.0}, "spl_outer_lr: expected"),
        ({"spl_patience": -1}, "spl_patience: expected"),
        ({"spl_from": "/nowhere"}, "spl_from: expected the folder or the checkpoint of a run, but /nowhere"),
        ({"spl_from": "/tmp"}, "model_best.pth is not there"),
        ({"spl_from": "/x", "spl_ablation": "no_pretraining"}, "spl_from: expected none"),
    ],
)
def test_impossible_settings_are_one_clear_error_before_any_training(tmp_path, overrides, message):
    with pytest.raises(ConfigError, match=message) as raised:
        build_tiny("pseudolabel_spl", tmp_path, **{**SHORT, **overrides})
    assert "\n" not in str(raised.value)


def test_a_run_of_another_network_is_one_clear_error(tmp_path, trained):
    with pytest.raises(ConfigError, match=r"spl_from: expected a checkpoint of the run's own network .* differs in"):
        build_tiny("pseudolabel_spl", tmp_path, **SHORT, spl_from=trained, net="wrn_28_2", img_size=32)


def test_defaults_are_those_of_the_paper_where_it_says_any(tmp_path):
    args = tiny_arguments("vat_spl", tmp_path)
    assert (args.spl_mask, args.spl_outer, args.spl_validation_fraction) == ("hard", "base", 0.7)
    assert args.spl_mismatch is None
