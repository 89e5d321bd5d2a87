"""SPL's stage: its kinds of steps, stopping and going on, several processes."""

import os

import pytest
import torch
from forked import Started
from spl_runs import SHORT, Cut, CutHook, Watch, equal, run, trained_run

from usb_negsamp.algorithms.ns3l.rules import NegativeTable
from usb_negsamp.host import Hook
from usb_negsamp.host.checkpoints.file import read_checkpoint
from usb_negsamp.host.checkpoints.resume import resume
from usb_negsamp.host.randomness import keyed_randomness
from usb_negsamp.host.wrapping import peer
from usb_negsamp.host.wrapping.running_statistics import reestimate_batch_norm
from usb_negsamp.testing import build_tiny, parameters_of

BFLOAT16 = {"amp": True, "amp_dtype": "bfloat16"}


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    return trained_run(tmp_path_factory.mktemp("trained"))


# Teachers, mixed images, memory banks, distributions and thresholds that the first step makes, a warm-up, images of a
# loop of its own, adversaries, labeled data alone.
EVERY_KIND_OF_STEP = [
    "meanteacher", "mixmatch", "simmatch", "softmatch", "dash", "crmatch", "vat", "supervised", "comatch", "remixmatch",
]  # fmt: skip


@pytest.mark.parametrize("name", EVERY_KIND_OF_STEP)
def test_the_stage_takes_outer_steps_of_any_algorithm(tmp_path, name):
    algorithm = build_tiny(
        f"{name}_ns3l_spl", tmp_path, spl_ratio=0.5, spl_ablation="no_pretraining", spl_rounds=1, spl_inner_steps=1,
        spl_outer_steps=2, spl_inner_lr="select",
    )  # fmt: skip
    if hasattr(algorithm, "warmup"):
        algorithm.warmup()
    watch = Watch()
    algorithm.register_hook(watch, None, "LOWEST")
    algorithm.train()
    algorithm.finetune()
    # One stage for each of three rates, from the same start.
    assert [step["kind"] for step in watch.steps] == ["start", "inner", "outer", "outer"] * 3
    assert not equal(watch.steps[1]["parameters"], watch.steps[2]["parameters"])
    assert equal(watch.steps[0]["parameters"], watch.steps[8]["parameters"])
    assert 0.0 <= algorithm.results_dict["test/spl_acc"] <= 1.0


def test_in_bfloat16_the_steps_of_the_algorithm_are_in_it_and_those_on_the_scores_are_not(tmp_path, trained):
    """Float32 is kept where scores learn and where rounds are compared, and for all that learns."""
    found: dict[str, set[torch.dtype]] = {"scores": set(), "weights": set(), "evaluation": set()}

    class Passes(Hook):
        """Notes in what precision each pass of the stage returned its logits, by what it was for."""

        settings_only = True

        def before_spl_stage(self, algorithm):
            self.masks = algorithm.stage.masks.values()
            algorithm.stage.network.register_forward_hook(self.note)

        def note(self, network, inputs, outputs):
            learning = "scores" if any(mask.learning for mask in self.masks) else "weights"
            found[learning if network.training else "evaluation"].add(outputs["logits"].dtype)

    stage = run(tmp_path, trained, "freematch_spl", hooks=[Passes()], spl_inner_lr=50.0, **BFLOAT16).stage
    assert found == {"scores": {torch.float32}, "weights": {torch.bfloat16}, "evaluation": {torch.float32}}
    assert {tensor.dtype for tensor in stage.network.parameters()} == {torch.float32}
    assert {mask.scores.dtype for mask in stage.masks.values()} == {torch.float32}


