"""What a run is asked to do: defaults, a preset, the YAML file, the command line, each overriding the one before."""

from __future__ import annotations

from argparse import Namespace
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from usb_negsamp.errors import ConfigError, did_you_mean, unknown
from usb_negsamp.run.configuration import command_line
from usb_negsamp.run.configuration.derived_keys import follow
from usb_negsamp.run.configuration.keys import DEFAULTS, INERT_HOST_KEYS, LAUNCHER_KEYS, OWN_ARGUMENTS, RUN_STATE_KEYS
from usb_negsamp.run.configuration.packaged import find_config
from usb_negsamp.run.configuration.presets import fill
from usb_negsamp.run.configuration.values import convert
from usb_negsamp.yaml_file import read_yaml

if TYPE_CHECKING:
    from usb_negsamp.host.arguments import Argument

COMMAND_LINE = "command line"


@dataclass
class Resolved:
    """A resolved configuration.

    Attributes:
        args: what the host's code reads.
        mapping: the same keys and values without the launcher's own, for the manifest.
        notes: lines that the user should see, about keys that have no effect.
        given: the keys that the file or the command line gave.
    """

    args: Namespace
    mapping: dict[str, Any]
    notes: list[str] = field(default_factory=list)
    given: frozenset[str] = frozenset()


@dataclass
class Sources:
    """The two places that values come from, read but not yet interpreted, and lines that the user should see."""

    config_file: str | None
    file_values: dict[str, Any]
    given: dict[str, str | None]
    notes: list[str] = field(default_factory=list)


def read_sources(argv: Sequence[str]) -> Sources:
    """Read the command line and the file it names. Loads nothing heavy, so that a wrong path fails at once."""
    request = command_line.parse(argv)
    if request.config_file is None:
        return Sources(None, {}, request.given)
    found = find_config(request.config_file)
    values = {key.replace("-", "_"): value for key, value in read_yaml(found.path).items()}
    return Sources(str(found.path), values, request.given, [found.note] if found.note else [])


def resolve(sources: Sources) -> Resolved:
    """Return the configuration, every value in its key's own type.

    Raises:
        ConfigError: an unknown key or algorithm, or a value of the wrong type.
    """
    algorithm, imb_algorithm = _chosen_algorithms(sources)
    definitions = _definitions(algorithm, imb_algorithm)
    values = {name: argument.default for name, argument in definitions.items()}
    where = sources.config_file or "file"
    notes = list(sources.notes)
    ignored: dict[str, str] = {}
    given: set[str] = set()
    for key, value in sources.file_values.items():
        if key in RUN_STATE_KEYS or key in LAUNCHER_KEYS:
            if key == "multiprocessing_distributed" and str(value).lower() == "true":
                notes.append(
                    f"{where}: multiprocessing_distributed is ignored; this is one process, for several start "
                    "torchrun --nproc_per_node N -m usb_negsamp train ..."
                )
            elif value and key in RUN_STATE_KEYS:
                ignored[key] = RUN_STATE_KEYS[key]
        elif key in definitions:
            values[key] = _converted(definitions[key], value, where)
            given.add(key)
        else:
            ignored[key] = _why_unread(key, where, definitions, algorithm)
    if ignored:
        notes.append(f"{where}: ignored " + ", ".join(f"{key} ({why})" for key, why in ignored.items()))
    for key, text in sources.given.items():
        if key in LAUNCHER_KEYS:
            raise ConfigError(f"{COMMAND_LINE}: --{key} cannot be given: {LAUNCHER_KEYS[key]}")
        if key in INERT_HOST_KEYS and key not in definitions:
            notes.append(f"{COMMAND_LINE}: ignored {key} ({INERT_HOST_KEYS[key]})")
            continue
        if key not in definitions:
            raise _unknown_key(key, COMMAND_LINE, definitions, algorithm)
        values[key] = _from_command_line(definitions[key], text)
        given.add(key)
    followed = follow(values, given)
    values.update(followed)
    values.update(fill(algorithm, values, {*given, *followed}, definitions))
    values["save_name"] = values["save_name"] or _run_name(values)
    return Resolved(_namespace(values), dict(sorted(values.items())), notes, frozenset(given))


