"""Fingerprints of what repairs and options take the place of, in the host that Python finds.

After a change of what is replaced, or for another version of the host, the list is written anew; CHECKOUT is the host's
git main, beside the version that is installed::

    USB_CHECKOUT=CHECKOUT python tests/host/expected/known_sources.py --write
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

SOURCES = Path(__file__).parents[3] / "usb_negsamp/host/expected/sources.py"
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
        capture_output=True, text=True, check=True, env=environment, cwd=SOURCES.parents[3],
    )  # fmt: skip
    found: dict[str, list[str]] = json.loads(done.stdout.splitlines()[-1])
    return found


def main() -> None:
    """Write the list."""
    hosts = [asked_of(), asked_of(os.environ["USB_CHECKOUT"])]
    lines = []
    for name in sorted({name for host in hosts for name in host}):
        values = list(dict.fromkeys(value for host in hosts for value in host.get(name, ())))
        held = ", ".join(json.dumps(value) for value in values) + "," * (len(values) == 1)
        lines.append(f'    "{name}": ({held}),')
    head, start, _ = SOURCES.read_text(encoding="utf-8").partition("KNOWN: dict[str, tuple[str, ...]] = {\n")
    SOURCES.write_text(f"{head}{start}" + "\n".join(lines) + "\n}\n", encoding="utf-8")


if __name__ == "__main__" and sys.argv[1:] == ["--write"]:
    main()
