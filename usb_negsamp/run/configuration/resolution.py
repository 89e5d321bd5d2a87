"""What a run is asked to do: defaults, a preset, the YAML file, the command line, each overriding the one before."""

from __future__ import annotations

from argparse import Namespace
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from usb_negsamp.errors import ConfigError, did_you_mean, unknown
from usb_negsamp.key import Key, by_name, former_names
from usb_negsamp.run.configuration import command_line
from usb_negsamp.run.configuration.command_line import COMMAND_LINE, Request
from usb_negsamp.run.configuration.derived_keys import derive
from usb_negsamp.run.configuration.keys import (
    DEFAULTS,
    INERT_HOST_KEYS,
    LAUNCHER_KEYS,
    OWN_KEYS,
    RUN_STATE_KEYS,
    checked_keys,
    described,
)
from usb_negsamp.run.configuration.notes import notes_on
from usb_negsamp.run.configuration.packaged import find_config
from usb_negsamp.run.configuration.plugins import load_plugins
from usb_negsamp.run.configuration.presets import apply_preset
from usb_negsamp.run.configuration.presets.fastest import accelerated, device_of, note_on
from usb_negsamp.yaml_file import read_yaml


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
    """The two places that values come from, read but not yet interpreted, and lines that the user should see.

    Attributes:
        config_file: the configuration file; None without one.
        file_values: what it gives, or the configuration that ``run`` has recorded.
        given: what the command line gives, or a call from Python.
        notes: lines for the user.
        run: the folder of the run whose configuration this is; None where a file or the command line alone asks.
        given_name: what errors name as the place of ``given``.
    """

    config_file: str | None
    file_values: dict[str, Any]
    given: dict[str, Any]
    notes: list[str] = field(default_factory=list)
    run: Path | None = None
    given_name: str = COMMAND_LINE

    @property
    def file_name(self) -> str:
        """What errors name as the place of ``file_values``."""
        return str(self.run or self.config_file or "file")


def read_sources(argv: Sequence[str]) -> Sources:
    """Read the command line and the file it names. Loads nothing heavy, so that a wrong path fails at once."""
    return sources_of(command_line.parse(argv))


def sources_of(request: Request) -> Sources:
    """Read the file that a request names. Loads nothing heavy."""
    if request.config_file is None:
        name = None if request.values is None else "config"
        return Sources(name, request.values or {}, request.given, given_name=request.where)
    found = find_config(request.config_file)
    values = {key.replace("-", "_"): value for key, value in read_yaml(found.path).items()}
    notes = [found.note] if found.note else []
    return Sources(str(found.path), values, request.given, notes, given_name=request.where)


def resolve(sources: Sources) -> Resolved:
    """Return the configuration, every value in its key's own type.

    Raises:
        ConfigError: an unknown key or algorithm, or a value of the wrong type.
    """
    notes = list(sources.notes)
    sources = _with_present_names(sources, notes)
    load_plugins(_plugins(sources))
    algorithm, imb_algorithm = _chosen_algorithms(sources)
    definitions = _definitions(algorithm, imb_algorithm)
    from_file = _from_file(sources, definitions, algorithm, notes)
    from_words = _from_command_line(sources, definitions, algorithm, notes)
    given = {**from_file, **from_words}
    # A run records every key that it had, most of them defaults.
    by_user = given if sources.run is None else from_words
    notes += notes_on(algorithm, by_user)
    values = {**{name: key.default for name, key in definitions.items()}, **given}
    derived = derive(values, given)
    values.update(derived)
    values.update(apply_preset(algorithm, values, {*given, *derived}, definitions))
    values.update(_accelerated(values, given, definitions, notes))
    values["save_name"] = values["save_name"] or _run_name(values)
    return Resolved(_namespace(values), dict(sorted(values.items())), notes, frozenset(by_user))


def _accelerated(
    values: dict[str, Any], given: Collection[str], definitions: dict[str, Key], notes: list[str]
) -> dict[str, Any]:
    """What ``accelerate`` sets, and in ``notes`` a line that says so."""
    options = accelerated(values, given, definitions)
    if options:
        notes.append(note_on(device_of(values["device"]), options))
    return options


def _plugins(sources: Sources) -> list[str]:
    """What the key ``plugin`` names: it is needed before the other keys are known."""
    key = next(key for key in OWN_KEYS if key.name == "plugin")
    where = sources.file_name
    named = key.converted(sources.file_values.get(key.name), where)
    if key.name in sources.given:
        named = key.converted(sources.given[key.name], sources.given_name)
    return named or []


def _with_present_names(sources: Sources, notes: list[str]) -> Sources:
    """The same with today's names of keys, and a note for each that was given by an earlier one.

    Raises:
        ConfigError: one place gives a key by both names.
    """
    names = former_names(checked_keys())

    def renamed(values: dict[str, Any], where: str) -> dict[str, Any]:
        present: dict[str, Any] = {}
        for name, value in values.items():
            now = names.get(name, name)
            if now != name:
                notes.append(f"{where}: {name} is now spelled {now}")
            if now in present:
                raise ConfigError(f"{where}: {now} is given twice, by this name and by an earlier one")
            present[now] = value
        return present

    file_values, given = renamed(sources.file_values, sources.file_name), renamed(sources.given, sources.given_name)
    return replace(sources, file_values=file_values, given=given)


