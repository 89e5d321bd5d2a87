"""How words become options, places and keys of a configuration."""

from __future__ import annotations

import argparse
from pathlib import Path

import pytest
from sweep_request import sweep_request

from usb_negsamp.errors import ConfigError
from usb_negsamp.run.cli.all_commands import make_parser
from usb_negsamp.run.configuration import command_line


def read(*words: str) -> argparse.Namespace:
    return make_parser().read(words)


KEY_WORDS = [
    ["--c", "a.yaml", "--num-labels=40", "--overwrite", "--ulb_imb_ratio", "-100"],
    ["-c", "a.yaml", "--lr", "-3e-4", "--note=-x", "--flag"],
    ["--data_dir=/my images", "--note", "a = b", "--lr=.1", "--resume", "--device", "cpu"],
    ["--save-name", "x", "--overwrite", "false", "--seed", "3", "--seed", "4", "--num", "-"],
    ["--config=a.yaml", "--see", "1", "--res", "--overwr=true"],
]


@pytest.mark.parametrize("words", KEY_WORDS, ids=" ".join)
def test_every_word_of_train_is_passed_on_as_it_came(words: list[str]) -> None:
    assert read("train", *words).keys == words


@pytest.mark.parametrize("own", [["--seeds", "2"], ["--seeds=2"]], ids=" ".join)
@pytest.mark.parametrize("words", [KEY_WORDS[0], KEY_WORDS[2], ["--flag"], ["--lr", "-.5"]], ids=" ".join)
def test_keys_around_an_option_of_sweep_are_read_as_without_it(own: list[str], words: list[str]) -> None:
    words = [word for word in words if word != "--overwrite"]
    expected = command_line.parse(words)
    for place in range(len(words) + 1):
        if 0 < place < len(words) and not words[place].startswith("--"):
            continue
        found = read("sweep", *words[:place], *own, *words[place:])
        assert found.seeds == 2
        assert command_line.parse(found.keys) == expected


def test_a_sweep_reads_its_grid_its_runs_and_its_keys() -> None:
    words = (
        "--grid lr=0.1,0.3 ns3l-weight=1 --seeds 3 --epoch 1 --grid=seen_classes=[0,1],[2] T=1 --algorithms vat,dnll"
    )
    request = sweep_request(f"{words} --slurm partition=gpu,time=5 --jobs=2 --resume --overwrite".split())
    assert request.grid == {
        "algorithm": ["vat", "dnll"], "lr": ["0.1", "0.3"], "ns3l_weight": ["1"], "seen_classes": ["[0,1]", "[2]"],
        "T": ["1"],
    }  # fmt: skip
    assert (request.seeds, request.jobs, request.overwrite, request.name) == (3, 2, True, None)
    assert request.slurm == {"partition": "gpu", "time": "5"}
    assert request.given == {"epoch": "1"}
    assert sweep_request(["--seeds", "1", "--overwrite", "false", "--save-name", "x"]).overwrite is False


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["reproduce", "ns3l/table1", "--dry-run", "--only=a,b"], {"table": "ns3l/table1", "dry_run": True}),
        (["eval", "a", "b", "--json", "--model", "spl", "--data_dir=/my images"], {"runs": [Path("a"), Path("b")]}),
        (["figure", "a", "--images", "50", "b", "--seed=2"], {"runs": [Path("a"), Path("b")], "images": 50, "seed": 2}),
        (["report", "--by", "lr", "a", "--baseline", "-x", "b"], {"places": ["a", "b"], "by": "lr", "baseline": "-x"}),
        (["report", "--table=--x y", "--", "--a", "-b"], {"places": ["--a", "-b"], "table": "--x y"}),
        (["patch", "--revert", "here"], {"checkout": Path("here"), "revert": True, "check": False}),
        (["list", "--markdown", "keys"], {"kind_of_names": "keys", "markdown": True}),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_options_and_places_may_be_mixed(words: list[str], expected: dict[str, object]) -> None:
    found = vars(read(*words))
    assert {name: found[name] for name in expected} == expected
    if words[0] == "eval":
        assert (found["json"], found["model"], found["keys"]) == (True, "spl", ["--data_dir=/my images"])


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["swep"], "unknown command 'swep'; did you mean 'sweep'?"),
        (["sweep", "--seeds", "--lr", "1"], "--seeds needs a value"),
        (["sweep", "--save_name="], "--save_name needs a value"),
        (["sweep", "--note", "--seeds=2", "stray"], "unexpected 'stray' on the command line; expected --key value"),
        (["sweep", "--overwrite", "perhaps"], "--overwrite: expected true or false, but got 'perhaps'"),
        (["sweep", "--jobs", "-1"], "--jobs: expected a whole number of at least 1, but got -1"),
        (["sweep", "--jobs", "1.5"], "--jobs: expected a whole number of at least 1, but got '1.5'"),
        (["eval", "a", "--model", "bst"], "unknown --model 'bst'; did you mean 'best'?"),
        (["figure", "a", "--image", "5"], "unknown option '--image'; did you mean '--images'?"),
        (["figure", "a", "-i"], "unknown option '-i'; expected one of: --help, --images, --seed"),
        (["report", "a", "--by", "x", "--by", "y"], "--by is given twice"),
        (["report", "a", "--by", "--also"], "--by needs a value"),
        (["patch", "a", "--check=yes"], "--check takes no value, but got 'yes'"),
        (["patch", "a", "b"], "unrecognized arguments: b"),
        (["list", "kees"], "unknown kind of names 'kees'; did you mean 'keys'?"),
        (["doctor", "now"], "doctor takes no arguments, but got 'now'"),
        (["completion", "fish"], "unknown shell 'fish'; expected one of: bash, tcsh, zsh"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_a_refusal_is_one_line_that_names_the_nearest_word(words: list[str], said: str) -> None:
    with pytest.raises(ConfigError) as caught:
        read(*words)
    assert str(caught.value) == said
