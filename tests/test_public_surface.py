"""What users meet, listed in ``public_surface.yaml``: a change inside the package must not alter it unnoticed.

The list holds the public names of the packages, the commands with their flags and exit codes, our algorithms, data sets
and networks, our configuration keys with type, default and values, and what finished runs leave: files, columns, keys
and tags. It is taken from what the commands print and write, so that modules can be moved without a change here.

A change that is meant is written into the file, to be read and committed with what made it::

    python tests/test_public_surface.py --write

An old name, key or value stays for one minor version, with a note once to whoever uses it (CONTRIBUTING.md).
"""

from __future__ import annotations

import argparse
import contextlib
import csv
import functools
import importlib
import importlib.metadata
import importlib.util
import inspect
import io
import json
import os
import re
import runpy
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple
from unittest import mock

import yaml

GOLDEN = Path(__file__).with_name("public_surface.yaml")
PATCHES = Path(__file__).parents[1] / "patches"
WRITE = "python tests/test_public_surface.py --write"
PACKAGES = (
    "usb_negsamp",
    "usb_negsamp.data",
    "usb_negsamp.functional",
    "usb_negsamp.host",
    "usb_negsamp.nets",
    "usb_negsamp.testing",
)

OPEN_SET = {
    "num_classes": 6, "seen_classes": 6, "mismatch_ratio": 0.5, "num_unlabeled": 200, "num_labels": 30,
    "validation_size": 60, "ood_data": ["pictures"], "spl_rounds": 1, "spl_inner_steps": 2, "spl_outer_steps": 2,
}  # fmt: skip
RUNS: dict[str, dict[str, Any]] = {"vat_ns3l": {}, "fixmatch_ns3l_dnll": {}, "vat_spl": OPEN_SET}
SHORT = {"num_train_iter": 4, "num_eval_iter": 2, "num_log_iter": 1, "use_tensorboard": True}

PLAIN = "supervised"
"""An algorithm of the host that has no keys of ours but those of every run."""

NO_NAME = "none-of-these"
"""Near to no name, so that an error lists the right ones."""


def test_what_users_meet_is_what_the_golden_file_lists(tmp_path: Path) -> None:
    # A process of its own: other tests register algorithms and load modules.
    found = tmp_path / GOLDEN.name
    done = subprocess.run(
        [sys.executable, __file__, "--write", str(found)], capture_output=True, text=True, timeout=600, check=False
    )
    assert done.returncode == 0, done.stderr
    changes = differences(yaml.safe_load(GOLDEN.read_text()), yaml.safe_load(found.read_text()))
    assert not changes, "\n".join(
        [
            f"what users meet is not what tests/{GOLDEN.name} lists:",
            *changes,
            f"If that is intended, run `{WRITE}` and commit the file with the change; an old name, key or value stays "
            "for one minor version, with a note once to whoever uses it (CONTRIBUTING.md).",
        ]
    )


def test_a_difference_is_said_by_its_place() -> None:
    before = {"commands": {"report": {"flags": ["--also", "--by"]}}, "keys": {"ns3l_weight": "a number, default 1.0"}}
    after = {"commands": {"report": {"flags": ["--by", "--sort"]}}, "keys": {"ns3l_weight": "a number, default 2.0"}}
    assert differences(before, before) == []
    assert differences(before, after) == [
        "  removed: commands / report / flags: --also",
        "  added: commands / report / flags: --sort",
        "  changed: keys / ns3l_weight: a number, default 1.0 -> a number, default 2.0",
    ]
    assert differences({}, after)[-1] == "  added: keys / ns3l_weight: a number, default 2.0"


def differences(before: Mapping[str, Any], after: Mapping[str, Any]) -> list[str]:
    """What two surfaces do not share, a line each, in the order of its place."""
    there, here = dict(_leaves(before)), dict(_leaves(after))
    lines = []
    for place in sorted({*there, *here}):
        old, new = there.get(place, ()), here.get(place, ())
        named = " / ".join(place)
        if isinstance(old, str) and isinstance(new, str):
            lines += [f"  changed: {named}: {old} -> {new}"] if old != new else []
            continue
        gone, come = ([value] if isinstance(value, str) else value for value in (old, new))
        lines += [f"  removed: {named}: {value}" for value in gone if value not in come]
        lines += [f"  added: {named}: {value}" for value in come if value not in gone]
    return lines


