"""SPL's choice among rates of the steps on V1, and the controls that go through the same choice."""

import os

import pytest
import torch
from spl_runs import SHORT, Cut, CutHook, Watch, equal, run, trained_run

from usb_negsamp.algorithms.spl.settings import CONTROL_LR_FACTORS, INNER_LRS
from usb_negsamp.host.checkpoints.file import read_checkpoint
from usb_negsamp.host.checkpoints.resume import resume
from usb_negsamp.testing import build_tiny, parameters_of, train_tiny

OVERRIDES = {**SHORT, "lr": 0.03, "optim": "AdamW"}


def without_steps(history):
    """The records of a stage but for the count of steps, which goes on from one stage of a choice to the next."""
    return [{name: value for name, value in record.items() if name != "train/spl_steps"} for record in history]


def rank(best):
    return best["accuracy"], -best["loss"]


@pytest.mark.parametrize("name", ["freematch", "fixmatch_dnll"])
def test_the_choice_is_the_best_of_three_stages_each_of_them_as_if_alone(tmp_path, name):
    source = train_tiny(name, tmp_path / "source").args
    source = os.path.join(source.save_dir, source.save_name)
    chosen = run(tmp_path / "chosen", source, f"{name}_spl", **OVERRIDES, spl_inner_lr="select")
    alone = [run(tmp_path / f"{lr:g}", source, f"{name}_spl", **OVERRIDES, spl_inner_lr=lr) for lr in INNER_LRS]
    assert [outcome.rate for outcome in chosen.selection.finished] == list(INNER_LRS)
    for outcome, single in zip(chosen.selection.finished, alone, strict=True):
        assert without_steps(outcome.history) == without_steps(single.stage.history)
    best = max(alone, key=lambda single: rank(single.stage.best))
    assert equal(parameters_of(best), parameters_of(chosen))
    found = chosen.results_dict
    assert found["eval/spl_v1_lr"] == best.results_dict["eval/spl_v1_lr"] in INNER_LRS
    for key in (
        "test/spl_acc",
        "eval/spl_acc",
        "eval/spl_round",
        "test/spl_start_acc",
        "test/spl_start_reestimated_acc",
    ):
        assert found[key] == best.results_dict[key]
    for lr, single in zip(INNER_LRS, alone, strict=True):
        assert found[f"eval/spl_acc_at/{lr:g}"] == single.results_dict["eval/spl_acc"]
        assert f"eval/spl_acc_at/{lr:g}" not in single.results_dict
    steps = [record["train/spl_steps"] for record in chosen.selection.records]
    assert steps == [0, 6, 12, 12, 18, 24, 24, 30, 36]
    saved = read_checkpoint(os.path.join(chosen.run_directory, "model_spl.pth"))
    assert saved["spl"]["v1_lr"] == found["eval/spl_v1_lr"]


def test_a_hard_mask_that_keeps_all_weights_ends_alike_at_every_rate_and_only_the_first_is_tried(tmp_path):
    source = trained_run(tmp_path / "source")
    kept = {**OVERRIDES, "spl_ratio": 1.0}
    alone = [run(tmp_path / f"{lr:g}", source, **kept, spl_inner_lr=lr) for lr in INNER_LRS]
    for single in alone[1:]:
        assert equal(parameters_of(single), parameters_of(alone[0]))
    chosen = run(tmp_path / "chosen", source, **kept, spl_inner_lr="select")
    assert [outcome.rate for outcome in chosen.selection.finished] == [INNER_LRS[0]]
    assert equal(parameters_of(chosen), parameters_of(alone[0]))
    soft = run(tmp_path / "soft", source, **kept, spl_inner_lr="select", spl_mask="soft")
    assert len(soft.selection.finished) == len(INNER_LRS)


