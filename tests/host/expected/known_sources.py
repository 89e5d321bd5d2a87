"""Fingerprints of what repairs and options take the place of, in the host that Python finds.

After a change of what is replaced, or of the series in ``patches/upstream``, or for another version of the host, the
list is written anew; CHECKOUT is a clone of the host's git main, beside the version that is installed::

    USB_CHECKOUT=CHECKOUT python tests/host/expected/known_sources.py --write
"""

from __future__ import annotations

import json
import os
import runpy
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).parents[3]
SOURCES = ROOT / "usb_negsamp/host/expected/sources.py"
# Everything is known, and what is asked for is printed.
ASKED = """
import collections, json, sys, types
asked = collections.defaultdict(set)
class Any(set):
    def __init__(self, name): self.name = name
    def __contains__(self, value):
        asked[self.name].add(value)
        return True
class Known:
    def get(self, name, default): return Any(name)
module = types.ModuleType("usb_negsamp.host.expected.sources")
module.KNOWN = Known()
sys.modules[module.__name__] = module
import usb_negsamp.host
print(json.dumps({name: sorted(values) for name, values in asked.items()}))
"""


def asked_of(checkout: str | None = None) -> dict[str, list[str]]:
    """Fingerprints by the names of functions, in the host that is installed, or in a checkout of it."""
    environment = {**os.environ, **({"PYTHONPATH": checkout} if checkout else {})}
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", ASKED],
        capture_output=True, text=True, check=True, env=environment, cwd=ROOT,
    )  # fmt: skip
    found: dict[str, list[str]] = json.loads(done.stdout.splitlines()[-1])
    return found


def with_the_series(checkout: str, folder: Path) -> str:
    """A clone of ``checkout`` in ``folder``, which is not there yet, with the patches of ``patches/upstream``."""
    series = runpy.run_path(str(ROOT / ".ci/upstream_series.py"))
    series["clone"](Path(checkout).resolve(), folder)
    series["apply"](folder)
    return str(folder)


def main() -> None:
    """Write the list."""
    checkout = os.environ["USB_CHECKOUT"]
    with tempfile.TemporaryDirectory() as scratch:
        patched = with_the_series(checkout, Path(scratch) / "host")
        hosts = [asked_of(), asked_of(checkout), asked_of(patched)]
    lines = []
    for name in sorted({name for host in hosts for name in host}):
        values = list(dict.fromkeys(value for host in hosts for value in host.get(name, ())))
        held = ", ".join(json.dumps(value) for value in values) + "," * (len(values) == 1)
        lines.append(f'    "{name}": ({held}),')
    head, start, _ = SOURCES.read_text(encoding="utf-8").partition("KNOWN: dict[str, tuple[str, ...]] = {\n")
    SOURCES.write_text(f"{head}{start}" + "\n".join(lines) + "\n}\n", encoding="utf-8")


if __name__ == "__main__" and sys.argv[1:] == ["--write"]:
    main()
