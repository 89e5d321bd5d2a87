"""Seconds of the processor that a command computes before it has answered: the first one ever, and those that follow.

    python benchmarks/start_time.py --out benchmarks/start_time_cpu.csv

The first one has nothing kept (an empty ``XDG_CACHE_HOME``) and loads torch and the host; those that follow read what
it kept. ``train`` is a run of one step on digits, which loads both at any time.
"""

from __future__ import annotations

import argparse
import os
import resource
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

import usb_negsamp
from usb_negsamp.run.records.csv_file import write_csv

TRAIN = ("train", "--c", "vat_ns3l_digits", "--save_dir", "runs", "--device", "cpu")
COMMANDS: dict[str, tuple[str, ...]] = {
    "--help": ("--help",),
    **{f"list {kind}": ("list", kind) for kind in ("wrappers", "algorithms", "datasets", "nets", "configs", "keys")},
    "list keys --markdown": ("list", "keys", "--markdown"),
    "a key that is not there": (*TRAIN, "--lrr", "1"),
    "train, one step": (*TRAIN, "--num_train_iter", "1", "--num_eval_iter", "1", "--epoch", "1", "--overwrite"),
    "a folder with a run": (*TRAIN, "--save_name", "taken"),
}


def seconds(words: tuple[str, ...], folder: Path, cache: Path) -> float:
    """Seconds of the processor, of all threads, in which a command ends, however it does."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run(
        [sys.executable, "-W", "ignore", "-m", "usb_negsamp", *words],
        cwd=folder,
        env={**os.environ, "XDG_CACHE_HOME": str(cache)},
        capture_output=True,
        check=False,
    )
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def main() -> None:
    """Measure each command, and write the rows."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=Path("start_time.csv"))
    parser.add_argument("--turns", type=int, default=3)
    options = parser.parse_args()
    rows: list[dict[str, object]] = []
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "runs" / "taken").mkdir(parents=True)
        (folder / "runs" / "taken" / "manifest.json").write_text("{}")
        for command, words in COMMANDS.items():
            cache = folder / f"cache {len(rows)}"
            first = seconds(words, folder, cache)
            seconds(("list", "wrappers"), folder, cache)
            following = [seconds(words, folder, cache) for _ in range(options.turns)]
            rows.append(
                {
                    "command": command,
                    "first_s": round(first, 2),
                    "following_s": round(statistics.median(following), 2),
                    "turns": options.turns,
                    "usb_negsamp": usb_negsamp.__version__,
                }
            )
            print(rows[-1], flush=True)
    write_csv(options.out, list(rows[0]), rows)


if __name__ == "__main__":
    main()
