"""Every request that cannot be carried out ends in one line and exit code 2, and nothing is written or deleted."""

from __future__ import annotations

import io
import math
import sys
from argparse import Namespace
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from one_line import assert_one_line

from usb_negsamp import ConfigError
from usb_negsamp.data import seen_class_indices
from usb_negsamp.run.cli.main import main
from usb_negsamp.run.configuration.processes import from_environment
from usb_negsamp.run.configuration.tracker_checks import check_trackers
from usb_negsamp.yaml_file import read_yaml

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
    ({"device": "gpu"}, "device: expected auto, cpu or cuda, but got 'gpu'"),
    (
        {"amp": True, "amp_dtype": "bfloat61"},
        "amp_dtype: expected float16 or bfloat16, but got 'bfloat61'; did you mean 'bfloat16'?",
    ),
    ({"accelerate_graph": True}, "accelerate_graph: expected false on the CPU, which has no CUDA graphs, but got true"),
    ({"accelerate": "fast"}, "accelerate: expected none or fastest, but got 'fast'; did you mean 'fastest'?"),
    ({"amp_dtype": "bfloat16"}, "amp_dtype: expected none without amp true, but got 'bfloat16'"),
    ({"accelerate_views": "gpu"}, "accelerate_views: expected host or device, but got 'gpu'"),
    (
        {"accelerate_views": "device", "algorithm": "fixmatch", "augmentation": "color_jitter"},
        "accelerate_views: expected host for views made by ColorJitter, but got device",
    ),
    ({"train_sampler": "random"}, "unknown train_sampler 'random'; did you mean 'RandomSampler'?"),
    ({"num_labels": 0}, "num_labels: expected a whole number above 0, or all, but got 0"),
    (
        {"dataset": "cifar10", "num_labels": 43},
        "num_labels: expected a multiple of num_classes, but got 43 labels for 10",
    ),
    ({"dataset": "cifar10", "num_labels": 43}, "nearest: 40"),
    ({"num_classes": 1}, "num_classes: expected a whole number of at least 2, but got 1"),
    ({"num_classes": 9}, "num_classes: expected 10 for dataset digits, but got 9"),
    ({"batch_size": 0}, "batch_size: expected a whole number above 0, but got 0"),
    ({"eval_batch_size": 0}, "eval_batch_size: expected a whole number above 0, but got 0"),
    ({"batch_size": "many"}, "run.yaml: batch_size: expected a whole number above 0, but got 'many'"),
    ({"batch_size": 8.5}, "run.yaml: batch_size: expected a whole number above 0, but got 8.5"),
    ({"batch_size": None}, "run.yaml: batch_size: expected a whole number above 0, but got nothing"),
    ({"uratio": 0}, "uratio: expected a whole number above 0, but got 0"),
    ({"epoch": 0}, "epoch: expected a whole number above 0, but got 0"),
    ({"epoch": 3}, "num_train_iter: expected a multiple of epoch, but got 20 and 3; nearest num_train_iter: 21"),
    ({"num_train_iter": -1}, "num_train_iter: expected a whole number above 0, but got -1"),
    ({"num_eval_iter": 0}, "num_eval_iter: expected a whole number above 0, but got 0"),
    ({"num_log_iter": 0}, "num_log_iter: expected a whole number above 0, but got 0"),
    ({"num_warmup_iter": 21}, "num_warmup_iter: expected at most num_train_iter = 20, but got 21"),
    ({"lr": 0}, "lr: expected a number above 0, but got 0"),
    ({"lr": "fast"}, "run.yaml: lr: expected a number above 0, but got 'fast'"),
    ({"lr": float("nan")}, "run.yaml: lr: expected a number above 0, but got nan"),
    ({"momentum": 1.0}, "momentum: expected a number from 0 to below 1, but got 1"),
    ({"weight_decay": -0.1}, "weight_decay: expected a number of at least 0, but got -0.1"),
    ({"ema_m": 1.5}, "ema_m: expected a number from 0 to below 1, but got 1.5"),
    ({"layer_decay": 2}, "layer_decay: expected a number above 0 and at most 1, but got 2"),
    ({"img_size": 0}, "img_size: expected a whole number from 1 to 8192, but got 0"),
    ({"crop_ratio": 1.2}, "crop_ratio: expected a number above 0 and at most 1, but got 1.2"),
    ({"crop_ratio": 0}, "crop_ratio: expected a number above 0 and at most 1, but got 0"),
    ({"num_workers": -1}, "num_workers: expected a whole number from 0 to 1024, but got -1"),
    ({"seed": -1}, "seed: expected a whole number from 0 to 4294967295, but got -1"),
    ({"validation_size": -5}, "validation_size: expected a whole number of at least 0, or auto, but got -5"),
    ({"bn_batches": -5}, "bn_batches: expected a whole number of at least 0, but got -5"),
    ({"ns3l_threshold": 0.1}, "ns3l_threshold: expected a number above 0 and below 1/num_classes = 0.1, but got 0.1"),
    ({"ns3l_threshold": 0}, "ns3l_threshold: expected a number above 0 and below"),
    ({"ns3l_weight": -1}, "ns3l_weight: expected a number of at least 0, but got -1"),
    ({"use_cat": "perhaps"}, "run.yaml: use_cat: expected true or false, but got 'perhaps'"),
    ({"learning_rate": 0.1}, "run.yaml: unknown key 'learning_rate'"),
    ({"num_label": 40}, "run.yaml: unknown key 'num_label'; did you mean 'num_labels'?"),
    ({"save_name": ".."}, "save_name: expected the name of a folder, but got '..'"),
    ({"save_name": "."}, "save_name: expected the name of a folder, but got '.'"),
    ({"save_name": "one/.."}, "save_name: expected the name of a folder, but got 'one/..'"),
    ({"save_name": "x" * 300}, "xxx' cannot be the run's folder: a name in it is longer than 255 bytes"),
    ({"train_sampler": "WeightedRandomSampler"}, "unknown train_sampler 'WeightedRandomSampler'; did you mean 'Random"),
    ({"ent_loss_ratio": -5}, "ent_loss_ratio: expected a number of at least 0, but got -5"),
    ({"algorithm": "freematch", "ema_p": 2}, "ema_p: expected a number from 0 to 1, but got 2"),
    ({"algorithm": "softmatch", "n_sigma": 0}, "n_sigma: expected a number above 0, but got 0"),
    ({"algorithm": "mixmatch", "mixup_alpha": -1}, "mixup_alpha: expected a number of at least 0, but got -1"),
    ({"lr_decay_iters": [10]}, "lr_decay_iters: expected none with lr_schedule cosine, but got [10]"),
    (
        {"seen_classes": ""},
        "seen_classes: expected a number of classes, or classes between commas, e.g. 0,1,2 or cat,dog",
    ),
    ({"ns3l_ramp": 2}, "ns3l_ramp: expected a number from 0 to 1, but got 2"),
    (
        {"algorithm": "vat_dnll", "dnll_num_negatives": 10},
        "dnll_num_negatives: expected a number in 1..num_classes - 1",
    ),
    ({"num_labels": 1440, "include_lb_to_ulb": False, "validation_size": 2}, "leave no unlabeled images of 1442"),
    ({"img_size": 8}, "small_cnn takes images from 16x16, but got 8x8"),
    ({"uratio": 4_000_000_000}, "batch_size, uratio and img_size: expected what fits into the memory of this machine"),
    ({"batch_size": 10**9}, "batch_size, uratio and img_size: expected what fits into the memory of this machine"),
    (
        {"batch_size": 2**63},
        "run.yaml: batch_size: expected a whole number above 0, at most 4294967295 in size, but got",
    ),
    ({"eval_batch_size": 2**63}, "eval_batch_size: expected a whole number above 0, at most 4294967295 in size, but"),
    ({"num_train_iter": 4 * 10**9}, "num_train_iter, epoch, batch_size and uratio: expected what fits into the memory"),
    ({"img_size": 1e308}, "run.yaml: img_size: expected a whole number from 1 to 8192, but got 1e+308"),
    ({"img_size": 8192, "batch_size": 1}, "img_size: expected what fits into the memory of this machine"),
    ({"num_workers": 10**9}, "num_workers: expected a whole number from 0 to 1024, but got 1000000000"),
    ({"vat_num_iters": 1e20}, "run.yaml: vat_num_iters: expected a whole number from 0 to 1000, but got 1e+20"),
    ({"lr": 1e308}, "run.yaml: lr: expected a number above 0, at most 1e+30 in size, but got 1e+308"),
    (
        {"lr_schedule": "step", "lr_decay_iters": [10**30]},
        "lr_decay_iters: expected whole numbers above 0 between comm",
    ),
    (
        {"algorithm": "uda", "tsa_schedule": "linaer"},
        "none, linear, log or exp, but got 'linaer'; did you mean 'linear",
    ),
    ({"algorithm": "comatch", "queue_batch": 0}, "queue_batch: expected a whole number above 0, but got 0"),
    (
        {"algorithm": "fixmatch", "imb_algorithm": "cossl", "cossl_tfe_augment": "medium"},
        "expected weak or strong, but",
    ),
    ({"dataset": "cifar10", "ulb_imb_ratio": 0}, "ulb_imb_ratio: expected a whole number other than 0, but got 0"),
    ({"vat_embed": True}, "vat_embed: expected false with dataset digits, whose samples are no texts, but got true"),
    ({"pretrain_path": "net.pth"}, "pretrain_path: expected none without use_pretrain true, but got net.pth"),
    ({"net": "vit_tiny_patch2_32", "img_size": 16}, "net vit_tiny_patch2_32 does not take images of 3 x 16 x 16: "),
]