def test_the_control_s_rate_is_chosen_as_the_mask_s(tmp_path):
    source = train_tiny("pseudolabel", tmp_path / "source", lr=0.03).args
    source = os.path.join(source.save_dir, source.save_name)
    shared = {**SHORT, "lr": 0.03, "spl_control": "finetune"}
    chosen = run(tmp_path / "chosen", source, **shared, spl_inner_lr="select")
    rates = [factor * (0.1 * 0.03) for factor in CONTROL_LR_FACTORS]
    assert rates == pytest.approx([0.003, 0.01, 0.03])
    alone = [run(tmp_path / f"{rate:g}", source, **shared, spl_outer_lr=rate) for rate in rates]
    for outcome, single in zip(chosen.selection.finished, alone, strict=True):
        assert without_steps(outcome.history) == without_steps(single.stage.history)
    best = max(alone, key=lambda single: rank(single.stage.best))
    assert chosen.results_dict["eval/spl_v1_lr"] == best.results_dict["eval/spl_v1_lr"]
    assert equal(parameters_of(best), parameters_of(chosen))


def test_the_alternating_control_masks_nothing_and_takes_the_outer_steps_of_spl(tmp_path):
    watches = {}
    for control in (None, "alternate"):
        watches[control] = Watch()
        algorithm = run(tmp_path / str(control), None, hooks=[watches[control]], spl_control=control)
    assert not algorithm.stage.masks
    assert [step["kind"] for step in watches["alternate"].steps[1:]] == (["finetune"] * 3 + ["outer"] * 3) * 2
    assert (algorithm.stage.inner_done, algorithm.stage.outer_done) == (6, 6)
    for kind in ("finetune", "outer"):
        for before, after in watches["alternate"].pairs(kind):
            assert not equal(before["parameters"], after["parameters"])
    # Steps on V1 leave the running statistics alone, and those on the training images move them.
    for kind, moved in (("finetune", False), ("outer", True)):
        for before, after in watches["alternate"].pairs(kind):
            if before["kind"] == kind:
                assert equal(before["buffers"], after["buffers"]) != moved
    assert algorithm.results_dict["eval/spl_v1_lr"] == pytest.approx(0.1 * algorithm.args.lr)
    assert algorithm.results_dict["eval/spl_kept_ratio"] == 1.0


def test_steps_on_v1_of_a_chosen_rate_leave_that_of_the_outer_steps(tmp_path):
    algorithm = run(tmp_path, None, spl_control="alternate", spl_inner_lr="select")
    rates = {group["lr"] for group in algorithm.optimizer.param_groups}
    assert rates == {algorithm.spl_settings.outer_lr}
    first, _, third = (outcome.history for outcome in algorithm.selection.finished)
    assert first[0]["eval/spl_v2_loss"] == third[0]["eval/spl_v2_loss"]
    assert first[1]["eval/spl_v2_loss"] != third[1]["eval/spl_v2_loss"]


# Twelve steps a stage: within the first stage, at its last step, within the second's outer and the third's inner steps.
@pytest.mark.parametrize(
    ("name", "steps", "overrides"),
    [
        ("freematch_spl", 4, {}),
        ("freematch_spl", 12, {}),
        ("freematch_spl", 17, {}),
        ("fixmatch_dnll_spl", 26, {"dnll_selection": "error_perception"}),
        ("flexmatch_spl", 29, {"spl_control": "alternate"}),
    ],
)
def test_a_choice_that_is_cut_and_resumed_ends_with_the_same_bits(tmp_path, name, steps, overrides):
    overrides = {**OVERRIDES, "spl_inner_lr": "select", **overrides}
    whole = run(tmp_path / "whole", None, name, **overrides)
    first = build_tiny(name, tmp_path / "cut", **overrides)
    first.register_hook(CutHook(steps), None, "LOWEST")
    first.train()
    with pytest.raises(Cut):
        first.finetune()
    second = build_tiny(name, tmp_path / "cut", **overrides)
    resume(second, os.path.join(second.run_directory, "latest_model.pth"))
    second.train()
    second.finetune()
    assert equal(parameters_of(whole), parameters_of(second))
    assert whole.selection.records == second.selection.records
    assert whole.results_dict == second.results_dict
    ends = [read_checkpoint(os.path.join(run.run_directory, "latest_model.pth")) for run in (whole, second)]
    assert equal(ends[0]["spl"]["network"], ends[1]["spl"]["network"])
    assert torch.equal(ends[0]["spl"]["run_state"]["torch_rng"], ends[1]["spl"]["run_state"]["torch_rng"])
