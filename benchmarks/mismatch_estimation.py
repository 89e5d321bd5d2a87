"""Which estimate of the mismatch is nearest: splits of known mismatch, trained networks, several scores and methods.

    python benchmarks/mismatch_estimation.py --data_dir DATA --out benchmarks/mismatch_estimation.csv

DATA holds the folders ``usps`` and ``mnist10k`` (train/CLASS/*, test/CLASS/*); ``--datasets digits`` needs none. On
each split (6 seen classes, 0 to 5, of 10) a small network is trained with the host: by FixMatch on the pool of each
mismatch, and by the labels alone, which gives one network for all mismatches of a split. The estimators get what the
network makes of validation images of the seen classes and of the pool; true labels only tell their errors. A row is one
estimate. Features are kept in ``--cache``, so that the estimators can be run again without training.
"""

from __future__ import annotations

import argparse
import itertools
import logging
import statistics
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch
from sklearn.metrics import roc_auc_score

from usb_negsamp.run.markdown_table import format_table
from usb_negsamp.run.records.csv_file import write_csv

DATASETS: dict[str, dict[str, int]] = {
    "digits": {"labels_per_class": 5, "num_unlabeled": 600, "validation": 290},
    "usps": {"labels_per_class": 10, "num_unlabeled": 2000, "validation": 700},
    "mnist10k": {"labels_per_class": 10, "num_unlabeled": 2000, "validation": 700},
}
"""Options of the split; each leaves 175, 460 or 422 validation images of seen classes."""
MISMATCHES = (0.0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6)
SEEN = 6
TRAINING = {
    "supervised": {"batch_size": 32, "uratio": 1},
    "fixmatch": {"batch_size": 16, "uratio": 2},
}
IMG_SIZE = 16
COMMON = {"img_size": IMG_SIZE, "net": "small_cnn", "num_classes": SEEN, "epoch": 1, "lr": 0.03, "ema_m": 0.99}


def load(name: str, data_dir: Path) -> Any:
    """The source ``name`` at 16 x 16."""
    from usb_negsamp.data import load_source

    kind = "digits" if name == "digits" else "image_folder"
    return load_source(kind, data_dir=data_dir / name, img_size=IMG_SIZE, horizontal_flip=False)


def train(algorithm: str, source: Any, split: Any, seed: int, iterations: int) -> torch.nn.Module:
    """The averaged network of a short run on ``split``."""
    from semilearn.datasets.cv_datasets.datasetbase import BasicDataset

    from usb_negsamp.host import device
    from usb_negsamp.host.build import build_algorithm
    from usb_negsamp.host.datasets.image_views import image_views
    from usb_negsamp.host.datasets.registry import EXTRA_DATASETS
    from usb_negsamp.testing import seed_everything, tiny_arguments

    targets = split.new_targets(source.train.targets)
    seen_validation = split.validation[targets[split.validation] < SEEN]

    def build(args: Any, name: str, *_: Any, **__: Any) -> dict[str, Any]:
        views = image_views(args, source)

        def part(indices: np.ndarray, labels: np.ndarray, transform: Any, is_ulb: bool = False) -> BasicDataset:
            return BasicDataset(
                alg=name,
                data=views.stored(source.train.images[indices]),
                targets=labels,
                num_classes=SEEN,
                transform=transform,
                is_ulb=is_ulb,
                strong_transform=None if transform is views.plain else views.strong,
                onehot=False,
            )

        hidden = np.zeros(len(split.unlabeled), dtype=np.int64)
        return {
            "train_lb": part(split.labeled, targets[split.labeled], views.weak),
            "train_ulb": part(split.unlabeled, hidden, views.weak, is_ulb=True),
            "eval": part(seen_validation, targets[seen_validation], views.plain),
            "test": None,
        }

    steps = {"num_train_iter": iterations, "num_eval_iter": iterations, "num_log_iter": iterations}
    labels = {"num_labels": len(split.labeled), "validation_size": 0}
    with tempfile.TemporaryDirectory() as save_dir:
        args = tiny_arguments(algorithm, save_dir, **COMMON, **TRAINING[algorithm], **steps, **labels, seed=seed)
        device.select(args.device)
        seed_everything(seed)
        before = EXTRA_DATASETS[args.dataset]
        EXTRA_DATASETS[args.dataset] = build
        try:
            run, _ = build_algorithm(args, logging.getLogger("mismatch_estimation"))
        finally:
            EXTRA_DATASETS[args.dataset] = before
        run.train()
    return run.ema_model.eval()


