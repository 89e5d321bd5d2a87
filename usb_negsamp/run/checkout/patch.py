"""``usb-negsamp patch``: a checkout of the host that loads plugins and runs on today's packages, and back.

The files in ``patches/`` insert lines and change none of the host's (:mod:`usb_negsamp.run.checkout.insertions`), so
that they can be taken out to the byte. Our configuration files are copied into the checkout's ``config/``; a list
beside them says which they are. Everything is worked out before anything is written.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

from usb_negsamp.errors import ConfigError
from usb_negsamp.run.checkout.insertions import Insertion, read_insertions, with_insertions, without_insertions
from usb_negsamp.run.checkout.transaction import replace_all
from usb_negsamp.run.configuration.packaged import packaged_folder

LIST = "config/.usb-negsamp.json"
PRISTINE = "pristine.sha256"
SCRIPTS = ("train.py", "eval.py")


def patch(place: Path, *, revert: bool = False) -> None:
    """Patch the checkout at ``place``, or take out all that was inserted and placed; says what was done.

    Raises:
        ConfigError: not a checkout, one that the patches do not fit, or one that cannot be written; nothing is changed.
    """
    checkout = find_checkout(place)
    plan = plan_revert(checkout) if revert else plan_apply(checkout)
    plan.carry_out()
    for note in plan.notes:
        print(note)
    done = "reverted" if revert else "patched"
    print(f"{checkout}: {done}, {len(plan.changes)} files written" if plan.changes else f"{checkout}: nothing to do")


def find_checkout(checkout: Path) -> Path:
    """Return ``checkout`` if a checkout of the host is there.

    Raises:
        ConfigError: it is not.
    """
    if not checkout.is_dir():
        raise ConfigError(f"expected the folder of a checkout of USB, but {checkout} is none")
    for name in (*SCRIPTS, "semilearn/__init__.py"):
        if not (checkout / name).is_file():
            raise ConfigError(f"{checkout} is no checkout of USB: it has no {name}")
    return checkout


def _sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def _known_checksums(folder: Path) -> set[tuple[str, str]]:
    lines = (folder / PRISTINE).read_text(encoding="utf-8").splitlines()
    return {(name, checksum) for checksum, name in (line.split() for line in lines if line and line[0] != "#")}


@dataclass
class Plan:
    """What to write where; ``None`` deletes. Nothing is changed before :meth:`carry_out`."""

    changes: dict[Path, bytes | None] = field(default_factory=dict)
    new_folders: list[Path] = field(default_factory=list)
    old_folders: list[Path] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def want(self, path: Path, content: bytes | None) -> None:
        """Have ``content`` in ``path``, which needs a change only if something else is there."""
        if content != (path.read_bytes() if path.is_file() else None):
            self.changes[path] = content

    def carry_out(self) -> None:
        """Write everything, all files or none; folders that we made go when they are empty.

        Raises:
            ConfigError: a file cannot be written.
        """
        made: list[Path] = []
        try:
            for folder in self.new_folders:
                if not folder.exists():
                    folder.mkdir()
                    made.append(folder)
            replace_all(self.changes)
        except OSError as error:
            _remove_empty(reversed(made))
            name = error.filename2 or error.filename
            raise ConfigError(f"{name} cannot be written: {error.strerror}; nothing was changed") from error
        _remove_empty(self.old_folders)


def _remove_empty(folders: Iterable[Path]) -> None:
    for folder in folders:
        # A link in the place of a folder is the user's.
        if folder.is_dir() and not folder.is_symlink() and not any(folder.iterdir()):
            folder.rmdir()


def _read(checkout: Path, name: str) -> str:
    try:
        return (checkout / name).read_bytes().decode("utf-8", "surrogateescape")
    except OSError as error:
        raise ConfigError(f"{checkout / name} cannot be read: {error.strerror}") from error


def _encode(text: str) -> bytes:
    return text.encode("utf-8", "surrogateescape")


def _insertions() -> tuple[list[Insertion], list[str]]:
    insertions = read_insertions(packaged_folder("patches"))
    # The scripts in any case: an earlier version of ours may have inserted lines where this one inserts none.
    return insertions, list(dict.fromkeys((*SCRIPTS, *(insertion.file for insertion in insertions))))


def plan_apply(checkout: Path) -> Plan:
    """Return what makes ``checkout`` patched; lines and files of an earlier version of ours are replaced."""
    plan = Plan()
    insertions, names = _insertions()
    for name in names:
        text = with_insertions(without_insertions(_read(checkout, name), name), name, insertions)
        plan.want(checkout / name, _encode(text))
    _plan_configs(checkout, plan, _our_configs())
    return plan


def plan_revert(checkout: Path) -> Plan:
    """Return what takes everything of ours out of ``checkout``."""
    plan = Plan()
    for name in _insertions()[1]:
        plan.want(checkout / name, _encode(without_insertions(_read(checkout, name), name)))
    _plan_configs(checkout, plan, {})
    return plan


def _our_configs() -> dict[str, bytes]:
    folder = packaged_folder("config")
    return {f"config/{path.relative_to(folder).as_posix()}": path.read_bytes() for path in folder.rglob("*.yaml")}


def _plan_configs(checkout: Path, plan: Plan, wanted: dict[str, bytes]) -> None:
    """Place the ``wanted`` files, and remove those that we placed and that are not wanted any more."""
    placed, folders = _read_list(checkout)
    listed: dict[str, str] = {}
    contents: dict[Path, bytes | None] = {}
    for name in sorted({*placed, *wanted}):
        path, content = checkout / name, wanted.get(name)
        present = path.read_bytes() if path.is_file() else None
        ours = present is not None and placed.get(name) == _sha256(present)
        if ours or not os.path.lexists(path):
            contents[path] = content
            if content is not None:
                listed[name] = _sha256(content)
        elif present != content or name in placed:
            plan.notes.append(
                f"{path}: kept as it is, {'changed since it was placed' if name in placed else 'not ours'}"
            )
            if name in placed and content is not None:
                listed[name] = placed[name]
    needed = {parent for name in listed for parent in Path(name).parents if parent != Path(".")}
    plan.new_folders = [checkout / parent for parent in sorted(needed) if not (checkout / parent).exists()]
    made = {*folders, *(folder.relative_to(checkout).as_posix() for folder in plan.new_folders)}
    kept = {folder for folder in made if Path(folder) in needed}
    plan.old_folders = [
        checkout / folder for folder in sorted(made - kept, reverse=True) if (checkout / folder).is_dir()
    ]
    record = {"files": listed, "folders": sorted(kept)}
    # The list first: a file that is there without being listed would count as somebody else's.
    text = json.dumps(record, indent=1, sort_keys=True) + "\n"
    plan.want(checkout / LIST, text.encode() if listed else None)
    for path, content in contents.items():
        plan.want(path, content)


def _read_list(checkout: Path) -> tuple[dict[str, str], list[str]]:
    path = checkout / LIST
    if not path.is_file():
        return {}, []
    try:
        record = json.loads(path.read_text(encoding="utf-8"))
        files = {str(name): str(checksum) for name, checksum in record["files"].items()}
        folders = [str(folder) for folder in record["folders"]]
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise ConfigError(f"{path} is damaged: it should list the files that were placed beside it") from error
    for name in (*files, *folders):
        if Path(name).parts[:1] != ("config",) or ".." in Path(name).parts:
            raise ConfigError(f"{path} is damaged: {name!r} is no file in config/")
    return files, folders


# --- --check


def check(place: Path) -> int:
    """Say what state the checkout at ``place`` is in; return 0 if it is patched completely, else 1.

    Raises:
        ConfigError: not a checkout.
    """
    checkout = find_checkout(place)
    insertions, names = _insertions()
    known = _known_checksums(packaged_folder("patches"))
    states = [_state(checkout, name, insertions, known) for name in names]
    plan = Plan()
    _plan_configs(checkout, plan, _our_configs())
    placed = sum(name in _read_list(checkout)[0] for name in _our_configs())
    missing = sum(path.suffix == ".yaml" for path in plan.changes)
    for name, (_, text) in zip(names, states, strict=True):
        print(f"{checkout / name}: {text}")
    print(f"{checkout / 'config'}: {placed} files of ours" + (f", {missing} to be placed or replaced" * bool(missing)))
    for note in plan.notes:
        print(note)
    kinds = {kind for kind, _ in states}
    if kinds == {"patched"} and not plan.changes:
        verdict = "patched"
    elif "foreign" in kinds:
        verdict = "modified by others, or of a revision that we do not know"
    elif kinds == {"pristine"} and not placed:
        verdict = "pristine"
    else:
        verdict = "partly patched"
    print(f"{checkout}: {verdict}")
    return 0 if verdict == "patched" else 1


def _state(checkout: Path, name: str, insertions: list[Insertion], known: set[tuple[str, str]]) -> tuple[str, str]:
    """Return one of pristine, patched, partly and foreign for a file, and the same in words."""
    text = _read(checkout, name)
    try:
        clean = without_insertions(text, name)
        patched = with_insertions(clean, name, insertions)
    except ConfigError as error:
        return "foreign", str(error)
    is_known = (name, _sha256(_encode(clean.replace("\r\n", "\n")))) in known
    rest = "" if is_known else ", in a file that was modified by others or is of a revision that we do not know"
    if text == patched:
        return "patched", f"patched{rest}"
    if text == clean:
        return ("pristine", "pristine") if is_known else ("foreign", f"not patched{rest}; the patches fit")
    return "partly", f"partly patched, or by another version of usb-negsamp{rest}"