def _leaves(tree: Mapping[str, Any], place: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], str | list[str]]]:
    for name, value in tree.items():
        if isinstance(value, Mapping):
            yield from _leaves(value, (*place, str(name)))
        else:
            yield (*place, str(name)), [str(item) for item in value] if isinstance(value, list) else str(value)


class Answer(NamedTuple):
    """What one command gave back."""

    code: int
    output: str
    errors: str


def command(*words: str) -> Answer:
    """Run ``python -m usb_negsamp WORDS`` in this process, which has loaded everything."""
    output, errors, arguments = io.StringIO(), io.StringIO(), sys.argv
    sys.argv = ["usb-negsamp", *words]
    code: Any = 0
    try:
        with contextlib.redirect_stdout(output), contextlib.redirect_stderr(errors):
            runpy.run_module("usb_negsamp", run_name="__main__", alter_sys=True)
    except SystemExit as end:
        code = end.code
    finally:
        sys.argv = arguments
    return Answer(int(code or 0), output.getvalue(), errors.getvalue())


def printed(*words: str) -> str:
    """What a command prints that must succeed."""
    answer = command(*words)
    assert answer.code == 0, answer.errors
    return answer.output


def trained(name: str, *flags: str, **keys: Any) -> Answer:
    """Train what ``keys`` say into the folder ``runs/NAME``."""
    file = Path(f"{name}.yaml")
    file.write_text(yaml.safe_dump(keys))
    return command("train", "--c", str(file), "--save_dir", "runs", "--save_name", name, *flags)


def surface() -> dict[str, Any]:
    """All that users meet. Writes into the current directory."""
    return {
        "choices of ours": choices(),
        "commands": commands(),
        "entry points": entry_points(),
        "exit codes": exit_codes(),
        "keys": keys(),
        "names": {name: public_names(name) for name in PACKAGES},
        "names in patched checkouts": names_in_checkouts(),
        "records": records(),
    }


def public_names(package: str) -> dict[str, str]:
    """The names in ``__all__``, those of functions and classes of ours with their parameters."""
    module = importlib.import_module(package)
    return {name: _described(getattr(module, name)) for name in module.__all__}


def _described(value: Any) -> str:
    if not callable(value):
        return "a value"
    if not str(getattr(value, "__module__", "")).startswith("usb_negsamp"):
        return "of the host"
    if inspect.isclass(value) and issubclass(value, Exception):
        return "an exception"
    parameters = inspect.signature(value).parameters.values()
    plain = [parameter.replace(annotation=inspect.Parameter.empty) for parameter in parameters]
    return str(inspect.Signature(plain))


def names_in_checkouts() -> dict[str, str]:
    """What the lines that ``usb-negsamp patch`` has inserted take from us: checkouts that are patched keep them."""
    text = "\n".join(path.read_text() for path in sorted(PATCHES.glob("*.insert")))
    found = {}
    for package, module in re.findall(r"from (usb_negsamp[\w.]*) import (\w+)", text):
        taken = importlib.import_module(f"{package}.{module}")
        for name in re.findall(rf"\b{module}\.(\w+)\(", text):
            found[f"{package}.{module}.{name}"] = _described(getattr(taken, name))
    return found


def entry_points() -> list[str]:
    """The script's name, and the plugin that the host loads."""
    found = importlib.metadata.distribution("usb-negsamp").entry_points
    # What the script calls is nobody's business but ours.
    return sorted(
        point.name if point.group == "console_scripts" else f"{point.group}: {point.name} = {point.value}"
        for point in found
    )