WRONG_COMMAND_LINES: list[tuple[list[str], str]] = [
    ([], "usage"),
    (["trian"], "unknown command 'trian'; did you mean 'train'?"),
    (["train", "--c", "absent.yaml"], "configuration file absent.yaml does not exist; . has: run.yaml"),
    (["train", "--c"], "--c needs a file"),
    (["train", "--c", "runn.yaml"], "configuration file runn.yaml does not exist; did you mean 'run'?"),
    (["train", "--c", "y" * 300], "cannot read "),
    (["train", "--c", "."], "expected a YAML file, but . is a directory"),
    (["train", "run.yaml"], "unexpected 'run.yaml' on the command line; expected --key value"),
    (["train", "--c", "run.yaml", "--num-label", "4"], "command line: unknown key 'num_label'; did you mean"),
    (["train", "--c", "run.yaml", "--p_cutoff", "0.9"], "command line: vat_ns3l does not read 'p_cutoff'"),
    (["train", "--c", "run.yaml", "--lr"], "command line: --lr needs a value"),
    (["train", "--c", "run.yaml", "--lr", "high"], "command line: lr: expected a number above 0, but got 'high'"),
    (["train", "--c", "run.yaml", "--algorithm"], "command line: --algorithm needs a value"),
    (["train", "--c", "run.yaml", "--world-size", "2"], "command line: --world_size cannot be given: torchrun"),
    (["train", "--c", "run.yaml", "--resume"], "nothing to resume: runs/one/latest_model.pth does not exist"),
    (["train", "--c", "run.yaml", "--resume", "--load_path", "x.pth"], "load_path x.pth does not exist"),
    (["train", "--c", "run.yaml", "--load_path", "run.yaml"], "--load_path is read only together with --resume"),
    (["train", "--c", "run.yaml", "--resume", "--overwrite"], "give one of them"),
    (["train", "--c", "run.yaml", "--save_dir", "run.yaml"], "run.yaml is a file"),
    (
        ["sweep", "--c", "run.yaml", "--algorithm", "dnll", "--grid", "dnll_num_negatives=1,10"],
        "--grid dnll_num_negatives=10",
    ),
    (["eval", "runs/one", "--c", "run.yaml"], "eval takes the run's own configuration: --c cannot be given"),
    (["eval", "runs/one", "--json", "maybe"], "--json: expected true or false, but got 'maybe'"),
    (["reproduce", "ns3l/table1", "--c", "run.yaml"], "--c cannot be given"),
    (["reproduce", "ns3l/table1", "--only", "--dry_run"], "--only needs a value"),
    (["list", "animals"], "unknown kind of names 'animals'; expected one of: algorithms"),
    (["list", "keys", "--algorithm", "fixmach"], "unknown algorithm 'fixmach'; did you mean 'fixmatch'?"),
    (["doctor", "now"], "doctor takes no arguments, but got 'now'"),
]

