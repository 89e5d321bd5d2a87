"""What the unlabeled pool holds under each open-set protocol: CIFAR-10's counts, six animal classes seen.

    python examples/open_set_protocols.py --out open_set_protocols.png

One panel a protocol, one bar a mismatch ratio, one segment a class; blue classes have labels, orange ones do not. The
bars are the pools that ``usb_negsamp.data.open_set_split`` draws from 50,000 targets of ten even classes, 400 labels of
each seen class and 5,000 validation images held out.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence

import numpy as np

from usb_negsamp.data import OpenSetSplit, open_set_split

SEEN_CLASSES = (2, 3, 4, 5, 6, 7)
PANELS: dict[str, tuple[float | None, ...]] = {
    "fixed_total": (0.0, 0.2, 0.4, 0.6, 0.8),
    "fixed_seen": (0.0, 0.2, 0.4, 0.6),
    "class_swap": (0.0, 0.25, 0.5, 0.75, 1.0),
    "whole_pool": (None,),
}
SUBTITLES = {
    "fixed_total": "pool of 20,000, unseen\nimages replace seen ones",
    "fixed_seen": "10,000 seen images,\nunseen ones added",
    "class_swap": "four classes, unseen\nones replace seen ones",
    "whole_pool": "every training image",
}


def split_of(protocol: str, mismatch: float | None) -> OpenSetSplit:
    """Return the split of one bar."""
    targets = np.repeat(np.arange(10), 5000)
    sizes = {"fixed_total": 20_000, "fixed_seen": 10_000}
    return open_set_split(
        targets,
        seen_classes=SEEN_CLASSES,
        labels_per_class=400,
        num_unlabeled=sizes.get(protocol),
        mismatch=mismatch,
        protocol=protocol,
        validation=5000,
        seed=0,
    )


def draw(path: str) -> None:
    """Write the picture to ``path``."""
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    widths = [len(ratios) + 1 for ratios in PANELS.values()]
    figure, axes = plt.subplots(1, len(PANELS), figsize=(11, 3.6), sharey=True, width_ratios=widths)
    seen_colors = plt.get_cmap("Blues")(np.linspace(0.35, 0.85, len(SEEN_CLASSES)))
    unseen_colors = plt.get_cmap("Oranges")(np.linspace(0.35, 0.7, 10 - len(SEEN_CLASSES)))
    order = [*SEEN_CLASSES, *(label for label in range(10) if label not in SEEN_CLASSES)]
    for axis, (protocol, ratios) in zip(axes, PANELS.items(), strict=True):
        for position, ratio in enumerate(ratios):
            split = split_of(protocol, ratio)
            bottom = 0
            for label, color in zip(order, [*seen_colors, *unseen_colors], strict=True):
                count = split.counts["unlabeled"][label]
                axis.bar(position, count, 0.8, bottom, color=color, edgecolor="white", linewidth=0.5)
                bottom += count
            text = f"{split.mismatch:.2f}"
            axis.text(position, bottom, text, ha="center", va="bottom", fontsize=7)
        names = ["all" if ratio is None else f"{ratio:g}" for ratio in ratios]
        axis.set_xticks(range(len(ratios)), names)
        axis.set_title(protocol, fontsize=10, pad=26)
        axis.text(0.5, 1.02, SUBTITLES[protocol], transform=axis.transAxes, ha="center", fontsize=7.5, color="0.3")
        axis.set_xlabel("mismatch_ratio", fontsize=8)
        axis.tick_params(labelsize=8)
        axis.spines[["top", "right"]].set_visible(False)
    axes[0].set_ylabel("unlabeled images (blue: seen classes)", fontsize=8)
    figure.tight_layout()
    figure.savefig(path, dpi=130)
    plt.close(figure)
    print(f"wrote {path}")


def main(argv: Sequence[str] | None = None) -> None:
    """Draw what the command line asks for."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--out", default="open_set_protocols.png")
    draw(parser.parse_args(argv).out)


if __name__ == "__main__":
    main()
