"""The command ``usb-negsamp``. Loads neither torch nor semilearn before a subcommand needs them."""

from __future__ import annotations

import errno
import os
import sys
import time
from collections.abc import Callable, Sequence

from usb_negsamp import __version__
from usb_negsamp.errors import ConfigError, unknown

USAGE = """\
usage: usb-negsamp COMMAND ...

  train --c FILE [--key value ...]   train; the command line beats the file, the file beats the defaults
  sweep --c FILE --grid KEY=A,B ...  train a grid of runs, some at a time; the same command again goes on
  reproduce TABLE                    train a table of a paper, and show its figures beside the measured ones
  report RUN_OR_SWEEP ...            tables of test errors, computed from results.csv
  eval RUN ...                       figures of a run's saved network, measured again or against other data
  figure RUN ...                     features and transferred negatives of finished runs, as pictures
  list [KIND]                        names of: algorithms, wrappers, datasets, nets, keys, configs
  patch CHECKOUT                     make a checkout of the host load plugins and run on today's packages, and back
  doctor                             what is installed, what loads, and whether training can work here

`usb-negsamp COMMAND --help` says more. Several processes: torchrun --nproc_per_node N -m usb_negsamp train ...
"""

TRAIN_USAGE = """\
usage: usb-negsamp train --c FILE [--key value | --key=value | --flag] ...

Trains what FILE (YAML) describes, into save_dir/save_name. Every key of the file can be given on the command line,
which beats the file; the file beats the defaults. `usb-negsamp list keys` shows all keys.

  --c FILE          the configuration, e.g. config/vat_ns3l_digits.yaml
  --device NAME     auto (default), cpu or cuda
  --resume          go on from the run's own latest_model.pth; with --load_path X, from X
  --overwrite       replace the run that is in save_dir/save_name: only files that runs write are removed
  --save_name NAME  the run's folder in save_dir

Ctrl-C or SIGTERM ends the run after the present step, with a checkpoint saved. Exit code: 0 finished, 2 the request
cannot be carried out (one line says why), 128 + signal when interrupted.
"""


OF_THE_USERS_FILES = (
    *(errno.EACCES, errno.EPERM, errno.EROFS, errno.ENAMETOOLONG, errno.ENOSPC, errno.EDQUOT),
    *(errno.EISDIR, errno.ENOTDIR, errno.EEXIST, errno.ELOOP),
)
"""What a path or a disk of the user's can be the reason of, wherever it is met."""


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line ``argv`` (the program's own if None) and return its exit code."""
    words = list(sys.argv[1:] if argv is None else argv)
    if not words:
        print(USAGE, file=sys.stderr, end="")
        return 2
    command, *rest = words
    if command in ("-h", "--help", "help"):
        print(USAGE, end="")
        return 0
    if command in ("-V", "--version"):
        print(__version__)
        return 0
    try:
        if command not in COMMANDS:
            raise unknown("command", command, COMMANDS)
        return COMMANDS[command](rest)
    except ConfigError as error:
        _complain(f"usb-negsamp: error: {' '.join(str(error).split())}")
        return 2
    except BrokenPipeError:
        # Whoever read our output has left (`| head`); Python would complain again when it flushes at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except OSError as error:
        if error.errno not in OF_THE_USERS_FILES:
            raise
        _complain(f"usb-negsamp: error: {error.strerror}: {error.filename2 or error.filename}")
        return 2
    except KeyboardInterrupt:
        return 130


def _complain(line: str) -> None:
    """Print the line once. torchrun ends all processes when the first one leaves, so the others let it speak first."""
    alone = os.environ.get("WORLD_SIZE", "1") in ("", "0", "1")
    if alone or os.environ.get("RANK", "0") == "0":
        print(line, file=sys.stderr, flush=True)
    else:
        time.sleep(1.0)


def _wants_help(words: Sequence[str]) -> bool:
    return any(word in ("-h", "--help") for word in words)


def _train(words: Sequence[str]) -> int:
    if _wants_help(words):
        print(TRAIN_USAGE, end="")
        return 0
    # GNU OpenMP's threads spin while they wait for each other, by default for so long that a second busy process on
    # the machine makes a step four times slower. It reads the variable when torch is loaded.
    os.environ.setdefault("GOMP_SPINCOUNT", "1000")
    from usb_negsamp.run.training.run import StoppedBeforeTraining, train

    try:
        return train(words)
    except StoppedBeforeTraining as stopped:
        return 128 + stopped.signum


def _sweep(words: Sequence[str]) -> int:
    from usb_negsamp.run.sweep import sweep

    if _wants_help(words):
        print(sweep.USAGE, end="")
        return 0
    return sweep.sweep(words)


def _reproduce(words: Sequence[str]) -> int:
    from usb_negsamp.run.sweep import reproduce

    if _wants_help(words):
        print(reproduce.USAGE, end="")
        return 0
    return reproduce.reproduce(words)


def _report(words: Sequence[str]) -> int:
    from usb_negsamp.run.report import report

    if _wants_help(words):
        print(report.USAGE, end="")
        return 0
    return report.report(words)


def _eval(words: Sequence[str]) -> int:
    from usb_negsamp.run.finished_runs import evaluate as evaluation

    if _wants_help(words):
        print(evaluation.USAGE, end="")
        return 0
    return evaluation.evaluate(words)


def _figure(words: Sequence[str]) -> int:
    from usb_negsamp.run.finished_runs import draw as figure

    if _wants_help(words):
        print(figure.USAGE, end="")
        return 0
    return figure.figure(words)


def _list(words: Sequence[str]) -> int:
    from usb_negsamp.run.cli.listing import KINDS, list_names

    if _wants_help(words):
        print(f"usage: usb-negsamp list [{' | '.join(KINDS)}] [--algorithm NAME] [--markdown]")
        return 0
    return list_names(words)


def _doctor(words: Sequence[str]) -> int:
    if _wants_help(words):
        print("usage: usb-negsamp doctor\n\nPrints what is installed and what loads; exit code 1 if nothing can train.")
        return 0
    if words:
        raise ConfigError(f"doctor: expected no arguments, but got {words[0]!r}")
    from usb_negsamp.run.cli.doctor import doctor

    return doctor()


def _patch(words: Sequence[str]) -> int:
    from usb_negsamp.run.checkout import patch

    if _wants_help(words):
        print(patch.USAGE, end="")
        return 0
    return patch.run(words)


COMMANDS: dict[str, Callable[[Sequence[str]], int]] = {
    "train": _train,
    "sweep": _sweep,
    "reproduce": _reproduce,
    "report": _report,
    "eval": _eval,
    "figure": _figure,
    "list": _list,
    "patch": _patch,
    "doctor": _doctor,
}