# Within inner steps, within outer steps, at the last step of a round; two networks; and in bfloat16.
@pytest.mark.parametrize(
    ("name", "steps", "keys"),
    [
        ("freematch_spl", 2, {}),
        ("freematch_spl", 5, {}),
        ("freematch_spl", 6, {}),
        ("fixmatch_dnll_spl", 5, {}),
        ("freematch_spl", 5, BFLOAT16),
        ("vat_ns3l_spl", 2, BFLOAT16),
    ],
)
def test_a_resumed_stage_ends_with_the_same_bits(tmp_path, name, steps, keys):
    overrides = {**SHORT, **keys, "spl_inner_lr": 50.0, "optim": "AdamW"}
    if "dnll" in name:
        overrides |= {"dnll_selection": "error_perception"}
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
    assert whole.stage.history == second.stage.history
    assert whole.results_dict == second.results_dict
    ends = [read_checkpoint(os.path.join(run.run_directory, "latest_model.pth")) for run in (whole, second)]
    assert equal(ends[0]["spl"]["network"], ends[1]["spl"]["network"])
    assert torch.equal(ends[0]["spl"]["run_state"]["torch_rng"], ends[1]["spl"]["run_state"]["torch_rng"])


def test_the_second_network_stays_as_trained_in_the_checkpoint_and_learns_at_the_stages_rate(tmp_path):
    algorithm = build_tiny("fixmatch_dnll_spl", tmp_path, **SHORT, dnll_selection="error_perception")
    algorithm.train()
    peer = {name: tensor.clone() for name, tensor in algorithm.peer.model.state_dict().items()}
    perceptions = [perception.mass.clone() for perception in algorithm.perceptions]
    algorithm.finetune()
    saved = read_checkpoint(os.path.join(algorithm.run_directory, "latest_model.pth"))
    assert equal(saved["peer"]["model"], peer)
    assert all(torch.equal(s["mass"], p) for s, p in zip(saved["error_perception"], perceptions, strict=True))
    assert not equal(saved["spl"]["carried"]["peer"]["model"], peer)
    assert equal(saved["spl"]["carried"]["peer"]["model"], algorithm.peer.model.state_dict())
    rates = {group["lr"] for group in algorithm.peer.optimizer.param_groups}
    assert rates == {group["lr"] for group in algorithm.optimizer.param_groups} == {algorithm.spl_settings.outer_lr}


def test_no_two_outer_steps_draw_alike(tmp_path, monkeypatch):
    drawn, keys = [], []
    draw = NegativeTable.draw

    def recorded_draw(self, rows, step):
        drawn.append(step)
        return draw(self, rows, step)

    def recorded_key(key):
        keys.append(key)
        return keyed_randomness(key)

    monkeypatch.setattr(NegativeTable, "draw", recorded_draw)
    monkeypatch.setattr(peer, "keyed_randomness", recorded_key)
    algorithm = build_tiny("ns3l_dnll_spl", tmp_path, **SHORT, ns3l_rule="uniform")
    algorithm.train()
    trained = set(drawn)
    drawn.clear()
    keys.clear()
    algorithm.finetune()
    # Two rounds of three outer steps, in each of which both networks draw.
    assert len(drawn) == 12
    assert len(set(drawn)) == 6
    assert not set(drawn) & trained
    assert len(set(keys)) >= 6
    assert algorithm.steps_after_training == 0


def test_dense_fine_tuning_masks_nothing_and_reads_v1_alone(tmp_path, trained):
    watch = Watch()
    algorithm = run(tmp_path, trained, hooks=[watch], spl_control="finetune", spl_mismatch=None)
    assert [step["kind"] for step in watch.steps[1:]] == ["finetune"] * 12
    assert not algorithm.stage.masks
    assert algorithm.stage.outer_done == 0
    for before, after in watch.pairs("finetune"):
        assert all(not torch.equal(before["parameters"][n], after["parameters"][n]) for n in ("classifier.weight",))
    assert algorithm.stage.history[-1]["train/spl_v1_loss"] < algorithm.stage.history[0]["train/spl_v1_loss"]


class Momentum(Hook):
    """Keeps, at each update of the weights, the step's number in its phase and whether the optimizer remembers any."""

    settings_only = True

    def __init__(self):
        self.found = []

    def before_spl_stage(self, algorithm):
        stage = algorithm.stage
        stage.optimizer.register_step_pre_hook(lambda *_: self.found.append((stage.step, bool(stage.optimizer.state))))