def commands() -> dict[str, Any]:
    """Usage and flags of each command, and what its help says of exit codes."""
    found: dict[str, Any] = {}
    for name in re.findall(r"^  (\w+)", printed("--help"), re.MULTILINE):
        text = printed(name, "--help")
        usage, _, rest = text.removeprefix("usage: ").partition("\n\n")
        # Flags that a description mentions may be those of another command.
        named = [usage, *re.findall(r"^  (--.+?)(?:  |$)", rest, re.MULTILINE)]
        flags = {flag for part in named for flag in re.findall(r"--\w+", part)}
        found[name] = {"usage": " ".join(usage.split()), "flags": sorted(flags)}
        codes = re.findall(r"exit code:? (.+?)(?=\.|--|$)", " ".join(rest.split()), re.IGNORECASE)
        if codes:
            found[name]["exit codes"] = codes[0].strip()
    return found


def choices() -> dict[str, list[str]]:
    """Names of ours that a configuration can have, and the configurations."""
    import usb_negsamp

    ours = usb_negsamp.register()
    hosts = sorted(set(names_of("algorithms")) - set(ours))
    chains = {host: {name.removeprefix(f"{host}_") for name in ours if name.startswith(f"{host}_")} for host in hosts}
    around_every = set.intersection(*chains.values())
    around_some = {f"{host}_{chain}" for host, found in chains.items() for chain in found}
    words = set(re.findall(r"['\"]([\w-]+)['\"]", _sources_of_host()))
    return {
        "wrappers": names_of("wrappers"),
        "around every algorithm of the host": sorted(around_every),
        "around others": sorted(around_some - {f"{host}_{chain}" for host in hosts for chain in around_every}),
        "algorithms by themselves": sorted(set(ours) - around_some),
        "data sets": sorted(set(printed("list", "datasets").split()) - words),
        "networks": sorted(set(printed("list", "nets").split()) - _networks_of_host()),
        "configurations": sorted(printed("list", "configs").split()),
    }


def names_of(kind: str) -> list[str]:
    """The names in what ``list`` prints of a kind; papers may follow them."""
    return [line.split()[0] for line in printed("list", kind).splitlines()]


def _networks_of_host() -> set[str]:
    from semilearn import nets

    return set(vars(nets))


def _sources_of_host() -> str:
    specification = importlib.util.find_spec("semilearn")
    assert specification is not None
    (folder,) = specification.submodule_search_locations or []
    return "\n".join(path.read_text(encoding="utf-8") for path in sorted(Path(folder).rglob("*.py")))


def keys() -> dict[str, Any]:
    """Our configuration keys by who reads them, and the host's keys that have another default here."""
    algorithms = names_of("algorithms")
    wrappers = names_of("wrappers")
    of_host = {name.replace("-", "_") for name in re.findall(r"['\"]--([\w-]+)['\"]", _sources_of_host())}
    # Between these commands nobody adds to the host's names, which take seconds to look at.
    listing = importlib.import_module("usb_negsamp.run.cli.commands.listing")
    with mock.patch.object(listing, "catalog", functools.cache(listing.catalog)):
        listed = {name: _listed_keys(name) for name in algorithms if name.count("_") <= 1}
    own = {
        name: {key: default for key, default in found.items() if key not in of_host} for name, found in listed.items()
    }
    groups = {"of every run": _with_types(PLAIN, own[PLAIN])}
    for name in wrappers:
        groups[f"of {name}"] = _with_types(f"{PLAIN}_{name}", _but(own[f"{PLAIN}_{name}"], own[PLAIN]))
    for name in (name for name in own if "_" not in name):
        as_wrapper = own[f"{PLAIN}_{name}"] if name in wrappers else {}
        rest = _but(own[name], {**own[PLAIN], **as_wrapper})
        if rest:
            groups[f"of {name}"] = {**groups.get(f"of {name}", {}), **_with_types(name, rest)}
    exceptions = {}
    for name in (name for name in own if "_" in name):
        base, wrapper = name.split("_")
        together = {**own[base], **own[f"{PLAIN}_{wrapper}"]}
        lines = [f"{key} is not read" for key in together if key not in own[name]]
        lines += [f"{key} has the default {default}" for key, default in _but(own[name], together).items()]
        if lines:
            exceptions[name] = sorted(lines)
    return {
        **groups,
        "exceptions": exceptions,
        "of the host, with a default of ours": _other_defaults(listed[PLAIN]),
    }


