"""The command ``usb-negsamp completion``: what a shell needs to complete our words, written by shtab."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from typing import Any

from usb_negsamp.errors import ConfigError
from usb_negsamp.run.cli.parser import Command, Parser, RootParser
from usb_negsamp.run.configuration.packaged import packaged_configs

SHELLS = ("bash", "zsh", "tcsh")
# It has to end so for shtab to tell bash that these are names of files.
_CONFIG_FILES = "_usb_negsamp_config_files"

ABOUT = """\
Prints a script that makes the shell complete commands, flags, names and files. To have it in every session:

  bash  echo 'eval "$(usb-negsamp completion bash)"' >> ~/.bashrc
  zsh   usb-negsamp completion zsh > _usb-negsamp, in a folder of $fpath, before compinit
  tcsh  usb-negsamp completion tcsh > ~/.usb-negsamp.tcsh, and in ~/.tcshrc: source ~/.usb-negsamp.tcsh"""


def completion_command(make_parser: Callable[[], RootParser]) -> Command:
    """Return the command, whose script completes what the parser that ``make_parser`` returns can read."""

    def run(options: argparse.Namespace) -> int:
        if options.shell is None:
            raise ConfigError(f"completion needs a shell: {', '.join(SHELLS)}")
        print(completion_script(make_parser(), options.shell))
        return 0

    return Command(
        name="completion",
        summary=f"a script that makes {', '.join(SHELLS[:-1])} or {SHELLS[-1]} complete all these words",
        usage=" | ".join(SHELLS),
        about=ABOUT,
        declare=_declare,
        run=run,
    )


def _declare(parser: Parser) -> None:
    parser.add_argument("shell", nargs="?", choices=SHELLS, metavar="SHELL", help=" | ".join(SHELLS))


def completion_script(parser: RootParser, shell: str) -> str:
    """Return the script for one of ``SHELLS``; marks the parser's options with what completes their values."""
    import shtab

    completers = {
        "FILE": shtab.FILE,
        "RUN_OR_SWEEP": shtab.FILE,
        "DIR": shtab.DIRECTORY,
        "RUN": shtab.DIRECTORY,
        "CHECKOUT": shtab.DIRECTORY,
    }
    for command in parser.commands.values():
        # Without it zsh shows a command's summary beside it, which has one line.
        command.description = None
        for action in command._actions:
            if action.dest == "c":
                _complete(action, {"bash": _CONFIG_FILES, "zsh": _CONFIG_FILES, "tcsh": "f"})
            elif action.dest == "table" and not action.option_strings:
                action.choices = _tables()
            elif isinstance(action.metavar, str) and action.metavar in completers:
                _complete(action, completers[action.metavar])
    return str(shtab.complete(parser, shell, preamble=_preamble().get(shell, "")))


def _complete(action: argparse.Action, completer: dict[str, Any]) -> None:
    action.complete = completer  # type: ignore[attr-defined]


def _preamble() -> dict[str, str]:
    """The function that completes --c, in each shell that has functions: files here, and our configurations' names."""
    names = " ".join(packaged_configs())
    return {
        "bash": f"""{_CONFIG_FILES}() {{\n  compgen -f -- "$1"\n  compgen -W '{names}' -- "$1"\n}}""",
        "zsh": f"{_CONFIG_FILES}() {{\n  _files\n  compadd -- {names}\n}}",
    }


def _tables() -> list[str]:
    from usb_negsamp.run.sweep.papers.rows import tables

    return list(tables())
