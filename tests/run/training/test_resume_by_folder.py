"""``train --resume RUN``: a run goes on with nothing but its folder, and with keys that it may have others of."""

from __future__ import annotations

import json
import shutil
from argparse import Namespace
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from one_line import assert_one_line
from yaml_text import SMALL_RUN, yaml_text

from usb_negsamp.run.cli.main import main
from usb_negsamp.run.configuration.checks import check
from usb_negsamp.run.configuration.command_line import parse
from usb_negsamp.run.configuration.processes import Process
from usb_negsamp.run.configuration.resolution import read_sources, resolve
from usb_negsamp.run.training.train import sources_of_run

WriteConfig = Callable[..., str]
SHORT = {"num_train_iter": 4, "num_eval_iter": 2, "num_log_iter": 2, "img_size": 16, "validation_size": 60}


KEYS: dict[str, Any] = {**SHORT, "curve": False, "use_tensorboard": False}


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a run of four iterations."""
    folder = tmp_path_factory.mktemp("finished")
    (folder / "run.yaml").write_text(yaml_text({**SMALL_RUN, **KEYS}))
    assert main(["train", "--c", str(folder / "run.yaml"), "--save_dir", str(folder)]) == 0
    return folder / "one"


@pytest.fixture
def trained(finished: Path, write_config: WriteConfig) -> Path:
    """A copy of that folder, where ``run.yaml`` says that the run is."""
    write_config(**KEYS)
    return Path(shutil.copytree(finished, "runs/one"))


def manifest_of(run: Path) -> dict[str, Any]:
    return dict(json.loads((run / "manifest.json").read_text()))


def test_a_run_goes_on_by_its_folder_as_by_its_file_wherever_it_lies(trained: Path) -> None:
    moved = Path("elsewhere/of another name")
    shutil.copytree(trained, moved)
    assert main(["train", "--c", "run.yaml", "--resume", "--num_train_iter", "8"]) == 0
    Path("run.yaml").unlink()
    assert main(["train", "--resume", str(moved), "--num_train_iter", "8"]) == 0
    by_file, by_folder = (torch.load(run / "latest_model.pth", weights_only=True)["model"] for run in (trained, moved))
    assert all(torch.equal(by_file[name], by_folder[name]) for name in by_file)
    manifest = manifest_of(moved)
    assert (manifest["iterations_done"], manifest["exit_reason"]) == (8, "finished")
    assert (manifest["config"]["save_dir"], manifest["config"]["save_name"]) == ("elsewhere", "of another name")
    assert manifest["resumed_from"] == "elsewhere/of another name/latest_model.pth"
    assert manifest["argv"] == ["--resume", str(moved), "--num_train_iter", "8"]


def test_a_run_goes_on_from_within_its_folder(trained: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(trained)
    assert main(["train", "--resume", ".", "--num_train_iter", "6"]) == 0
    assert manifest_of(Path())["iterations_done"] == 6


@pytest.mark.parametrize("schedule", ["step", "constant"])
def test_what_a_preset_gave_stays_as_it_was_where_the_run_is_made_longer(
    schedule: str, write_config: WriteConfig
) -> None:
    """A preset's drop of the learning rate follows from the length, so that the file asks for another one."""
    keys = {**SHORT, "preset": "ns3l", "algorithm": "supervised", "num_train_iter": 40, "lr_schedule": schedule}
    config = resolve(read_sources(["--c", write_config(**keys), "--overwrite"])).mapping
    assert config["lr_decay_iters"] == [26]
    run = Path("runs/one")
    run.mkdir(parents=True)
    (run / "manifest.json").write_text(json.dumps({"config": config}))
    longer = resolve(sources_of_run(run, parse(["--num_train_iter", "80", "--num-workers=3"]).given))
    differing = {key for key, value in config.items() if longer.mapping[key] != value}
    assert differing == {"num_train_iter", "resume", "overwrite", "num_workers"}
    assert longer.args.resume is True
    # Keys that the run has recorded are not asked for by the user, who could not have given all of them.
    assert "lr_decay_iters" not in longer.given
    check(longer.args, Process(), longer.given)


def test_the_counted_labels_of_an_adaptation_need_be_no_multiple_of_the_classes(write_config: WriteConfig) -> None:
    keys = {"labeled_dataset": "svhn", "unlabeled_dataset": "cifar10", "num_labels": 73257, "algorithm": "supervised"}
    args: Namespace = resolve(read_sources(["--c", write_config(**{**SHORT, **keys, "dataset": "cifar10"})])).args
    check(args, Process(), keys)


@pytest.mark.parametrize(
    ("words", "fragment"),
    [
        (["runs/one", "--lr", "0.5"], "the run in runs/one has lr 0.03 (now 0.5)"),
        (["runs/one", "--algorithm", "fixmatch"], "has algorithm vat_ns3l (now fixmatch)"),
        (["runs/one"], "nothing to resume: the run in runs/one has finished: 4 iterations"),
        (["runs/one", "--num_train_iter", "2"], "num_train_iter: expected at least the 4 iterations"),
        (["runs/one", "--lrr", "2"], "unknown key 'lrr'; did you mean 'lr'"),
        (["runs/one", "--save_name", "x"], "goes on in the run's own folder: --save_name cannot be given"),
        (["runs/one", "--save-dir=x"], "goes on in the run's own folder: --save_dir cannot be given"),
        (["runs/one", "--load_path", "x"], "goes on in the run's own folder: --load_path cannot be given"),
        (["runs/one", "--c", "run.yaml"], "the run's own configuration: --c cannot be given"),
        (["runs/one", "--overwrite"], "--overwrite starts it anew: give one of them"),
        (["runs/on"], "expected the folder of a run, but runs/on does not exist; did you mean 'runs/one'?"),
        (["runs"], "expected the folder of a run, but runs holds no manifest.json"),
        (["runs/one/log.txt"], "but got the file runs/one/log.txt; its folder is runs/one"),
        (["damaged"], "damaged/manifest.json is damaged"),
    ],
    ids=" ".join,
)
def test_what_cannot_go_on_is_one_line(
    words: list[str], fragment: str, trained: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    Path("damaged").mkdir()
    Path("damaged/manifest.json").write_text("{")
    (trained / ".lock").touch()
    capsys.readouterr()
    assert_one_line(["train", "--resume", *words], fragment, Path(), capsys)


def test_a_sweep_takes_no_folder_to_go_on_with(
    work_dir: Path, write_config: WriteConfig, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["sweep", "--c", write_config(), "--seeds", "2", "--resume", "runs/one"]
    assert_one_line(words, "--resume RUN belongs to train", work_dir, capsys)
