"""What the commands' parsers share: argparse, with every refusal one line, and with keys of a configuration."""

from __future__ import annotations

import argparse
import re
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, NoReturn

from usb_negsamp.errors import ConfigError, unknown
from usb_negsamp.key import Key
from usb_negsamp.run.configuration.command_line import is_flag

PROGRAM = "usb-negsamp"
HELP = ("-h", "--help")


class _Formatter(argparse.RawDescriptionHelpFormatter):
    """Leaves the lines of descriptions as they are, and gives the options the same width."""

    def __init__(self, prog: str) -> None:
        super().__init__(prog, width=120)


class Parser(argparse.ArgumentParser):
    """A parser that takes no abbreviations, raises ConfigError, and may be given any key of a configuration.

    Args:
        takes_keys: whether words that are none of its own options are keys of a configuration, to be passed on.
        settings: of argparse.
    """

    def __init__(self, *, takes_keys: bool = False, **settings: Any) -> None:
        super().__init__(allow_abbrev=False, add_help=False, formatter_class=_Formatter, **settings)
        self.takes_keys = takes_keys
        self._keys: set[str] = set()
        self.add_argument(*HELP, action="help", help="show this")

    def add_key(self, flag: str, **settings: Any) -> None:
        """Show a key of a configuration in the help and complete it; its words are passed on as those of any key."""
        self.add_argument(flag, **settings)
        self._keys.add(flag)

    def arranged(self, words: Sequence[str]) -> tuple[list[str], list[str]]:
        """Return the words for argparse, and those of keys of a configuration, which are as they came.

        For argparse a value that begins with a dash is an option, and an unknown option with a space in its value a
        place, so it gets each option and its value in one word, and the places after all options. An option's value
        is the word after it unless that is a flag. Where keys are taken, places stand before the first flag.

        Raises:
            ConfigError: an option that is unknown, or has no value, or has one and takes none; a word too many.
        """
        own = {_spelled(flag): action for flag, action in self._option_string_actions.items() if flag not in self._keys}
        takes_places = any(not action.option_strings for action in self._actions)
        options: list[str] = []
        places: list[str] = []
        keys: list[str] = []
        rest = deque(words)
        while rest:
            word = rest.popleft()
            if word == "--" and not self.takes_keys:
                places.extend(rest)
                break
            if not is_flag(word):
                if self.takes_keys and (options or keys or not takes_places):
                    self.error(f"unexpected {word!r} on the command line; expected --key value")
                places.append(word)
                continue
            flag, equals, value = word.partition("=")
            action = own.get(_spelled(flag))
            if action is not None:
                options += self._option(action, flag, value if equals else None, rest)
            elif self.takes_keys:
                keys.append(word)
                if not equals and rest and not self._begins_option(rest[0]):
                    keys.append(rest.popleft())
            else:
                raise unknown("option", flag, [name for name in own if name.startswith("--")])
        if places and not takes_places:
            self.error(f"{self.prog.split()[-1]} takes no arguments, but got {places[0]!r}")
        return [*options, *(["--", *places] if places else [])], keys

    def _begins_option(self, word: str) -> bool:
        """Whether a word is no value of the option before it. Without keys, a value may begin with one dash."""
        if self.takes_keys:
            return is_flag(word)
        return word.startswith("--") or word in self._option_string_actions

    def _option(self, action: argparse.Action, flag: str, value: str | None, rest: deque[str]) -> list[str]:
        """The option as words that argparse cannot misread; takes its values from ``rest`` if it has none yet."""
        name = action.option_strings[0]
        if action.nargs == 0:
            if value is not None:
                self.error(f"{flag} takes no value, but got {value!r}")
            return [name]
        values = [] if value is None else [value]
        while rest and not self._begins_option(rest[0]) and (not values or action.nargs == "+"):
            values.append(rest.popleft())
        if action.nargs == "?" and not values:
            return [name]
        if not values or "" in values:
            self.error(f"{flag} needs a value")
        return [f"{name}={text}" for text in values]

    def error(self, message: str) -> NoReturn:
        """Raise :class:`usb_negsamp.ConfigError` where argparse would print its usage and leave."""
        raise ConfigError(re.sub(r"^argument (\S+): ", r"\1: ", message))

    def _check_value(self, action: argparse.Action, value: Any) -> None:
        if action.choices is not None and value not in action.choices:
            kind = action.option_strings[0] if action.option_strings else action.dest.replace("_", " ")
            raise unknown(kind, str(value), map(str, action.choices))