def _but(some: Mapping[str, str], others: Mapping[str, str]) -> dict[str, str]:
    return {key: default for key, default in some.items() if others.get(key) != default}


def _listed_keys(algorithm: str) -> dict[str, str]:
    lines = printed("list", "keys", "--algorithm", algorithm).splitlines()
    # Ours have no spaces in their defaults; an empty default is not printed, and no key of ours has one.
    return {name: default for name, default, *_ in ([*line[2:].split(), ""] for line in lines)}


def _with_types(algorithm: str, defaults: Mapping[str, str]) -> dict[str, str]:
    return {key: f"{_kind_of(algorithm, key)}, default {default}" for key, default in defaults.items()}


def _kind_of(algorithm: str, key: str) -> str:
    """What the program says that it expects of a key when it is given something else."""
    # No key takes a mapping.
    answer = trained("refused", algorithm=algorithm, **{key: {NO_NAME: NO_NAME}})
    said = re.search(rf"{key}: expected (.+), but got ", answer.errors)
    kind = said[1] if said else "of no type that is said"
    if kind != "a text":
        return kind
    # Where any text will do, this trains.
    answer = trained("refused", "--overwrite", **_tiny(algorithm, curve=False, use_tensorboard=False, **{key: NO_NAME}))
    said = re.search(rf"{key} '{NO_NAME}'; expected one of: (.+)", answer.errors)
    return f"one of {', '.join(sorted(said[1].split(', ')))}" if said else kind


def _other_defaults(listed: Mapping[str, str]) -> dict[str, str]:
    import semilearn

    of_host = vars(semilearn.get_config({"algorithm": PLAIN}))
    # The host's answer has the algorithm asked for, ours the one that is taken if none is.
    shared = sorted((set(listed) & set(of_host)) - {"algorithm"})
    return {key: f"default {listed[key]}" for key in shared if not _same(listed[key], str(of_host[key]))}


def _same(one: str, other: str) -> bool:
    try:
        return one == other or float(one) == float(other)
    except ValueError:
        return False


def _tiny(algorithm: str, **keys: Any) -> dict[str, Any]:
    from usb_negsamp.testing import TINY_RUN

    return {**TINY_RUN, **SHORT, "algorithm": algorithm, **keys}


def exit_codes() -> dict[str, int | str]:
    """How the commands end, and how the manifest of an interrupted run says so."""
    codes: dict[str, int | str] = {
        "no command": command().code,
        "a command that there is not": command(NO_NAME).code,
        "the help": command("--help").code,
        "the version": command("--version").code,
        "a key that there is not": trained("refused", algorithm=PLAIN, **{NO_NAME: 1}).code,
        "a configuration that there is not": command("train", "--c", NO_NAME).code,
        "a finished run": trained("once", **_tiny(PLAIN, curve=False)).code,
        "a run where one is": trained("once", **_tiny(PLAIN)).code,
    }
    for signum in (signal.SIGINT, signal.SIGTERM):
        code, reason = _interrupted(signum)
        codes[f"a run that {signum.name} ends"] = code
        codes[f"exit_reason of a run that {signum.name} ends"] = reason
    codes["a doctor that finds all well"] = command("doctor").code
    with mock.patch.dict(sys.modules, {"timm": None}):
        codes["a doctor that finds a package missing"] = command("doctor").code
    return codes


