"""A configuration that comes with the package can be named from any folder."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from one_line import assert_one_line
from sweep_request import sweep_request

from usb_negsamp.errors import ConfigError
from usb_negsamp.run.cli.main import main
from usb_negsamp.run.configuration.packaged import find_config, packaged_configs, packaged_folder
from usb_negsamp.run.configuration.resolution import read_sources, resolve
from usb_negsamp.run.sweep.grid import make_plan

DIGITS = packaged_folder("config") / "vat_ns3l_digits.yaml"
CIFAR10 = packaged_folder("config") / "ns3l" / "table1_cifar10_vat_ns3l.yaml"


@pytest.mark.parametrize(
    ("name", "path"),
    [
        ("vat_ns3l_digits", DIGITS),
        ("vat_ns3l_digits.yaml", DIGITS),
        ("config/vat_ns3l_digits.yaml", DIGITS),
        ("config/vat_ns3l_digits", DIGITS),
        ("ns3l/table1_cifar10_vat_ns3l", CIFAR10),
        ("./config/ns3l/table1_cifar10_vat_ns3l.yaml", CIFAR10),
    ],
)
def test_a_name_is_found_in_an_empty_folder_and_the_user_is_told(name: str, path: Path, work_dir: Path) -> None:
    found = find_config(name)
    assert found.path == path
    assert found.note == f"--c {name}: no such file here, taking the packaged {path}"
    assert resolve(read_sources(["--c", name])).notes[0] == found.note


@pytest.mark.parametrize(
    ("name", "file"),
    [
        ("vat_ns3l_digits", "vat_ns3l_digits"),
        ("vat_ns3l_digits", "vat_ns3l_digits.yaml"),
        ("vat_ns3l_digits.yaml", "vat_ns3l_digits.yaml"),
        ("config/vat_ns3l_digits.yaml", "config/vat_ns3l_digits.yaml"),
        ("sub/mine", "sub/mine.yml"),
    ],
)
def test_a_file_here_wins_without_a_word(name: str, file: str, work_dir: Path) -> None:
    Path(file).parent.mkdir(exist_ok=True)
    Path(file).write_text("algorithm: supervised\n")
    found = find_config(name)
    assert (found.path, found.note) == (Path(file), "")
    assert read_sources(["--c", name]).file_values == {"algorithm": "supervised"}


def test_the_folder_of_a_run_does_not_hide_the_configuration_of_its_name(work_dir: Path) -> None:
    Path("vat_ns3l_digits").mkdir()
    assert find_config("vat_ns3l_digits").path == DIGITS


def test_every_packaged_configuration_is_found_by_its_name(work_dir: Path) -> None:
    configs = packaged_configs()
    assert {"vat_ns3l_digits": DIGITS, "ns3l/table1_cifar10_vat_ns3l": CIFAR10}.items() <= configs.items()
    assert {name: find_config(name).path for name in configs} == configs


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("vat_ns3l_digts", "configuration file vat_ns3l_digts does not exist; did you mean 'vat_ns3l_digits'?"),
        ("table1_cifar10_vat_ns3l", "did you mean 'ns3l/table1_cifar10_vat_ns3l'?"),
        ("config/dnll_digit.yaml", "did you mean 'dnll_digits'?"),
        ("sub/mnie", "did you mean 'sub/mine'?"),
        ("sub/zzz", "; sub has: mine.yaml, and `usb-negsamp list configs` shows the packaged ones"),
        ("nowhere/zzz", "does not exist; `usb-negsamp list configs` shows the packaged ones"),
        ("sub", "expected a YAML file, but sub is a directory"),
    ],
)
def test_a_name_of_nothing_is_an_error_with_the_nearest(name: str, said: str, work_dir: Path) -> None:
    Path("sub").mkdir()
    Path("sub/mine.yaml").write_text("lr: 1\n")
    with pytest.raises(ConfigError) as caught:
        find_config(name)
    assert said in str(caught.value)


def test_errors_in_a_packaged_run_name_the_file(
    write_config: Callable[..., str], work_dir: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert_one_line(
        ["train", "--c", "vat_ns3l_digits", "--lr", "0"], "lr: expected a number above 0, but got 0", work_dir, capsys
    )
    assert_one_line(["sweep", "--c", "vat_ns3l_digts", "--seeds", "2"], "did you mean 'vat_ns3l", work_dir, capsys)


def test_a_sweep_takes_the_file_and_says_so_once(work_dir: Path, capsys: pytest.CaptureFixture[str]) -> None:
    request = sweep_request(["--c", "vat_ns3l_digits", "--seeds", "2"])
    plan = make_plan(request)
    assert capsys.readouterr().err == f"usb-negsamp: {find_config('vat_ns3l_digits').note}\n"
    assert plan.directory.name == "vat_ns3l_digits_sweep"
    assert {run.argv[:2] for run in plan.runs} == {("--c", str(DIGITS))}


def test_training_says_on_one_line_which_file_it_took(work_dir: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["--num_train_iter", "2", "--num_eval_iter", "2", "--num_log_iter", "1", "--device", "cpu"]
    words += ["--curve", "false", "--use_tensorboard", "false"]
    assert main(["train", "--c", "vat_ns3l_digits", *words]) == 0
    lines = capsys.readouterr().err.splitlines()
    assert [line for line in lines if str(DIGITS) in line] == [f"usb-negsamp: {find_config('vat_ns3l_digits').note}"]