def outputs(net: torch.nn.Module, source: Any, indices: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Logits and features of training images as they are."""
    mean, std = (torch.tensor(values).view(1, 3, 1, 1) for values in (source.mean, source.std))
    images = torch.from_numpy(source.train.images[indices]).permute(0, 3, 1, 2) / 255
    with torch.no_grad():
        result = net((images - mean) / std)
    return result["logits"].numpy(), result["feat"].numpy()


def record(net: torch.nn.Module, source: Any, split: Any) -> dict[str, Any]:
    """What ``net`` makes of the validation images of seen classes and of the pool, and the truth about both."""
    targets = split.new_targets(source.train.targets)
    parts = {"seen": split.validation[targets[split.validation] < SEEN], "pool": split.unlabeled}
    found: dict[str, Any] = {"mismatch": split.mismatch}
    for part, indices in parts.items():
        found[f"{part}_logits"], found[f"{part}_features"] = outputs(net, source, indices)
        found[f"{part}_targets"] = targets[indices]
    return found


def trained(args: argparse.Namespace) -> Iterator[dict[str, Any]]:
    """One record a split, data set, algorithm and mismatch, from the cache where it is there."""
    from usb_negsamp.data import open_set_split

    args.cache.mkdir(parents=True, exist_ok=True)
    for seed, name, algorithm in itertools.product(args.splits, args.datasets, args.algorithms):
        source = load(name, args.data_dir)
        net = None
        for mismatch in MISMATCHES:
            file = args.cache / f"{name}-{algorithm}-{args.iterations}-{seed}-{mismatch}.npz"
            if not file.exists():
                options = {"seen_classes": range(SEEN), "mismatch": mismatch, "seed": seed, **DATASETS[name]}
                split = open_set_split(source.train.targets, **options)
                if net is None or algorithm != "supervised":
                    net = train(algorithm, source, split, seed, args.iterations)
                np.savez(file, **record(net, source, split))
                print(file.name, flush=True)
            keys = {"dataset": name, "algorithm": algorithm, "split_seed": seed, "mismatch_asked": mismatch}
            yield {**keys, **np.load(file)}


def scores(one: dict[str, Any], rows: np.ndarray) -> dict[str, tuple[torch.Tensor, torch.Tensor]]:
    """Every score of the held-out images ``rows`` and of the pool, by name; ``ranked``: within predicted classes."""
    from usb_negsamp.data import classifier_posteriors, neighbor_scores, ranks_within_classes

    seen, seen_features = (torch.from_numpy(one[f"seen_{kind}"][rows]) for kind in ("logits", "features"))
    pool, pool_features = (torch.from_numpy(one[f"pool_{kind}"]) for kind in ("logits", "features"))
    posteriors = classifier_posteriors(seen_features, pool_features)
    sure_seen, sure_pool = (logits.double().log_softmax(dim=1).amax(dim=1) for logits in (seen, pool))
    found = {
        "softmax": (sure_seen, sure_pool),
        "energy": (seen.logsumexp(dim=1), pool.logsumexp(dim=1)),
        "neighbors": neighbor_scores(seen_features, pool_features),
        "classifier": (-posteriors[0], -posteriors[1]),
    }
    predictions = seen.argmax(dim=1), pool.argmax(dim=1)
    ranked = {f"{name}, ranked": ranks_within_classes(*pair, *predictions) for name, pair in found.items()}
    return {**found, **ranked}


def estimates(one: dict[str, Any], held_out: int | None) -> Iterator[dict[str, Any]]:
    """One row a score and method, of the first ``held_out`` validation images in a fixed random order."""
    from usb_negsamp.data import mismatch_from_features
    from usb_negsamp.functional import estimate_mismatch, mismatch_from_posteriors
    from usb_negsamp.functional.open_set.mismatch import MISMATCH_METHODS

    rows = np.random.default_rng(0).permutation(len(one["seen_logits"]))[:held_out]
    mismatch = float(one["mismatch"])
    keys = {key: one[key] for key in ("dataset", "algorithm", "split_seed", "mismatch_asked")}
    keys |= {"mismatch": f"{mismatch:.6f}", "held_out": len(rows), "all_held_out": held_out is None}
    keys |= {"pool": len(one["pool_logits"])}
    accuracy = float((one["seen_logits"].argmax(axis=1) == one["seen_targets"]).mean())
    keys["seen_accuracy"] = f"{accuracy:.4f}"

    def row(score: str, method: str, estimate: float, auroc: float) -> dict[str, Any]:
        error = estimate - mismatch
        return {**keys, "score": score, "auroc": f"{auroc:.4f}", "method": method, "estimate": f"{estimate:.6f}"} | {
            "error": f"{error:.6f}"
        }

    unseen = one["pool_targets"] >= SEEN
    found = scores(one, rows)
    for score, (seen, pool) in found.items():
        area = float("nan") if not unseen.any() else roc_auc_score(~unseen, pool.numpy())
        for method in MISMATCH_METHODS:
            yield row(score, method, estimate_mismatch(seen, pool, method), area)
        if score == "classifier":
            yield row(score, "least posterior", mismatch_from_posteriors(-seen, -pool), area)
        if score == "neighbors, ranked":
            tensors = (one["seen_features"][rows], one["pool_features"])
            labels = (one["seen_logits"][rows].argmax(axis=1), one["pool_logits"].argmax(axis=1))
            default = mismatch_from_features(*map(torch.from_numpy, tensors), *map(torch.from_numpy, labels))
            assert default == estimate_mismatch(seen, pool), "the default is not what is measured here"


def mean(rows: list[dict[str, Any]], absolute: bool = False) -> float:
    """The mean error, or the mean absolute one."""
    errors = [float(row["error"]) for row in rows]
    return statistics.fmean(abs(error) for error in errors) if absolute else statistics.fmean(errors)


def table(rows: list[dict[str, Any]]) -> str:
    """Markdown: mean absolute error at each mismatch and over all, and the mean error at both ends; nearest first."""
    ways: dict[tuple[str, str], list[dict[str, Any]]] = {(row["score"], row["method"]): [] for row in rows}
    for row in rows:
        ways[row["score"], row["method"]].append(row)
    head = ["score", "method", *(f"{m:g}" for m in MISMATCHES), "all", "bias at 0", "bias at 0.6"]
    lines = []
    for (score, method), mine in sorted(ways.items(), key=lambda way: mean(way[1], absolute=True)):
        at = {m: [row for row in mine if row["mismatch_asked"] == m] for m in MISMATCHES}
        cells = [f"{mean(at[m], absolute=True):.3f}" for m in MISMATCHES] + [f"{mean(mine, absolute=True):.3f}"]
        cells += [f"{mean(at[m]):+.3f}" for m in (MISMATCHES[0], MISMATCHES[-1])]
        lines.append([score, method, *cells])
    return format_table(head, lines, ["-", "-", *["-:"] * (len(MISMATCHES) + 3)])


def breakdown(rows: list[dict[str, Any]], score: str, method: str) -> str:
    """Markdown: error of one way by data set and by algorithm, and by split."""

    def errors(part: list[dict[str, Any]]) -> tuple[str, str]:
        return f"{mean(part, absolute=True):.3f}", f"{mean(part):+.3f}"

    mine = [row for row in rows if row["score"] == score and row["method"] == method]
    lines = []
    for name, algorithm in sorted({(row["dataset"], row["algorithm"]) for row in mine}):
        part = [row for row in mine if (row["dataset"], row["algorithm"]) == (name, algorithm)]
        areas = [float(row["auroc"]) for row in part if row["auroc"] != "nan"]
        lines.append([name, algorithm, f"{statistics.fmean(areas):.3f}", *errors(part)])
    for seed in sorted({row["split_seed"] for row in mine}):
        part = [row for row in mine if row["split_seed"] == seed]
        lines.append([f"all, split {seed}", "both", "", *errors(part)])
    head = ["data", "algorithm", "AUROC", "mean absolute error", "bias"]
    return format_table(head, lines, ["-", "-", "-:", "-:", "-:"])


def main() -> None:
    """Train, estimate, write the CSV file and print the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--datasets", nargs="+", default=list(DATASETS), choices=list(DATASETS))
    parser.add_argument("--algorithms", nargs="+", default=list(TRAINING), choices=list(TRAINING))
    parser.add_argument("--splits", nargs="+", type=int, default=[0, 1, 2])
    parser.add_argument("--iterations", type=int, default=200)
    parser.add_argument("--few", type=int, default=60, help="held-out images of the second table")
    parser.add_argument("--data_dir", type=Path, default=Path("data"))
    parser.add_argument("--cache", type=Path, default=Path("saved_models/mismatch_estimation"))
    parser.add_argument("--out", type=Path, required=True)
    args = parser.parse_args()
    torch.set_num_threads(1)
    rows = [row for one in trained(args) for held_out in (None, args.few) for row in estimates(one, held_out)]
    write_csv(args.out, list(rows[0]), rows)
    for kind, chosen in (("all", True), (str(args.few), False)):
        part = [row for row in rows if row["all_held_out"] == chosen]
        print(f"\n{kind} held-out images, {len(part)} estimates\n\n{table(part)}")
        print(f"\nneighbors, ranked, storey\n\n{breakdown(part, 'neighbors, ranked', 'storey')}")


if __name__ == "__main__":
    main()
