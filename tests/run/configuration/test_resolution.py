"""Where a value comes from: defaults, the file, the command line."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from usb_negsamp.errors import ConfigError
from usb_negsamp.key import Key
from usb_negsamp.run.configuration import command_line
from usb_negsamp.run.configuration.keys import OWN_KEYS, markdown_table
from usb_negsamp.run.configuration.notes import APART
from usb_negsamp.run.configuration.resolution import Resolved, Sources, read_sources, resolve
from usb_negsamp.yaml_file import read_yaml

WriteConfig = Callable[..., str]


def resolved(*argv: str) -> Resolved:
    return resolve(read_sources(argv))


def test_the_command_line_beats_the_file_and_the_file_beats_the_defaults(write_config: WriteConfig) -> None:
    args = resolved("--c", write_config(num_labels=40, seed=5), "--seed", "7").args
    assert (args.seed, args.num_labels, args.uratio) == (7, 40, 1)


def test_every_default_is_the_hosts_own_except_those_that_our_launcher_chooses() -> None:
    args = resolved("--algorithm", "fixmatch").args
    assert (args.lr, args.momentum, args.p_cutoff, args.T, args.num_train_iter) == (3e-2, 0.9, 0.95, 0.5, 20)
    assert (args.resume, args.overwrite, args.include_lb_to_ulb) == (False, False, True)


def test_the_arguments_of_the_algorithm_and_of_the_imbalanced_algorithm_are_known() -> None:
    args = resolved("--algorithm", "vat_ns3l", "--imb_algorithm", "debiaspl").args
    assert args.vat_eps == 6.0
    assert args.ns3l_weight == 1.0
    assert args.debiaspl_tau == 0.4


def test_the_namespace_has_what_the_host_reads_of_a_single_process() -> None:
    args = resolved().args
    assert (args.distributed, args.world_size, args.rank, args.gpu) == (False, 1, 0, None)


def test_dashes_and_equals_signs_and_bare_flags_are_understood(write_config: WriteConfig) -> None:
    args = resolved("--c", write_config(), "--num-labels=100", "--overwrite", "--use-tensorboard", "--curve=no").args
    assert (args.num_labels, args.overwrite, args.use_tensorboard, args.curve) == (100, True, True, False)


def test_a_run_without_a_name_is_named_after_what_it_is() -> None:
    assert resolved("--algorithm", "vat", "--dataset", "svhn", "--seed", "3").args.save_name == "vat_svhn_400_3"


def test_a_file_may_hold_keys_of_another_algorithm_so_that_one_file_serves_several(write_config: WriteConfig) -> None:
    run = resolved("--c", write_config(ns3l_weight=0.5), "--algorithm", "supervised")
    assert run.notes == ["run.yaml: ignored ns3l_weight (supervised does not read it)"]


def test_a_file_of_the_host_is_accepted_with_one_line_about_what_it_cannot_decide(write_config: WriteConfig) -> None:
    path = write_config(
        resume=True,
        overwrite=True,
        load_path="./saved_models/x/latest_model.pth",
        clip=0.0,
        world_size=1,
        rank=0,
        dist_url="tcp://127.0.0.1:10001",
        dist_backend="nccl",
        gpu="None",
        ulb_num_labels="None",
        multiprocessing_distributed=False,
    )
    run = resolved("--c", path)
    assert len(run.notes) == 1
    for key in ("resume", "overwrite", "load_path", "clip (did you mean clip_grad?)"):
        assert key in run.notes[0]
    assert (run.args.resume, run.args.overwrite, run.args.load_path, run.args.gpu) == (False, False, None, None)


def test_a_file_that_asks_for_several_processes_is_told_about_torchrun(write_config: WriteConfig) -> None:
    run = resolved("--c", write_config(multiprocessing_distributed=True))
    assert len(run.notes) == 1
    assert "torchrun" in run.notes[0]
    assert run.args.multiprocessing_distributed is False


@pytest.mark.parametrize(
    ("kind", "value", "expected"),
    [
        (float, "3e-3", 0.003),
        (float, 1, 1.0),
        (int, 1e3, 1000),
        (int, "1e3", 1000),
        (int, "-100", -100),
        (bool, "False", False),
        (bool, 1, True),
        (str, 17, "17"),
        (str, "none", "none"),
    ],
)
def test_a_value_takes_the_type_of_its_key(kind: Any, value: Any, expected: Any) -> None:
    converted = Key("key", kind, kind()).converted(value, "file")
    assert converted == expected
    assert type(converted) is type(expected)


@pytest.mark.parametrize(
    ("kind", "value"),
    [(int, 1.5), (int, True), (float, "fast"), (float, "nan"), (float, [1]), (bool, "maybe"), (str, {}), (int, None)],
)
def test_a_value_of_the_wrong_type_is_refused(kind: Any, value: Any) -> None:
    with pytest.raises(ConfigError, match=r"file: key: expected .*, but got"):
        Key("key", kind, kind()).converted(value, "file")


def test_numbers_without_a_point_are_numbers_as_in_yaml_1_2(work_dir: Path) -> None:
    (work_dir / "a.yaml").write_text("lr: 3e-3\nweight: 1E5\nname: e5\ncount: 12\nversion: 1.0e-3\n")
    content = read_yaml("a.yaml")
    assert content == {"lr": 0.003, "weight": 100000.0, "name": "e5", "count": 12, "version": 0.001}
    assert isinstance(content["count"], int)


def test_a_negative_number_is_a_value_and_not_a_flag() -> None:
    assert command_line.parse(["--ulb_imb_ratio", "-100", "--x"]).given == {"ulb_imb_ratio": "-100", "x": None}


def test_the_table_for_the_readme_has_every_key_of_ours() -> None:
    table = markdown_table()
    assert all(f"| `{key.name}` |" in table for key in OWN_KEYS)


def test_recording_the_hosts_arguments_leaves_the_host_as_it_was() -> None:
    import argparse

    from semilearn.lighting import config

    from usb_negsamp.host.arguments import argument_definitions

    port = config.get_port
    definitions = argument_definitions("fixmatch")
    assert config.argparse is argparse
    assert config.get_port is port
    assert definitions["amp"].type is bool
    assert definitions["multiprocessing_distributed"].default is False


@pytest.mark.parametrize("algorithm", ["vat", "vat_ns3l", "pimodel_spl", "pseudolabel", "meanteacher"])
def test_use_cat_where_the_host_passes_images_apart_is_noted(algorithm: str) -> None:
    [note] = resolve(Sources(None, {"algorithm": algorithm, "use_cat": True}, {})).notes
    assert note.startswith(f"use_cat has no effect in {algorithm}: ")
    assert resolve(Sources(None, {"algorithm": algorithm}, {})).notes == []
    assert resolve(Sources(None, {"algorithm": "fixmatch_ns3l", "use_cat": False}, {})).notes == []


def test_no_algorithm_that_is_said_to_pass_images_apart_reads_use_cat() -> None:
    from usb_negsamp.host import ALGORITHMS

    for name in APART:
        assert "use_cat" not in Path(inspect.getfile(ALGORITHMS[name])).read_text()
    assert "use_cat" in Path(inspect.getfile(ALGORITHMS["fixmatch"])).read_text()