WRONG_FILES: list[tuple[str, str]] = [
    ("- a\n- b\n", "run.yaml: expected a mapping of keys to values, but it is a list"),
    ("just words\n", "run.yaml: expected a mapping of keys to values, but it is a str"),
    ("lr: [0.1\n", "run.yaml is no valid YAML"),
    ("lr: 0.1\nlr: 0.2\n", "the key 'lr' is given twice (line 2, column 1)"),
    ("1: 2\n", "run.yaml: the key 1 is no name"),
    ("", "run.yaml is empty: expected keys and values, e.g. algorithm: vat_ns3l"),
    ("# nothing yet\n", "run.yaml is empty"),
    ("{a: b}: 3\n", "run.yaml is no valid YAML: a key is no name"),
    ("lr: {{ lr }}\n", "run.yaml is no valid YAML: a key is no name"),
    ("num_labels: !!int abc\n", "run.yaml is no valid YAML: "),
    ("lr: " + "[" * 3000 + "]" * 3000, "run.yaml is no valid YAML: "),
    ("seed: " + "9" * 400, "run.yaml: seed: expected a whole number from 0 to 4294967295, but got "),
    ("num_train_iter: 1:40\n", "run.yaml: num_train_iter: expected a whole number above 0, but got '1:40'"),
    ("batch_size: 2020-13-45\n", "run.yaml: batch_size: expected a whole number above 0, but got '2020-13-45'"),
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
    assert_one_line(
        argv, "device: expected cpu or auto here, where PyTorch finds no GPU, but got cuda", work_dir, capsys
    )


def test_a_batch_that_processes_cannot_share_is_one_line(
    write_config: WriteConfig, work_dir: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in {"RANK": "0", "LOCAL_RANK": "0", "WORLD_SIZE": "3"}.items():
        monkeypatch.setenv(name, value)
    fragment = "batch_size: expected a multiple of the 3 processes, but got 8"
    assert_one_line(["train", "--c", write_config()], fragment, work_dir, capsys)


def test_another_process_than_the_first_speaks_where_nothing_has_ended_it_meanwhile(
    write_config: WriteConfig, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    waits = []
    monkeypatch.setattr("time.sleep", lambda seconds: waits.append((seconds, capsys.readouterr().err)))
    path = write_config(lr=0)
    monkeypatch.setenv("RANK", "1")
    monkeypatch.setenv("WORLD_SIZE", "2")
    assert main(["train", "--c", path]) == 2
    assert waits == [(2.0, "")]
    assert capsys.readouterr().err.startswith("usb-negsamp: error: in process 1, ")


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


def test_whole_numbers_are_read_as_people_write_them(work_dir: Path) -> None:
    (work_dir / "run.yaml").write_text(
        "a: 010\nb: 0x10\nc: 0o10\nd: -3\ne: 1e-3\nf: .5\ng: 1_000\nh: .inf\ni: 2026-01-02\n"
    )
    assert read_yaml("run.yaml") == {
        "a": 10, "b": 16, "c": 8, "d": -3, "e": 0.001, "f": 0.5, "g": "1_000", "h": math.inf, "i": "2026-01-02",
    }  # fmt: skip


def test_folders_named_by_numbers_are_not_mistaken_for_indices() -> None:
    assert seen_class_indices([0, 1], ["0", "1", "2"]) == (0, 1)
    assert seen_class_indices(["10", "2"], ["1", "10", "2"]) == (1, 2)
    with pytest.raises(ConfigError, match="seen_classes: 1 is the name of class 0, not of class 1; give"):
        seen_class_indices([1, 2], ["1", "10", "2"])


@pytest.mark.parametrize(
    ("environment", "fragment"),
    [
        ({"WORLD_SIZE": "2", "RANK": "2"}, "RANK and LOCAL_RANK: expected the first below WORLD_SIZE"),
        ({"WORLD_SIZE": "two"}, "RANK, LOCAL_RANK, WORLD_SIZE, LOCAL_WORLD_SIZE: expected whole numbers"),
    ],
)
def test_processes_that_cannot_be_are_refused(environment: dict[str, str], fragment: str) -> None:
    with pytest.raises(ConfigError, match=fragment):
        from_environment(environment)


def test_a_rank_without_other_processes_is_of_no_account(
    write_config: WriteConfig, work_dir: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RANK", "3")
    assert_one_line(["train", "--c", write_config(lr=0)], "lr: expected a number above 0, but got 0", work_dir, capsys)


def test_several_processes_without_a_meeting_point_are_one_line(
    write_config: WriteConfig, work_dir: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WORLD_SIZE", "2")
    monkeypatch.setenv("RANK", "0")
    for name in ("MASTER_ADDR", "MASTER_PORT"):
        monkeypatch.delenv(name, raising=False)
    assert_one_line(["train", "--c", write_config()], "MASTER_ADDR is not set: start it by torchrun", work_dir, capsys)


def test_a_tracker_without_a_key_is_one_line_before_anything_is_built(
    write_config: WriteConfig, work_dir: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("wandb")
    for name in ("WANDB_API_KEY", "WANDB_IDENTITY_TOKEN_FILE", "WANDB_MODE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("NETRC", str(work_dir / "no_passwords"))
    monkeypatch.setattr("sys.stdin", io.StringIO())
    argv = ["train", "--c", write_config(), "--use_wandb"]
    assert_one_line(argv, "use_wandb: expected an API key of Weights & Biases, but found none", work_dir, capsys)


@pytest.mark.parametrize(("key", "package"), [("use_aim", "aim"), ("use_wandb", "wandb")])
def test_a_tracker_that_is_not_installed_is_one_line(
    key: str,
    package: str,
    write_config: WriteConfig,
    work_dir: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(sys.modules, package, None)
    fragment = f"{key}: expected the package {package}, but it cannot be imported"
    assert_one_line(["train", "--c", write_config(), f"--{key}"], fragment, work_dir, capsys)


@pytest.mark.parametrize("where", ["WANDB_API_KEY", "file", "WANDB_MODE"])
def test_a_key_is_found_where_wandb_finds_it(where: str, work_dir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    wandb = pytest.importorskip("wandb")
    settings = SimpleNamespace(mode="online", api_key=None, base_url="https://api.example.org:8080/path")
    monkeypatch.setattr(wandb, "setup", lambda: SimpleNamespace(settings=settings))
    monkeypatch.setattr("sys.stdin", io.StringIO())
    monkeypatch.delenv("WANDB_API_KEY", raising=False)
    monkeypatch.setenv("NETRC", str(work_dir / "passwords"))
    if where == "file":
        (work_dir / "passwords").write_text("machine api.example.org login user password secret\n")
    elif where == "WANDB_MODE":
        settings.mode = "offline"
    else:
        monkeypatch.setenv(where, "secret")
    check_trackers(Namespace(use_aim=False, use_wandb=True))
