"""The names that a configuration can use, kept between commands: to learn them torch and the host are loaded.

The file lies in the user's cache folder (``XDG_CACHE_HOME``, else ``~/.cache``) and is named by the digest of all that
the names come from: the host's and this package's files, by their places, sizes and times, and the version of Python.
Nothing that plugins add is in it.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
import os
import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

from usb_negsamp.atomic_write import write_atomically
from usb_negsamp.key import Key

PACKAGES = ("semilearn", "usb_negsamp", "usb_negsamp.algorithms")


@dataclass(frozen=True)
class Catalog:
    """Names by their kinds, each in the order in which they are shown.

    Attributes:
        algorithms: registered algorithms, wrapped ones included, and the keys that each reads beside those of all.
        imb_algorithms: the host's imbalanced ones, likewise.
        general_keys: of every run.
        former_keys: earlier names of keys, and today's.
        wrappers: of this package.
        datasets: the host's and ours.
        nets: the host's and ours.
        papers: of our algorithms and wrappers, by their names.
        rows: every distinct name, default and meaning that a key has with some algorithm.
        rows_of: the places in ``rows`` of each algorithm's keys, imbalanced ones excepted, in the order of the names.
        own_keys: the names of our keys for every run.
        own_table: our keys as a table in Markdown.
    """

    algorithms: dict[str, list[str]]
    imb_algorithms: dict[str, list[str]]
    general_keys: list[str]
    former_keys: dict[str, str]
    wrappers: list[str]
    datasets: list[str]
    nets: list[str]
    papers: dict[str, str]
    rows: list[list[str]]
    rows_of: dict[str, list[int]]
    own_keys: list[str]
    own_table: str

    def keys_with_meaning(self, algorithm: str) -> list[list[str]]:
        """Name, default and meaning of each key of ``algorithm``, which must be known."""
        return [self.rows[place] for place in self.rows_of[algorithm]]

    def readers(self, key: str) -> list[str]:
        """The algorithms, imbalanced ones included, that read ``key``."""
        return [name for kind in (self.algorithms, self.imb_algorithms) for name, keys in kind.items() if key in keys]

    def keys_of(self, algorithm: str, imb_algorithm: str | None) -> set[str]:
        """Every key that a run of these, both of which must be known, may be given."""
        imbalanced = [] if imb_algorithm is None else self.imb_algorithms[imb_algorithm]
        return {*self.general_keys, *self.algorithms[algorithm], *imbalanced}


def catalog() -> Catalog:
    """The catalog: as it was kept or, where the host is loaded already or nothing was kept, from the host."""
    if "semilearn" not in sys.modules:
        kept = kept_catalog()
        if kept is not None:
            return kept
    register_and_keep()
    return _from_host()


def register_and_keep() -> None:
    """Register our names with the host, and keep the catalog for the commands that follow if it is not kept yet.

    Not where the host is loaded already: somebody may have added to it.
    """
    import usb_negsamp

    untouched = "semilearn" not in sys.modules
    usb_negsamp.register()
    if untouched and kept_catalog() is None:
        _keep(_from_host())


def kept_catalog() -> Catalog | None:
    """The catalog that was kept, if there is one of these very files."""
    try:
        return Catalog(**json.loads(_place().read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError):
        return None


def _keep(found: Catalog) -> None:
    """Write the file where the user's cache folder can be written to; else the next command looks again."""
    try:
        _place().parent.mkdir(parents=True, exist_ok=True)
        write_atomically(_place(), json.dumps(dataclasses.asdict(found)))
    except OSError:
        return


def _from_host() -> Catalog:
    from usb_negsamp.algorithms import WRAPPERS, papers
    from usb_negsamp.host.arguments import own_keys
    from usb_negsamp.key import former_names
    from usb_negsamp.run.configuration import choices
    from usb_negsamp.run.configuration.keys import OWN_KEYS, checked_keys, keys_of_methods, markdown_table
    from usb_negsamp.run.configuration.resolution import definitions_for

    algorithms, imb_algorithms = own_keys()
    definitions = {algorithm: definitions_for(algorithm) for algorithm in algorithms}
    rows: dict[tuple[str, str, str], int] = {}
    rows_of = {
        algorithm: [rows.setdefault(_row(key), len(rows)) for _, key in sorted(keys.items())]
        for algorithm, keys in definitions.items()
    }
    # What two that share no key of their own both read is read by all.
    of_one, of_other = definitions["fixmatch"], definitions["vat"]
    return Catalog(
        algorithms,
        imb_algorithms,
        [key for key in of_one if key in of_other],
        former_names(checked_keys()),
        sorted(WRAPPERS),
        choices.datasets(),
        choices.nets(),
        papers(),
        [list(row) for row in rows],
        rows_of,
        [key.name for key in OWN_KEYS],
        markdown_table((*OWN_KEYS, *keys_of_methods())),
    )


def _row(key: Key) -> tuple[str, str, str]:
    return key.name, str(key.default), " ".join(key.meaning.split())


def _place() -> Path:
    folder = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    return folder / "usb-negsamp" / f"names-{_digest(_files())[:32]}.json"


def _digest(files: Iterable[tuple[str, int, int]]) -> str:
    return hashlib.sha256(repr((sys.version, sorted(files))).encode()).hexdigest()


def _files() -> Iterator[tuple[str, int, int]]:
    """Path, size and time of every file of Python that the names may come from."""
    for name in PACKAGES:
        spec = find_spec(name)
        for folder in (spec.submodule_search_locations or ()) if spec else ():
            for path in Path(folder).rglob("*.py"):
                state = path.stat()
                yield str(path), state.st_size, state.st_mtime_ns