@dataclass(frozen=True)
class Command:
    """One command of ``usb-negsamp``.

    Attributes:
        name: its word.
        summary: a line for the list of commands.
        usage: what may follow its word.
        about: what it does, as its help says; lines stay as they are.
        declare: adds its options and places to its parser.
        run: carries it out and returns the exit code. The options also hold ``keys``, the words of a configuration's
            keys, and ``words``, all words after the command's.
        closing: what its help says at the end.
        takes_keys: whether any key of a configuration may be given.
    """

    name: str
    summary: str
    usage: str
    about: str
    declare: Callable[[Parser], None]
    run: Callable[[argparse.Namespace], int]
    closing: str = ""
    takes_keys: bool = False


class RootParser(Parser):
    """The parser of the whole command line."""

    def __init__(self, commands: Sequence[Command], version: str) -> None:
        super().__init__(prog=PROGRAM, usage=f"{PROGRAM} COMMAND ...")
        self.add_argument("-V", "--version", action="version", version=version, help="show the version")
        places = self.add_subparsers(dest="command", metavar="COMMAND", prog=PROGRAM, parser_class=Parser)
        self.commands: dict[str, Parser] = {}
        self._summaries: dict[str, str] = {}
        for command in commands:
            parser = places.add_parser(
                command.name,
                help=command.summary,
                usage=f"{PROGRAM} {command.name} {command.usage}".rstrip(),
                description=command.about,
                epilog=command.closing,
                takes_keys=command.takes_keys,
            )
            command.declare(parser)
            parser.set_defaults(run=command.run)
            self.commands[command.name], self._summaries[command.name] = parser, command.summary

    def format_help(self) -> str:
        """Return the list of commands."""
        width = max(map(len, self._summaries)) + 2
        lines = [f"  {name:<{width}}{summary}" for name, summary in self._summaries.items()]
        return "\n".join(
            [
                f"usage: {self.usage}\n",
                *lines,
                f"\n`{PROGRAM} COMMAND --help` says more. "
                "Several processes: torchrun --nproc_per_node N -m usb_negsamp train ...\n",
            ]
        )

    def read(self, words: Sequence[str]) -> argparse.Namespace:
        """Return what the words ask for: a command first, then its own.

        Raises:
            ConfigError: they ask for nothing that there is.
        """
        name, *rest = words
        if name not in self.commands:
            raise unknown("command", name, self.commands)
        arranged, keys = self.commands[name].arranged(rest)
        options = self.parse_args([name, *arranged])
        options.keys, options.words = keys, rest
        return options


class Once(argparse.Action):
    """Stores a value, and refuses a second one."""

    def __call__(self, parser: Any, namespace: Any, values: Any, option_string: str | None = None) -> None:
        """Store ``values``."""
        if getattr(namespace, self.dest) is not None:
            raise ConfigError(f"{option_string} is given twice")
        setattr(namespace, self.dest, values)


def whole_number(lowest: int) -> Callable[[str], int]:
    """Return a reader of whole numbers that are at least ``lowest``, for ``type=``."""

    def read(text: str) -> int:
        words = f"a whole number of at least {lowest}"
        number = int(_converted(text, int, words))
        if number < lowest:
            raise argparse.ArgumentTypeError(f"expected {words}, but got {number}")
        return number

    return read


def true_or_false(text: str) -> bool:
    """Read a truth value as those of a configuration, for ``type=``."""
    return bool(_converted(text, bool, "true or false"))


def _converted(text: str, kind: type, expected: str) -> Any:
    try:
        return Key("", kind, kind()).converted(text, "")
    except ConfigError as error:
        raise argparse.ArgumentTypeError(f"expected {expected}, but got {text!r}") from error


def _spelled(flag: str) -> str:
    """Return a flag with the one spelling of a key's: dashes and underscores are the same."""
    return flag[:2] + flag[2:].replace("-", "_")