def _interrupted(signum: signal.Signals) -> tuple[int, str]:
    """Exit code and exit reason of a run that is sent the signal once it has written its first numbers."""
    directory, ended = Path("runs") / signum.name, threading.Event()

    def send() -> None:
        metrics, deadline = directory / "metrics.jsonl", time.monotonic() + 30
        while not (metrics.is_file() and metrics.stat().st_size) and time.monotonic() < deadline:
            if ended.wait(0.01):
                return
        os.kill(os.getpid(), signum)

    sender = threading.Thread(target=send)
    sender.start()
    try:
        answer = trained(signum.name, **_tiny(PLAIN, num_train_iter=100_000, num_eval_iter=100_000))
    finally:
        ended.set()
        sender.join()
    assert answer.code > 128, answer.errors
    return answer.code, json.loads((directory / "manifest.json").read_text())["exit_reason"]


def records() -> dict[str, Any]:
    """What finished runs leave: in common, and what each has beside that."""
    _make_pictures(Path("pictures"))
    left = {}
    for name, more in RUNS.items():
        answer = trained(name, **_tiny(name, **more))
        assert answer.code == 0, answer.errors
        left[name] = _records_of(Path("runs") / name)
    kinds = sorted({kind for found in left.values() for kind in found})
    common = {kind: set.intersection(*(found.get(kind, set()) for found in left.values())) for kind in kinds}
    return {
        "of every run": {kind: sorted(names) for kind, names in common.items() if names},
        **{
            f"of {name}, beside these": {
                kind: sorted(names - common[kind]) for kind, names in found.items() if names - common[kind]
            }
            for name, found in left.items()
        },
    }


def _make_pictures(folder: Path) -> None:
    from PIL import Image

    folder.mkdir()
    for shade in (0, 80, 160, 240):
        Image.new("RGB", (16, 16), (shade, 255 - shade, 128)).save(folder / f"{shade}.png")


def _records_of(run: Path) -> dict[str, set[str]]:
    import torch
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    files = {path.relative_to(run).as_posix() for path in run.rglob("*") if path.is_file()}
    events = EventAccumulator(str(run / "tensorboard"))
    events.Reload()
    with (run / "results.csv").open(newline="", encoding="utf-8") as file:
        columns = csv.DictReader(file).fieldnames or ()
    rows = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
    manifest = json.loads((run / "manifest.json").read_text())
    # It has all keys of the run, the host's among them.
    manifest["config"] = None
    (evaluated,) = json.loads(printed("eval", str(run), "--json")).values()
    found = {
        "files": {re.sub(r"(tfevents)\..+", r"\1.*", name) for name in files},
        "columns of results.csv": set(columns),
        "keys in metrics.jsonl": {name for row in rows for name in row},
        "keys in manifest.json": set(_dotted(manifest)),
        "tags of TensorBoard": set(events.Tags()["scalars"]),
        "figures of eval --json": set(evaluated),
    }
    for path in sorted(run.glob("*.pth")):
        found[f"keys in {path.name}"] = set(torch.load(path, map_location="cpu", weights_only=True))
    return found


def _dotted(tree: Mapping[str, Any], prefix: str = "") -> Iterator[str]:
    for name, value in tree.items():
        yield prefix + name
        if isinstance(value, Mapping):
            yield from _dotted(value, f"{prefix}{name}.")


def write(path: Path) -> None:
    """Write all that users meet now."""
    for name in ("RANK", "LOCAL_RANK", "WORLD_SIZE"):
        os.environ.pop(name, None)
    path = path.resolve()
    before = Path.cwd()
    with tempfile.TemporaryDirectory() as directory:
        os.chdir(directory)
        try:
            found = surface()
        finally:
            os.chdir(before)
    header = f"# What users meet; test_public_surface.py says more. Written by: {WRITE}\n"
    path.write_text(header + yaml.safe_dump(found, sort_keys=True, width=10_000, allow_unicode=True))


def main(arguments: Iterable[str] | None = None) -> None:
    """Write the golden file, or another one."""
    parser = argparse.ArgumentParser(description="What users of usb-negsamp meet, as a list.")
    parser.add_argument("--write", nargs="?", type=Path, const=GOLDEN, required=True, metavar="FILE")
    path = parser.parse_args(arguments).write
    write(path)
    import usb_negsamp

    print(f"{path}: what users of {Path(usb_negsamp.__file__).parent} meet")


if __name__ == "__main__":
    main()