def definitions_for(algorithm: str, imb_algorithm: str | None = None) -> dict[str, Argument]:
    """Return every key that a run of ``algorithm`` may be given, by name."""
    return _definitions(algorithm, imb_algorithm)


def _definitions(algorithm: str, imb_algorithm: str | None) -> dict[str, Argument]:
    from usb_negsamp.host.arguments import Argument, argument_definitions

    definitions = argument_definitions(algorithm, imb_algorithm)
    for key in LAUNCHER_KEYS:
        definitions.pop(key, None)
    for key, default in DEFAULTS.items():
        definitions[key] = Argument(key, definitions[key].type, default, definitions[key].help)
    for own in OWN_ARGUMENTS:
        definitions[own.name] = Argument(own.name, own.type, own.default, own.meaning)
    return definitions


def _chosen_algorithms(sources: Sources) -> tuple[str, str | None]:
    from usb_negsamp.host import ALGORITHMS, IMB_ALGORITHMS

    chosen: list[str | None] = []
    for key, default, registry in (("algorithm", "fixmatch", ALGORITHMS), ("imb_algorithm", None, IMB_ALGORITHMS)):
        value, where = default, COMMAND_LINE
        if key in sources.file_values:
            value, where = sources.file_values[key], str(sources.config_file)
        if key in sources.given:
            value, where = sources.given[key], COMMAND_LINE
            if value is None:
                raise ConfigError(f"{COMMAND_LINE}: --{key} needs a value")
        name = convert(key, str, value, key == "imb_algorithm", where)
        if name is not None and name not in registry:
            raise unknown(key, name, registry.keys())
        chosen.append(name)
    return str(chosen[0]), chosen[1]


def _converted(argument: Argument, value: Any, where: str) -> Any:
    return convert(argument.dest, argument.type, value, argument.default is None, where)


def _from_command_line(argument: Argument, text: str | None) -> Any:
    if text is None:
        if argument.type is not bool:
            raise ConfigError(f"{COMMAND_LINE}: --{argument.dest} needs a value")
        return True
    return _converted(argument, text, COMMAND_LINE)


def _why_unread(key: str, where: str, definitions: Iterable[str], algorithm: str) -> str:
    """Return why a key of a file has no effect here, or raise if no part of the host knows it.

    A file made for one algorithm may be run with another, so a key of another algorithm is no mistake in a file.
    """
    if key in INERT_HOST_KEYS:
        return INERT_HOST_KEYS[key]
    from usb_negsamp.host.arguments import algorithms_reading

    if algorithms_reading(key):
        return f"{algorithm} does not read it"
    raise _unknown_key(key, where, definitions, algorithm)


def _unknown_key(key: str, where: str, definitions: Iterable[str], algorithm: str) -> ConfigError:
    from usb_negsamp.host.arguments import algorithms_reading

    readers = algorithms_reading(key)
    if readers:
        shown = ", ".join(readers[:4]) + (", ..." if len(readers) > 4 else "")
        return ConfigError(f"{where}: {algorithm} does not read {key!r}; these do: {shown}")
    hint = did_you_mean(key, definitions) or "; `usb-negsamp list keys` shows all"
    return ConfigError(f"{where}: unknown key {key!r}{hint}")


def _run_name(values: dict[str, Any]) -> str:
    parts = [values["algorithm"], values["imb_algorithm"], *_data_names(values), values["num_labels"], values["seed"]]
    return "_".join(str(part) for part in parts if part is not None)


def _data_names(values: dict[str, Any]) -> list[Any]:
    names = [values[key] or values["dataset"] for key in ("labeled_dataset", "unlabeled_dataset")]
    if values["seen_classes"] is not None:
        ratio = values["mismatch_ratio"]
        return [values["dataset"], values["mismatch_protocol"] if ratio is None else f"mismatch{ratio:g}"]
    return names if names[0] != names[1] else [values["dataset"]]


def _namespace(values: dict[str, Any]) -> Namespace:
    """Return the values with what the host's code reads of a single process; the launcher corrects it for several."""
    return Namespace(
        **values,
        c="",
        distributed=False,
        multiprocessing_distributed=False,
        world_size=1,
        rank=0,
        dist_url="env://",
        dist_backend="gloo",
    )
