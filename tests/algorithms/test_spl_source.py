"""What SPL takes over from the run that it starts from, beside the weights."""

import json
import os

import pytest
import torch
from spl_runs import SHORT, Watch, equal

from usb_negsamp.algorithms.spl.source import carried_by_source
from usb_negsamp.host.checkpoints.file import read_checkpoint
from usb_negsamp.testing import build_tiny, train_tiny


def settings_of(name):
    """Short runs in which thresholds have moved far from where they start."""
    own = {"flexmatch": {"p_cutoff": 0.4, "thresh_warmup": False}, "freematch": {"ema_p": 0.9}}.get(
        name.split("_")[0], {}
    )
    return {**SHORT, "lr": 0.03, "num_train_iter": 20, **own}


def finished(name, directory, **overrides):
    """A run to its end as the command line leaves it, with its manifest; its folder."""
    algorithm = train_tiny(name, directory, **overrides)
    if hasattr(algorithm, "finetune"):
        algorithm.finetune()
    folder = os.path.join(algorithm.save_dir, algorithm.save_name)
    manifest = {"config": {"algorithm": name}, "split_seed": algorithm.args.seed}
    with open(os.path.join(folder, "manifest.json"), "w", encoding="utf-8") as file:
        json.dump(manifest, file)
    return folder


def stage_alone(directory, source, name, lines=None, **overrides):
    """What each step of a stage from the run at ``source`` leaves."""
    algorithm = build_tiny(name, directory, **overrides, spl_from=source)
    algorithm.print_fn = (lambda line: None) if lines is None else lines.append
    watch = Watch()
    algorithm.register_hook(watch, None, "LOWEST")
    algorithm.train()
    algorithm.finetune()
    return watch, algorithm


@pytest.mark.parametrize(
    "name", ["vat_spl", "flexmatch_spl", "freematch_spl", "simmatch_ns3l_spl", "fixmatch_dnll_spl"]
)
def test_the_stage_of_another_run_takes_the_steps_that_it_takes_within_that_run(tmp_path, name):
    overrides = settings_of(name)
    within = build_tiny(name, tmp_path / "within", **overrides)
    watch = Watch()
    within.register_hook(watch, None, "LOWEST")
    within.train()
    within.finetune()
    # The training alone, and the run with a stage of its own after it.
    for kind in ("plain", "within"):
        if kind == "plain":
            source = finished(name.removesuffix("_spl"), tmp_path / "plain", **overrides)
        else:
            source = within.run_directory
            manifest = {"config": {"algorithm": name}, "split_seed": within.args.seed}
            (tmp_path / "within" / within.save_name / "manifest.json").write_text(json.dumps(manifest))
        other, _ = stage_alone(tmp_path / f"from {kind}", source, name, **overrides)
        assert [step["kind"] for step in other.steps] == [step["kind"] for step in watch.steps]
        for step, expected in zip(other.steps, watch.steps, strict=True):
            for part in ("parameters", "masks", "scores", "buffers"):
                assert equal(step[part], expected[part]), (step["kind"], part)


@pytest.fixture(scope="module")
def flexmatch(tmp_path_factory):
    return finished("flexmatch", tmp_path_factory.mktemp("flexmatch"), **settings_of("flexmatch"))


def carried_into(name, directory, source, **overrides):
    """Class accuracies of the stage's start and what was said, of a run ``name`` that starts from ``source``."""
    lines: list[str] = []
    algorithm = build_tiny(name, directory, **{**settings_of(name), **overrides}, spl_from=source)
    algorithm.print_fn = lines.append
    algorithm.train()
    said = [line for line in lines if "starts afresh" in line]
    return algorithm, said


def test_thresholds_of_another_run_of_the_same_base_are_gone_on_with(tmp_path, flexmatch):
    saved = read_checkpoint(os.path.join(flexmatch, "latest_model.pth"))
    assert (saved["selected_label"] >= 0).any()
    for name in ("flexmatch_spl", "flexmatch_ns3l_spl"):
        algorithm, said = carried_into(name, tmp_path / name, flexmatch)
        hook = algorithm.hooks_dict["MaskingHook"]
        assert torch.equal(hook.classwise_acc, saved["classwise_acc"])
        assert torch.equal(hook.selected_label, saved["selected_label"])
        assert said == []


def test_settings_of_the_run_itself_stay_its_own(tmp_path, flexmatch):
    algorithm, _ = carried_into("flexmatch_spl", tmp_path, flexmatch, thresh_warmup=True)
    assert algorithm.hooks_dict["MaskingHook"].thresh_warmup is True


def test_another_algorithm_starts_afresh_and_says_so_in_one_line(tmp_path, flexmatch):
    algorithm, said = carried_into("freematch_spl", tmp_path / "freematch", flexmatch)
    assert len(said) == 1
    assert said[0] == (
        f"spl: what freematch carries from step to step starts afresh, not as {flexmatch} left it: it was trained by "
        "flexmatch"
    )
    assert algorithm.hooks_dict["MaskingHook"].p_model.mean() == pytest.approx(0.1)
    _, said = carried_into("vat_spl", tmp_path / "vat", flexmatch)
    assert said == [], "nothing is carried by VAT"


def test_labels_of_other_images_are_not_gone_on_with(tmp_path, flexmatch):
    with open(os.path.join(flexmatch, "manifest.json"), encoding="utf-8") as file:
        manifest = json.load(file)
    checkpoint = read_checkpoint(os.path.join(flexmatch, "latest_model.pth"))
    present = {**checkpoint, "selected_label": checkpoint["selected_label"][:-1]}
    found = carried_by_source(flexmatch, "flexmatch_spl", manifest["split_seed"], present)
    number = len(checkpoint["selected_label"])
    assert found == (None, f"selected_label is ({number},) there and ({number - 1},) here")
    hooks = {"MaskingHook": {"classwise_acc": torch.zeros(3)}}
    present = {**checkpoint, "run_state": {**checkpoint["run_state"], "hooks": hooks}}
    found = carried_by_source(flexmatch, "flexmatch_spl", manifest["split_seed"], present)
    assert found == (None, "of its hook MaskingHook, classwise_acc is (10,) there and (3,) here")
    found = carried_by_source(flexmatch, "flexmatch_spl", manifest["split_seed"] + 1, checkpoint)
    assert found == (None, f"its split_seed was {manifest['split_seed']}")


def test_of_a_checkpoint_without_a_manifest_the_entries_decide(tmp_path, flexmatch):
    saved = read_checkpoint(os.path.join(flexmatch, "latest_model.pth"))
    alone = tmp_path / "host.pth"
    torch.save({name: entry for name, entry in saved.items() if name != "run_state"}, alone)
    algorithm, said = carried_into("flexmatch_spl", tmp_path / "same", str(alone))
    assert torch.equal(algorithm.hooks_dict["MaskingHook"].classwise_acc, saved["classwise_acc"])
    assert said == []
    _, said = carried_into("freematch_spl", tmp_path / "other", str(alone))
    assert len(said) == 1
    assert said[0].endswith("its checkpoint has other entries")


def test_a_second_network_that_the_other_run_had_not_is_said_to_start_afresh(tmp_path, flexmatch):
    _, said = carried_into("flexmatch_dnll_spl", tmp_path, flexmatch)
    assert len(said) == 1
    assert said[0].endswith("left it: it has no peer")
