"""Run a study: several methods on several data sets and label splits, one results row a run.

    python benchmarks/study.py benchmarks/studies/NAME.yaml --runs saved_models/studies [--shard 1/2] [--only KEY=VALUE]

A study file has the keys ``common`` (of all runs), ``datasets`` and ``methods`` (a name, and the keys that it sets over
the common ones; a method wins over a data set) and ``seeds``; optionally ``settings``, a third list of the same kind.
Text may name other keys of its run in braces, and ``{runs}`` and ``{data}`` (the data set's name in the study).
Each run is what ``usb-negsamp train --key value ...`` makes of the merged keys, in the folder RUNS/NAME, with ``seed``
and ``split_seed`` both set to the seed, so that methods are paired. The same command again goes on: finished runs are
kept. ``--shard 1/2`` makes every second run, for two processes side by side. ``--collect CSV`` runs nothing and writes
a row for each finished run to one file, with the columns of ``ABOUT``, of which ``usb-negsamp report``
makes tables.
"""

from __future__ import annotations

import argparse
import csv
import functools
import itertools
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

from ruamel.yaml import YAML

ABOUT = ("study", "data", "setting", "method")


class Cell(NamedTuple):
    """One run of a study: its names, its folder, and the keys of ``usb-negsamp train``."""

    names: dict[str, str]
    directory: Path
    keys: dict[str, Any]


def cells(path: Path, runs: Path) -> Iterator[Cell]:
    """Return the runs of a study file, all methods of one seed before the next seed."""
    study = YAML(typ="safe", pure=True).load(path)
    settings = study.get("settings") or {"": {}}
    for seed, dataset, setting, method in itertools.product(
        study["seeds"], study["datasets"], settings, study["methods"]
    ):
        chosen = (study["common"], study["datasets"][dataset], settings[setting], study["methods"][method])
        keys: dict[str, Any] = {}
        for part in chosen:
            keys.update(part or {})
        save_dir = runs / path.stem
        save_name = "-".join(part for part in (dataset, setting, method, str(seed)) if part).replace(" ", "")
        keys.update(seed=seed, split_seed=seed, save_dir=str(save_dir), save_name=save_name)
        names = {**keys, "runs": runs, "data": dataset}
        keys = {key: _filled(value, names) for key, value in keys.items() if value is not None}
        about = dict(zip(ABOUT, (path.stem, dataset, setting, method), strict=True))
        yield Cell(about, save_dir / save_name, keys)


def _filled(value: Any, names: dict[str, Any]) -> Any:
    return value.format_map(names) if isinstance(value, str) else value


def run(cell: Cell) -> None:
    """Train one cell in this process; a run that was stopped is made anew."""
    from usb_negsamp.run.training.run import train

    words = [word for key, value in cell.keys.items() for word in (f"--{key}", str(value))]
    code = train([*words, "--overwrite", "true"])
    if code:
        raise SystemExit(code)


def collect(finished: list[Cell], out: Path) -> None:
    """Write one row for each finished run."""
    rows: list[dict[str, str]] = []
    for cell in finished:
        with (cell.directory / "results.csv").open(newline="", encoding="utf-8") as file:
            # A run that was made again has a row for each time.
            rows.append({**cell.names, **list(csv.DictReader(file))[-1]})
    columns = [*ABOUT, *dict.fromkeys(name for row in rows for name in row if name not in ABOUT)]
    out.parent.mkdir(parents=True, exist_ok=True)
    with out.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, columns, restval="", lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
    print(f"{out}: {len(rows)} rows")


def main() -> None:
    """Run or collect the study that the command line names."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("study", type=Path)
    parser.add_argument("--runs", type=Path, required=True)
    parser.add_argument("--shard", default="1/1")
    parser.add_argument("--only", default="", help="KEY=VALUE,KEY=VALUE of the runs' keys or names")
    parser.add_argument("--collect", type=Path)
    options = parser.parse_args()

    wanted = dict(part.split("=", 1) for part in options.only.split(",") if part)
    chosen = [
        cell
        for cell in cells(options.study, options.runs)
        if all(str({**cell.keys, **cell.names}.get(key)) == value for key, value in wanted.items())
    ]
    finished = [cell for cell in chosen if (cell.directory / "results.csv").exists()]
    if options.collect:
        collect(finished, options.collect)
        return
    shard, count = (int(number) for number in options.shard.split("/"))
    todo = [cell for cell in chosen if cell not in finished][shard - 1 :: count]
    print(f"{options.study.stem}: {len(chosen)} runs, {len(finished)} finished, {len(todo)} to do here", flush=True)

    from usb_negsamp.host.datasets import build as datasets

    # Every run reads the same images: they are decoded once.
    datasets.load_source = functools.lru_cache(datasets.load_source)
    for number, cell in enumerate(todo, start=1):
        if (cell.directory / "results.csv").exists():  # another process was faster
            continue
        begin = time.perf_counter()
        run(cell)
        print(f"[{number}/{len(todo)}] {cell.directory.name}: {time.perf_counter() - begin:.1f} s", flush=True)


if __name__ == "__main__":
    main()
