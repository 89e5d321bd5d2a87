"""Every request that cannot be carried out ends in one line and exit code 2, and nothing is written or deleted."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from one_line import assert_one_line

from usb_negsamp.run.cli import main

WriteConfig = Callable[..., str]

WRONG_VALUES: list[tuple[dict[str, Any], str]] = [
    ({"algorithm": "vat_ns3"}, "unknown algorithm 'vat_ns3'; did you mean 'vat_ns3l'?"),
    ({"algorithm": 3}, "unknown algorithm '3'; expected one of"),
    ({"imb_algorithm": "debias"}, "unknown imb_algorithm 'debias'; did you mean 'debiaspl'?"),
    ({"net": "wrn_28_22"}, "unknown net 'wrn_28_22'; did you mean 'wrn_28_2'?"),
    ({"net": "timm:resnet1"}, "resnet1"),
    ({"net": "resnet5", "net_from_name": True}, "resnet5"),
    ({"dataset": "digit"}, "unknown dataset 'digit'; did you mean 'digits'?"),
    ({"optim": "Adm"}, "unknown optimizer 'Adm'; did you mean 'Adam'?"),
    ({"device": "gpu"}, "device must be one of auto, cpu, cuda, got 'gpu'"),
    ({"train_sampler": "random"}, "unknown train_sampler 'random'; did you mean 'RandomSampler'?"),
    ({"num_labels": 0}, "num_labels must be more than 0, got 0"),
    ({"dataset": "cifar10", "num_labels": 43}, "num_labels must be divisible by num_classes, got 43 labels for 10"),
    ({"dataset": "cifar10", "num_labels": 43}, "nearest: 40"),
    ({"num_classes": 1}, "num_classes must be at least 2, got 1"),
    ({"num_classes": 9}, "num_classes must be 10 for dataset digits, got 9"),
    ({"batch_size": 0}, "batch_size must be more than 0, got 0"),
    ({"eval_batch_size": 0}, "eval_batch_size must be more than 0, got 0"),
    ({"batch_size": "many"}, "run.yaml: batch_size must be a whole number, got 'many'"),
    ({"batch_size": 8.5}, "run.yaml: batch_size must be a whole number, got 8.5"),
    ({"batch_size": None}, "run.yaml: batch_size must be a whole number, got nothing"),
    ({"uratio": 0}, "uratio must be more than 0, got 0"),
    ({"epoch": 0}, "epoch must be more than 0, got 0"),
    ({"epoch": 3}, "num_train_iter must be divisible by epoch, got 20 and 3; nearest num_train_iter: 21"),
    ({"num_train_iter": -1}, "num_train_iter must be more than 0, got -1"),
    ({"num_eval_iter": 0}, "num_eval_iter must be more than 0, got 0"),
    ({"num_log_iter": 0}, "num_log_iter must be more than 0, got 0"),
    ({"num_warmup_iter": 21}, "num_warmup_iter must be at most num_train_iter, got 21 and 20"),
    ({"lr": 0}, "lr must be more than 0, got 0.0"),
    ({"lr": "fast"}, "run.yaml: lr must be a number, got 'fast'"),
    ({"lr": float("nan")}, "run.yaml: lr must be a number, got nan"),
    ({"momentum": 1.0}, "momentum must be at least 0 and less than 1, got 1.0"),
    ({"weight_decay": -0.1}, "weight_decay must be 0 or more, got -0.1"),
    ({"ema_m": 1.5}, "ema_m must be from 0 to 1, got 1.5"),
    ({"layer_decay": 2}, "layer_decay must be more than 0 and at most 1, got 2.0"),
    ({"img_size": 0}, "img_size must be more than 0, got 0"),
    ({"crop_ratio": 1.2}, "crop_ratio must be more than 0 and at most 1, got 1.2"),
    ({"crop_ratio": 0}, "crop_ratio must be more than 0 and at most 1, got 0.0"),
    ({"num_workers": -1}, "num_workers must be 0 or more, got -1"),
    ({"seed": -1}, "seed must be from 0 to 4294967295, got -1"),
    ({"validation_size": -5}, "validation_size must be 0 or more, got -5"),
    ({"bn_batches": -5}, "bn_batches must be 0 or more, got -5"),
    ({"ns3l_threshold": 0.1}, "ns3l_threshold must be more than 0 and less than 1/num_classes = 0.1, got 0.1"),
    ({"ns3l_threshold": 0}, "ns3l_threshold must be more than 0"),
    ({"ns3l_weight": -1}, "ns3l_weight must be 0 or more, got -1.0"),
    ({"use_cat": "perhaps"}, "run.yaml: use_cat must be true or false, got 'perhaps'"),
    ({"learning_rate": 0.1}, "run.yaml: unknown key 'learning_rate'"),
    ({"num_label": 40}, "run.yaml: unknown key 'num_label'; did you mean 'num_labels'?"),
    ({"save_name": ".."}, "save_name must be the name of a folder, got '..'"),
]

WRONG_COMMAND_LINES: list[tuple[list[str], str]] = [
    ([], "usage"),
    (["trian"], "unknown command 'trian'; did you mean 'train'?"),
    (["train", "--c", "absent.yaml"], "configuration file absent.yaml does not exist; . has: run.yaml"),
    (["train", "--c"], "--c needs a file"),
    (["train", "--c", "."], "expected a YAML file, but . is a directory"),
    (["train", "run.yaml"], "unexpected 'run.yaml' on the command line; expected --key value"),
    (["train", "--c", "run.yaml", "--num-label", "4"], "command line: unknown key 'num_label'; did you mean"),
    (["train", "--c", "run.yaml", "--p_cutoff", "0.9"], "command line: vat_ns3l does not read 'p_cutoff'"),
    (["train", "--c", "run.yaml", "--lr"], "command line: --lr needs a value"),
    (["train", "--c", "run.yaml", "--lr", "high"], "command line: lr must be a number, got 'high'"),
    (["train", "--c", "run.yaml", "--algorithm"], "command line: --algorithm needs a value"),
    (["train", "--c", "run.yaml", "--world-size", "2"], "command line: --world_size cannot be given: torchrun"),
    (["train", "--c", "run.yaml", "--resume"], "nothing to resume: runs/one/latest_model.pth does not exist"),
    (["train", "--c", "run.yaml", "--resume", "--load_path", "x.pth"], "load_path x.pth does not exist"),
    (["train", "--c", "run.yaml", "--load_path", "run.yaml"], "--load_path is read only together with --resume"),
    (["train", "--c", "run.yaml", "--resume", "--overwrite"], "give one of them"),
    (["train", "--c", "run.yaml", "--save_dir", "run.yaml"], "run.yaml is a file"),
    (["list", "animals"], "unknown kind of names 'animals'; expected one of: algorithms"),
    (["list", "keys", "--algorithm", "fixmach"], "unknown algorithm 'fixmach'; did you mean 'fixmatch'?"),
    (["doctor", "now"], "doctor takes no arguments, got 'now'"),
]

WRONG_FILES: list[tuple[str, str]] = [
    ("- a\n- b\n", "run.yaml must be a mapping of keys to values, but it is a list"),
    ("just words\n", "run.yaml must be a mapping of keys to values, but it is a str"),
    ("lr: [0.1\n", "run.yaml is no valid YAML"),
    ("lr: 0.1\nlr: 0.2\n", "the key 'lr' is given twice (line 2, column 1)"),
    ("1: 2\n", "run.yaml: the key 1 is no name"),
    ("lr: !!python/object:os.system x\n", "run.yaml is no valid YAML"),
    ("\x00\x01", "run.yaml is no valid YAML"),
]


def test_there_are_at_least_thirty_kinds_of_bad_input() -> None:
    assert len(WRONG_VALUES) + len(WRONG_COMMAND_LINES) + len(WRONG_FILES) >= 30


@pytest.mark.parametrize(("changes", "fragment"), WRONG_VALUES, ids=lambda value: str(value)[:40])
def test_a_wrong_value_in_the_file_is_one_line(
    changes: dict[str, Any],
    fragment: str,
    write_config: WriteConfig,
    work_dir: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert_one_line(["train", "--c", write_config(**changes)], fragment, work_dir, capsys)


@pytest.mark.parametrize(("argv", "fragment"), WRONG_COMMAND_LINES, ids=lambda value: str(value)[:60])
def test_a_wrong_command_line_is_one_line(
    argv: list[str], fragment: str, write_config: WriteConfig, work_dir: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_config()
    assert_one_line(argv, fragment, work_dir, capsys)


@pytest.mark.parametrize(("text", "fragment"), WRONG_FILES, ids=lambda value: repr(value)[:40])
def test_a_wrong_file_is_one_line(text: str, fragment: str, work_dir: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (work_dir / "run.yaml").write_text(text)
    assert_one_line(["train", "--c", "run.yaml"], fragment, work_dir, capsys)


@pytest.mark.skipif(torch.cuda.is_available(), reason="asks for what this machine has")
def test_a_gpu_that_is_not_there_is_one_line(
    write_config: WriteConfig, work_dir: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    argv = ["train", "--c", write_config(), "--device", "cuda"]
    assert_one_line(argv, "cuda was asked for, but PyTorch finds no GPU", work_dir, capsys)


def test_a_batch_that_processes_cannot_share_is_one_line(
    write_config: WriteConfig, work_dir: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in {"RANK": "0", "LOCAL_RANK": "0", "WORLD_SIZE": "3"}.items():
        monkeypatch.setenv(name, value)
    fragment = "batch_size must be divisible by the number of processes, got 8 and 3"
    assert_one_line(["train", "--c", write_config()], fragment, work_dir, capsys)


def test_only_the_first_process_prints_the_line(
    write_config: WriteConfig, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write_config(lr=0)
    monkeypatch.setenv("RANK", "1")
    assert main(["train", "--c", path]) == 2
    assert capsys.readouterr().err == ""


def test_an_existing_run_is_refused_and_left_as_it_is(
    write_config: WriteConfig, work_dir: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (work_dir / "runs/one").mkdir(parents=True)
    (work_dir / "runs/one/latest_model.pth").write_bytes(b"precious")
    argv = ["train", "--c", write_config()]
    assert_one_line(argv, "give --resume to go on with it, --overwrite to replace it", work_dir, capsys)


@pytest.mark.parametrize(
    ("changes", "fragment"),
    [
        ({"dataset": "image_folder", "data_dir": "nowhere"}, "nowhere"),
        ({"num_labels": 43}, "43"),
        ({"num_labels": 4000}, "400 labeled"),
    ],
)
def test_data_that_do_not_fit_are_one_line_and_an_overwritten_run_is_still_there(
    changes: dict[str, Any],
    fragment: str,
    write_config: WriteConfig,
    work_dir: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    (work_dir / "runs/one").mkdir(parents=True)
    (work_dir / "runs/one/latest_model.pth").write_bytes(b"precious")
    assert_one_line(["train", "--c", write_config(**changes), "--overwrite"], fragment, work_dir, capsys)


def test_a_checkpoint_that_is_none_is_one_line(
    write_config: WriteConfig, work_dir: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (work_dir / "broken.pth").write_bytes(b"no checkpoint")
    argv = ["train", "--c", write_config(), "--resume", "--load_path", "broken.pth"]
    assert_one_line(argv, "broken.pth", work_dir, capsys)
