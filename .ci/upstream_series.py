"""Make the series for the host anew: ``python .ci/upstream_series.py CHECKOUT [--check]``.

The patches are their own source. They are applied to a clone of CHECKOUT, a git repository of the host, with
``git am``, and exported with ``git format-patch``, so that each carries the lines and names that git gives it. With
``--check`` nothing is written, and a patch that is not what git makes of it is an error.

To change a patch: apply the series to a clone, change its commit there with ``git rebase -i``, and give ``--from``
that clone.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
from pathlib import Path

FOLDER = Path(__file__).resolve().parents[1] / "patches" / "upstream"
FORMAT = ("--zero-commit", "--no-signature", "--no-numbered", "--full-index", "--no-renames", "--stat=80")


def git(folder: Path, *arguments: str) -> str:
    """What git says in ``folder``; the name of who commits stands in no patch."""
    command = ["git", "-c", "user.name=series", "-c", "user.email=series@localhost", "-c", "commit.gpgsign=false"]
    return subprocess.run([*command, *arguments], cwd=folder, check=True, capture_output=True, text=True).stdout


def series() -> list[Path]:
    """The patches, in order."""
    return sorted(FOLDER.glob("*.patch"))


def base() -> str:
    """The host's commit that the series is made for."""
    return (FOLDER / "base").read_text(encoding="utf-8").strip()


def clone(checkout: Path, folder: Path) -> None:
    """Clone ``checkout`` at the commit of the series; its working tree plays no part."""
    git(checkout, "clone", "--quiet", "--shared", "--no-checkout", str(checkout), str(folder))
    git(folder, "checkout", "--quiet", "--detach", base())


def apply(folder: Path) -> None:
    """Apply the series to a clone."""
    git(folder, "am", "--quiet", "--keep-non-patch", *map(str, series()))


def exported(folder: Path) -> dict[str, str]:
    """The commits of ``folder`` since the host's as patches, by their names."""
    with tempfile.TemporaryDirectory() as out:
        git(folder, "format-patch", "--quiet", *FORMAT, "-o", out, base())
        return {path.name: path.read_text(encoding="utf-8") for path in sorted(Path(out).glob("*.patch"))}


def main(arguments: list[str] | None = None) -> int:
    """Make the series anew, or check it; return the exit code."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("checkout", type=Path, help="a git repository of the host")
    parser.add_argument("--check", action="store_true", help="write nothing, and fail where something would change")
    parser.add_argument("--from", dest="changed", type=Path, help="a clone with the series as commits, to export")
    args = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory() as scratch:
        folder = args.changed
        if folder is None:
            folder = Path(scratch) / "host"
            clone(args.checkout.resolve(), folder)
            apply(folder)
        made = exported(folder)
    before = {path.name: path.read_text(encoding="utf-8") for path in series()}
    other = sorted(name for name in made.keys() | before.keys() if made.get(name) != before.get(name))
    for name in other:
        print(f"{name}: {'is not what git makes of it' if args.check else 'written'}")
        if not args.check:
            (FOLDER / name).unlink(missing_ok=True)
            if name in made:
                (FOLDER / name).write_text(made[name], encoding="utf-8")
    print(f"{len(made)} patches for {base()[:7]}")
    return 1 if args.check and other else 0


if __name__ == "__main__":
    sys.exit(main())
