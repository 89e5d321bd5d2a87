"""The command ``usb-negsamp bench``."""

from __future__ import annotations

import argparse
from pathlib import Path

from usb_negsamp.errors import ConfigError
from usb_negsamp.run.bench.cases import OPTIONS, chosen_cases, option_keys, options_on
from usb_negsamp.run.cli.commands.train import CONFIG_HELP
from usb_negsamp.run.cli.parser import Command, Once, Parser, whole_number
from usb_negsamp.run.configuration import command_line
from usb_negsamp.run.configuration.presets.fastest import device_of
from usb_negsamp.run.training.console import Console

ABOUT = """\
Measures what a training step and an evaluation cost: the bare host (semilearn with only the repairs that it needs to
start), its algorithm in this package, ours, and ours with each option. Each has a process of its own; they take turns,
so that a ratio is good where the times are not. Says how a step divides into data, forward, backward, optimizer and
hooks, and the peak of memory."""

CLOSING = """\
  --key value           any key of train, for all cases

Without --c: the batches of the papers, on images of random pixels. The bare host reads its images by its own CIFAR-10
loader. Leaves bench.csv and bench.md in --out, with --memory memory.csv and memory.md."""


def _declare(parser: Parser) -> None:
    parser.add_argument(
        "--c", action="append", default=[], metavar="FILE", help=f"a case: {CONFIG_HELP}; may be given several times"
    )
    parser.add_argument(
        "--case",
        metavar="TEXT",
        help="of the cases without --c that of this name, or those that hold it; methods: those of the methods beside "
        "NS3L and DNLL",
    )
    parser.add_argument(
        "--options",
        metavar="A;B",
        default="",
        help=f"options to try, or all that the device has: {'; '.join(OPTIONS)}; default: none",
    )
    parser.add_argument(
        "--turns", type=whole_number(1), default=9, metavar="N", help="turns of each variant; default 9"
    )
    parser.add_argument("--steps", type=whole_number(1), default=10, metavar="N", help="steps of a turn; default 10")
    parser.add_argument(
        "--clock", choices=("wall", "cpu"), default="wall", help="cpu: for a machine that others use, too"
    )
    parser.add_argument(
        "--random_images",
        type=whole_number(100),
        metavar="N",
        help="train on N images of random pixels; default without --c: 50000",
    )
    parser.add_argument(
        "--memory",
        action="store_true",
        help="measure, in place of times, the memory of a step's tensors: of the bare host, its algorithm here, and "
        "ours, SPL's inner step too; without --c of many algorithms",
    )
    parser.add_argument("--out", action=Once, type=Path, metavar="FOLDER", help="where to; default: bench")


def _run(options: argparse.Namespace) -> int:
    from usb_negsamp.run.bench.bench import Plan, measure, measure_memory
    from usb_negsamp.run.bench.request import cases_of_files, default_cases
    from usb_negsamp.run.bench.tables import markdown, memory_markdown, with_circumstances, write

    chosen = [name.strip() for name in options.options.split(";") if name.strip()]
    device = str(command_line.parse(options.keys).given.get("device") or "auto")
    names = options_on(device_of(device)) if chosen == ["all"] else chosen
    for name in names:
        option_keys(name)
    if options.c and options.case:
        raise ConfigError("--case chooses among the cases without --c; give one or the other")
    if options.memory and names:
        raise ConfigError("--memory measures no options; give one or the other")
    random_images = options.random_images or (None if options.c else 50_000)
    if options.c:
        cases = cases_of_files(options.c, options.keys, random_images)
    else:
        chosen_by_name = chosen_cases(options.case, memory=options.memory)
        cases = default_cases(options.keys, random_images, chosen_by_name)
    plan = Plan(names, options.turns, options.steps, options.clock, random_images)
    folder = options.out or Path("bench")
    console = Console(active=True)
    rows: list[dict[str, object]] = []
    name, measured, table = (
        ("memory", measure_memory, memory_markdown) if options.memory else ("bench", measure, markdown)
    )
    for case in cases:
        rows += with_circumstances(measured(case, plan, console.line), plan)
        written = write(rows, folder, name, table(rows))  # after each case: one that fails takes no other with it
    print(table(rows))
    console.line(f"usb-negsamp: wrote {' and '.join(map(str, written))}")
    return 0


BENCH = Command(
    name="bench",
    summary="what a step costs: the bare host, this package, and each option, in turns",
    usage="[--c FILE ...] [--options A;B] [--turns N] [--steps N] [--out FOLDER] [--key value] ...",
    about=ABOUT,
    closing=CLOSING,
    declare=_declare,
    run=_run,
    takes_keys=True,
)
