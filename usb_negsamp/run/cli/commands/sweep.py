"""The command ``usb-negsamp sweep``, and the options that ``reproduce`` shares with it."""

from __future__ import annotations

import argparse
import re
from collections.abc import Sequence

from usb_negsamp.errors import ConfigError
from usb_negsamp.run.cli.commands.train import CONFIG_HELP
from usb_negsamp.run.cli.parser import Command, Parser, true_or_false, whole_number
from usb_negsamp.run.configuration import command_line
from usb_negsamp.run.configuration.host_keys import HOST_KEYS
from usb_negsamp.run.configuration.packaged import find_config
from usb_negsamp.run.sweep.grid import Request
from usb_negsamp.run.training.console import Console
from usb_negsamp.run.training.train import run_to_resume

ABOUT = """\
Trains every combination of the grid's values, each with every seed, as `usb-negsamp train` would: one run each, in its
own folder below save_dir/SWEEP. All combinations are checked, as far as that goes without the data, before the first
run starts. The same command again goes on: finished runs are kept, interrupted ones resumed, failed ones tried
again."""

CLOSING = """\
  --key value           any key of train, for all runs

An algorithm that reads no unlabeled images, as supervised, is trained once for all values of mismatch_ratio,
mismatch_protocol, num_unlabeled, uratio and ulb_loss_ratio; its rows at the others are copies, and say so (copy_of).

Leaves results.csv, one row for each finished run, and for one or two varied numbers sensitivity.png, the test error
over them. Where mismatch_ratio varies, mismatch_curve.png and mismatch_curve.md instead: the accuracy over the mismatch
for each algorithm, supervised training across it, the area under each line and its worst case. Ctrl-C stops all runs,
with checkpoints saved. Exit code: 0 all runs finished, 1 some failed, 2 the request cannot be carried out, 128 +
signal when interrupted."""

# A sweep gives each run its place, and goes on with runs by itself.
_OF_THE_PLACE = frozenset(key.name for key in HOST_KEYS if key.affects == "place")


def _declare(parser: Parser) -> None:
    parser.add_key("--c", metavar="FILE", help=f"the configuration that all runs share: {CONFIG_HELP}")
    parser.add_argument(
        "--grid",
        nargs="+",
        action="extend",
        default=[],
        metavar="KEY=A,B",
        help="values to try, e.g. ns3l_threshold=0.01,0.02,0.04,0.08 ns3l_weight=0.3,1,3",
    )
    parser.add_argument("--algorithms", metavar="A,B", help="the same as --grid algorithm=A,B")
    declare_runs(parser, "default: the configuration's own")
    parser.add_argument(
        "--save_name", metavar="NAME", help="the sweep's folder in save_dir; default: the file's name and _sweep"
    )


def declare_runs(parser: Parser, seeds: str) -> None:
    """Declare how many runs there are, and how they are worked off; ``seeds`` says how many by default."""
    parser.add_argument(
        "--seeds",
        type=whole_number(1),
        metavar="N",
        help="seeds 0 to N-1, each setting seed and split_seed, but for one that is given as --seed or --split_seed; "
        + seeds,
    )
    parser.add_argument(
        "--jobs",
        type=whole_number(1),
        default=1,
        metavar="N",
        help="runs at a time (default 1); they share the cores, and take the GPUs in turn",
    )
    parser.add_argument(
        "--slurm",
        metavar="NAME=VALUE,...",
        help="runs on a SLURM cluster, N in the queue at a time, e.g. partition=gpu,time=120,gpus_per_node=1 "
        "(needs submitit: pip install usb-negsamp[slurm]); time in minutes, or as SLURM writes it",
    )
    parser.add_argument(
        "--overwrite",
        nargs="?",
        type=true_or_false,
        const=True,
        default=False,
        metavar="true | false",
        help="makes runs anew that are there already",
    )


def _run(options: argparse.Namespace) -> int:
    from usb_negsamp.run.sweep.sweep import sweep

    return sweep(request_of(options))


def request_of(options: argparse.Namespace) -> Request:
    """Return what the options of ``sweep`` ask for; shows a line if the configuration is one of ours.

    Raises:
        ConfigError: a grid that cannot be, no configuration of that name, or nothing to sweep.
    """
    request = runs_of(options)
    algorithms = [] if options.algorithms is None else [f"algorithm={options.algorithms}"]
    request.grid = _grid([*algorithms, *options.grid])
    request.name = options.save_name
    for key in request.grid:
        if key in request.given:
            raise ConfigError(f"{key} is given in the grid and as --{key}: give it in one place")
    if not request.grid and request.seeds is None:
        raise ConfigError("nothing to sweep: give --grid key=value,value ..., --algorithms a,b or --seeds N")
    if request.config_file is not None:
        found = find_config(request.config_file)
        request.config_file = str(found.path)
        if found.note:
            Console().line(f"usb-negsamp: {found.note}")
    return request


def runs_of(options: argparse.Namespace) -> Request:
    """Return what the options of :func:`declare_runs` and the keys ask for, without a grid.

    Raises:
        ConfigError: words that are no keys, or the key of a single run.
    """
    shared = command_line.parse(options.keys)
    if "load_path" in shared.given:
        raise ConfigError("--load_path belongs to a single run; a sweep goes on with each run from its own checkpoint")
    if run_to_resume(shared.given) is not None:
        raise ConfigError("--resume RUN belongs to train; a sweep goes on with each of its runs by itself")
    # A sweep always goes on with what is there, so the flag says nothing new.
    shared.given.pop("resume", None)
    return Request(
        shared.config_file,
        shared.given,
        {},
        seeds=options.seeds,
        jobs=options.jobs,
        slurm=None if options.slurm is None else _pairs(options.slurm),
        overwrite=options.overwrite,
    )


def _grid(words: Sequence[str]) -> dict[str, list[str]]:
    grid: dict[str, list[str]] = {}
    for word in words:
        key, equals, text = word.partition("=")
        key = key.replace("-", "_")
        if not equals or not key:
            raise ConfigError(f"--grid: expected key=value,value, but got {word!r}")
        # Commas within brackets belong to a value that is a list.
        values = [value.strip() for value in re.split(r",(?![^\[]*\])", text)]
        if values == [""]:
            raise ConfigError(f"--grid: {key} has no values; expected {key}=value,value")
        if "" in values:
            raise ConfigError(f"--grid: {key} has an empty value in {word!r}")
        if key in _OF_THE_PLACE or key in command_line.CONFIG_FLAGS:
            raise ConfigError(f"--grid: {key} cannot be varied: the sweep gives each run its own folder")
        if key in grid:
            raise ConfigError(f"--grid: {key} is given twice")
        grid[key] = values
    return grid


def _pairs(text: str) -> dict[str, str]:
    """Read ``partition=gpu,time=60``."""
    pairs = {}
    for part in text.split(","):
        key, equals, value = part.partition("=")
        if not equals or not key.strip() or not value.strip():
            raise ConfigError(f"--slurm: expected name=value,name=value, e.g. partition=gpu,time=60, but got {text!r}")
        pairs[key.strip()] = value.strip()
    return pairs


SWEEP = Command(
    name="sweep",
    summary="train a grid of runs, some at a time; the same command again goes on",
    usage="--c FILE --grid KEY=VALUE,VALUE ... [--seeds N] [--jobs N] [--key value ...]",
    about=ABOUT,
    closing=CLOSING,
    declare=_declare,
    run=_run,
    takes_keys=True,
)
