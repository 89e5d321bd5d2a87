"""results.csv: one row for each finished run, from which tables are computed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from usb_negsamp.errors import ConfigError
from usb_negsamp.run.records.csv_file import read_csv, write_csv
from usb_negsamp.run.records.directory import RESULTS

# What the run was asked, as its configuration has it.
ASKED = (
    "save_name",
    "algorithm",
    "imb_algorithm",
    "dataset",
    "labeled_dataset",
    "unlabeled_dataset",
    "net",
    "num_classes",
    "num_labels",
    "batch_size",
    "uratio",
    "seed",
    "split_seed",
    "num_train_iter",
    "preset",
    "validation_size",
)
# The same for a run on an open-set split; empty for any other.
ASKED_OF_SPLIT = ("seen_classes", "class_order", "mismatch_protocol", "mismatch_ratio", "num_unlabeled")
# Figures of an open-set split, by their names in results_dict.
OPEN_SET = {
    "mismatch": "train/open/mismatch",
    "labeled_ratio": "train/open/labeled_ratio",
    "open_auroc": "test/open/auroc",
    "open_auroc_energy": "test/open/auroc_energy",
    "open_aupr": "test/open/aupr",
    "open_aupr_unseen": "test/open/aupr_unseen",
    "open_balanced_acc": "test/open/balanced_acc",
    "pool_auroc": "test/open/pool/auroc",
    "pool_auroc_energy": "test/open/pool/auroc_energy",
    "confident_unseen": "train/open/confident_unseen",
    "confident_seen": "train/open/confident_seen",
    "confident_seen_acc": "train/open/confident_seen_acc",
    "weight_seen": "train/open/weight_seen",
    "weight_unseen": "train/open/weight_unseen",
}
# Of these the figures of a model, as the last one has them.
OPEN_SET_OF_LAST = {
    f"{column}_last": name.replace("/open/", "/last_open/")
    for column, name in OPEN_SET.items()
    if column not in ("mismatch", "labeled_ratio")
}
# Figures of SPL and of two networks, by their names in results_dict.
OF_METHODS = {
    "spl_eval_acc": "eval/spl_acc",
    "spl_test_acc": "test/spl_acc",
    "spl_start_eval_acc": "eval/spl_start_acc",
    "spl_start_test_acc": "test/spl_start_acc",
    "spl_start_reestimated_eval_acc": "eval/spl_start_reestimated_acc",
    "spl_start_reestimated_test_acc": "test/spl_start_reestimated_acc",
    "spl_round": "eval/spl_round",
    "spl_v1_lr": "eval/spl_v1_lr",
    "spl_kept_ratio": "eval/spl_kept_ratio",
    "spl_open_auroc": "test/spl_open/auroc",
    "spl_start_open_auroc": "test/spl_start_open/auroc",
    "spl_pool_auroc": "test/spl_open/pool/auroc",
    "spl_start_pool_auroc": "test/spl_start_open/pool/auroc",
    "spl_confident_unseen": "train/spl_open/confident_unseen",
    "spl_start_confident_unseen": "train/spl_start_open/confident_unseen",
    "first_test_acc": "test/first_acc",
    "peer_test_acc": "test/peer_acc",
    "average_test_acc": "test/average_acc",
    "first_test_acc_last": "test/last_first_acc",
    "peer_test_acc_last": "test/last_peer_acc",
    "average_test_acc_last": "test/last_average_acc",
}
# What the column ``selection`` says: on which images the best model was chosen.
ON_VALIDATION = "best on validation"
ON_THE_TEST_IMAGES = "best on the evaluation images themselves"
_OF_OTHER_DATA = ("auroc", "auroc_energy")
COLUMNS = (
    *ASKED,
    *ASKED_OF_SPLIT,
    "selection",
    "eval_best_acc",
    "eval_best_it",
    "eval_last_acc",
    "test_acc_at_best",
    "test_acc_last",
    "eval_acc_median_last",
    "test_acc_median_last",
    *OPEN_SET,
    *OPEN_SET_OF_LAST,
    *OF_METHODS,
    "seconds",
    "device",
    "world_size",
    "torch",
    "host_version",
    "host_sha256",
    "version",
    "commit",
    "dirty",
    "data_digest",
    "split_digest",
    "start",
    "end",
)


def result_row(results: Mapping[str, Any], manifest: Mapping[str, Any], seconds: float) -> dict[str, Any]:
    """Return the row of a finished run.

    A test accuracy is only given where the best model was chosen on other images; where the host chooses it on the
    test images themselves, those figures are the ``eval`` ones, and the column ``selection`` says so. Open-set figures
    are of the best model in the first case and of the last one in the second; in columns that end in ``_last`` they are
    of the last one in both. Those against a data set NAME of ``ood_data`` are in further columns, ``open_NAME_auroc``
    and ``open_NAME_auroc_energy``.

    Args:
        results: the algorithm's ``results_dict``; ``eval/best_it`` counts from 0 there and from 1 in the row.
        manifest: the content of the run's manifest, ended.
        seconds: wall-clock time over all sessions.
    """
    config = manifest["config"]
    best_it = results.get("eval/best_it")
    row = {name: config.get(name) for name in ASKED}
    row.update(_open_set_columns(results, config))
    row.update({column: results.get(name) for column, name in OF_METHODS.items()})
    row.update(
        split_seed=manifest["split_seed"],
        selection=selection_rule(results),
        eval_best_acc=results.get("eval/best_acc"),
        eval_best_it=None if best_it is None else best_it + 1,
        eval_last_acc=results.get("eval/last_acc"),
        test_acc_at_best=results.get("test/best_acc"),
        test_acc_last=results.get("test/last_acc"),
        eval_acc_median_last=results.get("eval/median_last"),
        test_acc_median_last=results.get("test/median_last"),
        seconds=round(seconds, 1),
        device=manifest["device"],
        world_size=manifest["world_size"],
        torch=manifest["versions"]["torch"],
        host_version=manifest["host"]["version"],
        host_sha256=manifest["host"]["sources_sha256"],
        version=manifest["versions"]["usb-negsamp"],
        commit=manifest["package"]["commit"],
        dirty=manifest["package"]["dirty"],
        data_digest=manifest["data_digest"],
        split_digest=manifest["split_digest"],
        start=manifest["start"],
        end=manifest["end"],
    )
    return row


def _open_set_columns(results: Mapping[str, Any], config: Mapping[str, Any]) -> dict[str, Any]:
    """Return what only a run on an open-set split has; nothing for any other."""
    if config.get("seen_classes") is None:
        return {}
    columns = {name: config.get(name) for name in ASKED_OF_SPLIT}
    classes = columns["seen_classes"]
    if isinstance(classes, (list, tuple)):
        columns["seen_classes"] = " ".join(str(name) for name in classes)
    columns.update({column: results.get(name) for column, name in (OPEN_SET | OPEN_SET_OF_LAST).items()})
    for name, value in results.items():
        parts = name.split("/")
        is_open = name.startswith(("test/open/", "test/last_open/")) and len(parts) == 4
        if is_open and parts[2] != "pool" and parts[3] in _OF_OTHER_DATA:
            columns[f"open_{parts[2]}_{parts[3]}" + ("" if parts[1] == "open" else "_last")] = value
    return columns


def selection_rule(results: Mapping[str, Any]) -> str:
    """Return on what the best model was chosen.

    >>> selection_rule({"eval/best_acc": 0.9, "test/best_acc": 0.8})
    'best on validation'
    """
    return ON_VALIDATION if "test/best_acc" in results else ON_THE_TEST_IMAGES


def put_row(path: Path, row: Mapping[str, Any]) -> None:
    """Append ``row``, in the place of the last one if that is of the same request.

    Rows and columns that another version left in the file are kept, those of ``row`` added.
    """
    present, rows = read_csv(path) if path.exists() else ([], [])
    asked = (*ASKED, *ASKED_OF_SPLIT)
    new = {name: "" if row.get(name) is None else str(row.get(name)) for name in asked}
    if rows and {name: rows[-1].get(name, "") for name in asked} == new:
        rows.pop()
    write_csv(path, list(dict.fromkeys([*COLUMNS, *row, *present])), [*rows, row])


# Names, in one text, the keys that a sweep varied; the columns of those names hold their values.
SWEPT = "swept"
# Names, in a row of a sweep, the run whose row is given here once more: it would be the same at this row's values.
COPY_OF = "copy_of"
# Figures of the unlabeled images, by their columns.
OF_POOL = tuple(
    column for column, name in (OPEN_SET | OPEN_SET_OF_LAST).items() if name.startswith("train/") or "/pool/" in name
)


def read_rows(path: Path) -> list[dict[str, str]]:
    """Return the rows of one file.

    Raises:
        ConfigError: it is no table of results.
    """
    columns, rows = read_csv(path)
    missing = {"algorithm", "dataset", "split_seed"}.difference(columns)
    if missing or any(None in row for row in rows):
        raise ConfigError(f"{path} is no table of results" + (f": no column {min(missing)!r}" if missing else ""))
    return rows


def collect_rows(places: Sequence[str]) -> list[dict[str, str]]:
    """Return the rows of runs, sweeps, folders of those, or results files; a run named twice counts once.

    Raises:
        ConfigError: a place holds no results.
    """
    found: dict[tuple[str, ...], dict[str, str]] = {}
    for place in places:
        for file in _files(Path(place)):
            for row in read_rows(file):
                # A row of a sweep and the row of its run are one: take the sweep's, which has more columns.
                key = tuple(row.get(name, "") for name in COLUMNS)
                if key not in found or len(row) > len(found[key]):
                    found[key] = row
    if not found:
        raise ConfigError(f"{', '.join(places)}: no finished run has left a row")
    return list(found.values())


def has_rows(place: Path) -> bool:
    """Whether a run, or the runs of a folder, have left rows there."""
    return place.is_file() or (place / RESULTS).is_file() or any(place.glob(f"*/{RESULTS}"))


def _files(place: Path) -> list[Path]:
    if place.is_file():
        return [place]
    if not place.exists():
        raise ConfigError(f"{place} does not exist")
    if (place / RESULTS).is_file():
        return [place / RESULTS]
    below = sorted(place.glob(f"*/{RESULTS}"))
    if not below:
        raise ConfigError(f"{place} holds no {RESULTS}: no run has finished there")
    return below