def test_no_momentum_goes_from_one_mask_to_the_next(tmp_path, trained):
    momentum = Momentum()
    run(tmp_path, trained, hooks=[momentum], spl_rounds=2, spl_outer_steps=2)
    assert momentum.found == [(1, False), (2, True)] * 2


def test_ablations_leave_out_what_they_say(tmp_path, trained):
    def kinds(**overrides):
        watch = Watch()
        algorithm = run(tmp_path / "-".join(map(str, overrides.values())), trained, hooks=[watch], **overrides)
        return algorithm, watch

    _, watch = kinds(spl_ablation="no_inner")
    assert {step["kind"] for step in watch.steps} == {"start", "outer"}
    assert equal(watch.steps[0]["masks"], watch.steps[-1]["masks"])
    _, watch = kinds(spl_ablation="no_outer")
    assert {step["kind"] for step in watch.steps} == {"start", "inner"}
    assert equal(watch.steps[0]["parameters"], watch.steps[-1]["parameters"])
    _, watch = kinds(spl_ablation="no_bilevel", spl_inner_lr=100.0)
    assert {step["kind"] for step in watch.steps} == {"start", "joint"}
    for before, after in watch.pairs("joint"):
        assert not equal(before["parameters"], after["parameters"])
        assert not equal(before["scores"], after["scores"])
    _, watch = kinds(spl_ablation="no_identification")
    _, other = kinds(spl_ablation=None)
    assert not equal(watch.steps[0]["masks"], other.steps[0]["masks"])
    sizes = [{path: int(mask.sum()) for path, mask in w.steps[0]["masks"].items()} for w in (watch, other)]
    assert sizes[0] == sizes[1]


def test_rounds_without_a_better_validation_end_the_stage(tmp_path, trained):
    algorithm = run(tmp_path, trained, spl_rounds=9, spl_patience=2, spl_mismatch=0.0, spl_ablation="no_outer")
    assert [record["train/spl_round"] for record in algorithm.stage.history] == [0, 1, 2, 3]
    assert algorithm.results_dict["eval/spl_round"] == 1


def test_the_round_that_was_best_on_v2_is_kept(tmp_path, trained):
    algorithm = run(tmp_path, trained, spl_rounds=4, spl_inner_lr=100.0)
    figures = [(r["eval/spl_v2_acc"], -r["eval/spl_v2_loss"]) for r in algorithm.stage.history[1:]]
    assert algorithm.results_dict["eval/spl_round"] == 1 + figures.index(max(figures))
    assert algorithm.results_dict["eval/spl_acc"] == max(figures)[0]


@pytest.mark.parametrize("overrides", [{"spl_ablation": "no_outer"}, {}, {"spl_control": "alternate"}])
def test_every_round_has_the_batch_statistics_of_its_own_weights(tmp_path, trained, overrides):
    watch = Watch()
    algorithm = run(tmp_path, trained, hooks=[watch], spl_inner_lr=100.0, **overrides)
    statistics = [buffer.clone() for buffer in algorithm.model.buffers()]
    of_last_step = watch.steps[algorithm.stage.best["round"] * 6 if "spl_ablation" not in overrides else -1]["buffers"]
    assert not equal(of_last_step, {name: b for name, b in algorithm.model.named_buffers() if "running" in name})
    # The mask is folded in: the same weights in a plain network.
    reestimate_batch_norm(algorithm)
    assert all(torch.equal(a, b) for a, b in zip(statistics, algorithm.model.buffers(), strict=True))


def test_two_processes_keep_the_same_scores_and_follow_one(tmp_path):
    processes = [
        Started("spl_process:main", [str(tmp_path), str(rank), str(world_size)])
        for rank, world_size in ((0, 2), (1, 2), (0, 1))
    ]
    for process in processes:
        ended = process.ended()
        assert ended.returncode == 0, ended.stderr[-2000:]
    first, second, alone = (torch.load(tmp_path / f"{name}.pth", weights_only=True) for name in ("2_0", "2_1", "1_0"))
    assert equal(first, second)
    for name, tensor in alone.items():
        assert torch.allclose(tensor.float(), first[name].float(), atol=1e-3), name
