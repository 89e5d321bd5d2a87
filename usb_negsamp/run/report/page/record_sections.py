"""Of a run's page: what it was asked, with what it ran, and how to run it again."""

from __future__ import annotations

import json
import shlex
from collections.abc import Mapping
from typing import Any

from usb_negsamp.run.report.page.facts import LAST_LINES, RunFacts
from usb_negsamp.run.report.page.parts import Section, Text, table

PROGRAM = "usb-negsamp"
LONGEST_VALUE = 400


def log_section(facts: RunFacts) -> Section | None:
    """The end of the log of a run that has not finished; None for one that has, or without a log."""
    if facts.state.kind == "finished" or not facts.log_end:
        return None
    return Section("Log", texts=(Text(f"Its last lines, {LAST_LINES} at most", facts.log_end),))


def command_section(facts: RunFacts) -> Section:
    """The commands that run it again, and that go on with it."""
    texts = []
    if facts.manifest.get("argv") is not None:
        again = shlex.join([PROGRAM, "train", *map(str, facts.manifest["argv"])])
        texts.append(Text("The run again, from the folder that it was started in", (again,)))
    if facts.state.kind in ("interrupted", "crashed", "killed") and facts.config:
        on = shlex.join([PROGRAM, "train", "--resume", str(facts.folder)])
        texts.append(Text("Go on where it stopped", (on,)))
    notes = () if texts else ("What the run was asked is not known.",)
    return Section("Run it again", notes, texts=tuple(texts))


def manifest_section(facts: RunFacts) -> Section | None:
    """Everything that the manifest says; None without one."""
    if not facts.manifest:
        return None
    rest = {name: value for name, value in facts.manifest.items() if name not in ("config", "argv")}
    rows = [[name, value] for name, value in flat(rest).items()]
    keys = [[name, in_words(value)] for name, value in sorted(facts.config.items())]
    return Section(
        "Manifest",
        tables=(
            table("Versions, data, device and times", ["entry", "value"], rows, folded=True),
            table("Configuration", ["key", "value"], keys, sortable=True, folded=True),
        ),
    )


def flat(content: Mapping[str, Any], before: str = "") -> dict[str, str]:
    """The entries of nested mappings as texts, by their paths.

    >>> flat({"versions": {"torch": "2.5"}, "seed": 0, "counts": [1, 2]})
    {'versions / torch': '2.5', 'seed': '0', 'counts': '[1, 2]'}
    """
    found: dict[str, str] = {}
    for name, value in content.items():
        if isinstance(value, Mapping):
            found.update(flat(value, f"{before}{name} / "))
        else:
            found[f"{before}{name}"] = in_words(value)
    return found


def in_words(value: Any) -> str:
    """A value as the page shows it, not longer than :data:`LONGEST_VALUE`.

    >>> in_words("cnn13"), in_words(None), in_words(0.5), in_words(True)
    ('cnn13', 'none', '0.5', 'true')
    """
    text = value if isinstance(value, str) else "none" if value is None else json.dumps(value, default=str)
    return text if len(text) <= LONGEST_VALUE else text[:LONGEST_VALUE] + " ..."
