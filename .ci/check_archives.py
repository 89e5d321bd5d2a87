"""Check that the archives of a release hold what they must: ``python .ci/check_archives.py FOLDER_OF_ARCHIVES``.

The sdist holds every file of the clone. The wheel holds every file of the packages, at the place that it is installed
to: our folders ``algorithms``, ``benchmarks/studies``, ``config`` and ``patches`` lie inside ``usb_negsamp`` there; and
nothing else.
"""

from __future__ import annotations

import subprocess
import sys
import tarfile
import zipfile
from collections.abc import Iterable
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
MAPPED = ("algorithms/", "benchmarks/studies/", "config/", "patches/")
"""Folders of the clone that are installed inside the package."""
AT_LEAST = (
    "usb_negsamp/py.typed",
    "usb_negsamp/algorithms/ns3l/ns3l.py",
    "usb_negsamp/config/vat_ns3l_digits.yaml",
    "usb_negsamp/config/ns3l/table1_cifar10_vat_ns3l.yaml",
    "usb_negsamp/benchmarks/studies/open_set.yaml",
    "usb_negsamp/patches/1-plugins.insert",
    "usb_negsamp/patches/pristine.sha256",
)


def tracked() -> list[str]:
    """Files of the clone, by their paths in it."""
    listed = subprocess.run(["git", "ls-files"], cwd=ROOT, check=True, capture_output=True, text=True)
    return [name for name in listed.stdout.splitlines() if (ROOT / name).is_file()]


def installed_as(names: Iterable[str]) -> set[str]:
    """Where the wheel has those of the clone's files ``names`` that it installs.

    >>> sorted(installed_as(["config/a.yaml", "usb_negsamp/nets/cnn3.py", "tests/a.py", "README.md"]))
    ['usb_negsamp/config/a.yaml', 'usb_negsamp/nets/cnn3.py']
    """
    names = list(names)
    ours = {name for name in names if name.startswith("usb_negsamp/")}
    return ours | {f"usb_negsamp/{name}" for name in names if name.startswith(MAPPED)}


def missing_from(sdist: Iterable[str], wheel: Iterable[str], names: Iterable[str]) -> list[str]:
    """What is wrong with the archives, a line each.

    Args:
        sdist: paths in the sdist, below its one folder.
        wheel: paths in the wheel.
        names: the clone's files.
    """
    names, sdist, wheel = set(names), set(sdist), set(wheel)
    wrong = [f"the sdist lacks {name}" for name in sorted(names - sdist)]
    wrong += [f"the wheel lacks {name}" for name in sorted((installed_as(names) | set(AT_LEAST)) - wheel)]
    inside = {name for name in wheel if not name.split("/")[0].endswith(".dist-info")}
    wrong += [f"the wheel installs {name}" for name in sorted(inside - installed_as(names))]
    return wrong


def main(folder: Path) -> int:
    """Check the one sdist and the one wheel in ``folder``; return the exit code."""
    [sdist], [wheel] = folder.glob("*.tar.gz"), folder.glob("*.whl")
    with tarfile.open(sdist) as archive:
        in_sdist = [member.name.partition("/")[2] for member in archive.getmembers() if member.isfile()]
    with zipfile.ZipFile(wheel) as archive:
        in_wheel = archive.namelist()
    wrong = missing_from(in_sdist, in_wheel, tracked())
    for line in wrong:
        print(f"release: {line}", file=sys.stderr)
    if not wrong:
        print(f"release: {sdist.name} ({len(in_sdist)} files) and {wheel.name} ({len(in_wheel)} files) are complete")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
