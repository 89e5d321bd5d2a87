"""The command ``usb-negsamp``. Loads neither torch nor semilearn before a subcommand needs them."""

from __future__ import annotations

import errno
import os
import sys
import time
from collections.abc import Sequence

from usb_negsamp import __version__
from usb_negsamp.errors import ConfigError
from usb_negsamp.run.cli.all_commands import make_parser
from usb_negsamp.run.cli.parser import HELP

OF_THE_USERS_FILES = (
    *(errno.EACCES, errno.EPERM, errno.EROFS, errno.ENAMETOOLONG, errno.ENOSPC, errno.EDQUOT),
    *(errno.EISDIR, errno.ENOTDIR, errno.EEXIST, errno.ELOOP),
)
"""What a path or a disk of the user's can be the reason of, wherever it is met."""
SECONDS_FOR_THE_FIRST = 2.0
"""How long the other processes of a run let the first one speak."""


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line ``argv`` (the program's own if None) and return its exit code."""
    try:
        return _carry_out(list(sys.argv[1:] if argv is None else argv))
    except ConfigError as error:
        _complain(" ".join(str(error).split()))
        return 2
    except BrokenPipeError:
        # Whoever read our output has left (`| head`); Python would complain again when it flushes at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except OSError as error:
        if error.errno not in OF_THE_USERS_FILES:
            raise
        _complain(f"{error.strerror}: {error.filename2 or error.filename}")
        return 2
    except KeyboardInterrupt:
        return 130


def _complain(text: str) -> None:
    """Print the line of an error, once.

    torchrun ends all processes when one leaves. What is wrong in all is said by the first, for which the others wait;
    one that is still there after that is wrong alone, and says so itself.
    """
    rank = os.environ.get("RANK") or "0"
    if os.environ.get("WORLD_SIZE", "1") in ("", "0", "1") or rank == "0":
        where = ""
    else:
        time.sleep(SECONDS_FOR_THE_FIRST)
        where = f"in process {rank}, "
    print(f"usb-negsamp: error: {where}{text}", file=sys.stderr, flush=True)


def _carry_out(words: Sequence[str]) -> int:
    parser = make_parser()
    if not words:
        print(parser.format_help(), file=sys.stderr, end="")
        return 2
    command, *rest = words
    if command in (*HELP, "help"):
        parser.print_help()
        return 0
    if command in ("-V", "--version"):
        print(__version__)
        return 0
    if command in parser.commands and any(word in HELP for word in rest):
        parser.commands[command].print_help()
        return 0
    options = parser.read(words)
    code: int = options.run(options)
    return code