def _from_file(sources: Sources, definitions: dict[str, Key], algorithm: str, notes: list[str]) -> dict[str, Any]:
    """The values that the file gives, and in ``notes`` what in it has no effect."""
    where = sources.file_name
    values: dict[str, Any] = {}
    ignored: dict[str, str] = {}
    for name, value in sources.file_values.items():
        if name in LAUNCHER_KEYS:
            if name == "multiprocessing_distributed" and str(value).lower() == "true":
                notes.append(
                    f"{where}: multiprocessing_distributed is ignored; this is one process, for several start "
                    "torchrun --nproc_per_node N -m usb_negsamp train ..."
                )
        elif name in RUN_STATE_KEYS:
            if value:
                ignored[name] = RUN_STATE_KEYS[name]
        elif name in definitions:
            values[name] = _converted(definitions[name], value, where, notes)
        else:
            ignored[name] = _why_unread(name, where, definitions, algorithm)
    # A run records the keys of its own algorithm: another one is asked for in vain.
    if ignored and sources.run is None:
        notes.append(f"{where}: ignored " + ", ".join(f"{name} ({why})" for name, why in ignored.items()))
    return values


def _from_command_line(
    sources: Sources, definitions: dict[str, Key], algorithm: str, notes: list[str]
) -> dict[str, Any]:
    """The values that the command line gives, and in ``notes`` what in it has no effect."""
    values: dict[str, Any] = {}
    where = sources.given_name
    for name, text in sources.given.items():
        if name in LAUNCHER_KEYS:
            raise ConfigError(f"{where}: --{name} cannot be given: {LAUNCHER_KEYS[name]}")
        if name in INERT_HOST_KEYS and name not in definitions:
            notes.append(f"{where}: ignored {name} ({INERT_HOST_KEYS[name]})")
            continue
        if name not in definitions:
            raise unknown_key(name, where, definitions, algorithm)
        if text is None and definitions[name].type is not bool:
            raise ConfigError(f"{where}: --{name} needs a value")
        values[name] = True if text is None else _converted(definitions[name], text, where, notes)
    return values


def _converted(key: Key, value: Any, where: str, notes: list[str]) -> Any:
    note = key.note_of_former(value)
    if note:
        notes.append(f"{where}: {note}")
    return key.converted(value, where)


def definitions_for(algorithm: str, imb_algorithm: str | None = None) -> dict[str, Key]:
    """Return every key that a run of ``algorithm`` may be given, by name."""
    return _definitions(algorithm, imb_algorithm)


def _definitions(algorithm: str, imb_algorithm: str | None) -> dict[str, Key]:
    from usb_negsamp.host.arguments import argument_definitions

    definitions = described(argument_definitions(algorithm, imb_algorithm))
    for name in LAUNCHER_KEYS:
        definitions.pop(name, None)
    for name, default in DEFAULTS.items():
        definitions[name] = definitions[name].with_default(default)
    return {**definitions, **by_name(OWN_KEYS)}


def _chosen_algorithms(sources: Sources) -> tuple[str, str | None]:
    from usb_negsamp.host import ALGORITHMS, IMB_ALGORITHMS

    chosen: list[str | None] = []
    for key, default, registry in (("algorithm", "fixmatch", ALGORITHMS), ("imb_algorithm", None, IMB_ALGORITHMS)):
        value, where = default, sources.given_name
        if key in sources.file_values:
            value, where = sources.file_values[key], sources.file_name
        if key in sources.given:
            value, where = sources.given[key], sources.given_name
            if value is None:
                raise ConfigError(f"{where}: --{key} needs a value")
        name = Key(key, str, default).converted(value, where)
        if name is not None and name not in registry:
            raise unknown(key, name, registry.keys())
        chosen.append(name)
    return str(chosen[0]), chosen[1]


def _why_unread(key: str, where: str, definitions: Iterable[str], algorithm: str) -> str:
    """Return why a key of a file has no effect here, or raise if no part of the host knows it.

    A file made for one algorithm may be run with another, so a key of another algorithm is no mistake in a file.
    """
    if key in INERT_HOST_KEYS:
        return INERT_HOST_KEYS[key]
    from usb_negsamp.host.arguments import algorithms_reading

    if algorithms_reading(key):
        return f"{algorithm} does not read it"
    raise unknown_key(key, where, definitions, algorithm)


def unknown_key(
    key: str, where: str, definitions: Iterable[str], algorithm: str, readers: Sequence[str] | None = None
) -> ConfigError:
    """The error of a key that ``algorithm`` does not have.

    Args:
        key: its name, as given.
        where: the file, or the command line.
        definitions: the names that there are.
        algorithm: the run's.
        readers: the algorithms that do read ``key``; None to ask the host.
    """
    if readers is None:
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
