"""From runs to the file: the template is filled, and what is too large is left out with a line."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Sequence
from importlib import resources
from pathlib import Path

from jinja2 import Environment, StrictUndefined
from markupsafe import Markup

from usb_negsamp import __version__
from usb_negsamp.atomic_write import write_atomically
from usb_negsamp.errors import ConfigError
from usb_negsamp.run.records.directory import REPORT
from usb_negsamp.run.records.page_mark import GENERATOR, is_page_of_ours
from usb_negsamp.run.report.page.facts import is_run, names_of, read_run
from usb_negsamp.run.report.page.overview import overview
from usb_negsamp.run.report.page.parts import Page
from usb_negsamp.run.report.page.run_part import Looked, look_at, run_part

MOST_BYTES = 5_000_000
"""The largest page."""
DETAILS: tuple[tuple[dict[str, bool], str], ...] = (
    ({}, ""),
    ({"examples": False}, "To keep this page small, single images are left out."),
    ({"examples": False, "embedding": False}, "To keep this page small, single images and t-SNE are left out."),
)
"""How much a run shows, until the page is small enough, and what the page says of it."""


def destination(places: Sequence[Path], out: Path | None = None) -> Path:
    """Where the page of ``places`` goes: as asked, into the folder of a single run, else the working directory.

    Raises:
        ConfigError: something that is no page of ours is there.
    """
    path = out or (places[0] / REPORT if len(places) == 1 and is_run(places[0]) else Path(REPORT))
    check_replaceable(path)
    return path


def check_replaceable(path: Path) -> None:
    """Refuse to replace what :func:`write_page` has not written.

    Raises:
        ConfigError: a folder, or another file, is there.
    """
    if path.is_dir():
        raise ConfigError(f"{path}: expected a file for the page, but it is a folder")
    if not path.exists():
        if not path.absolute().parent.is_dir():
            raise ConfigError(f"{path}: expected a folder that is there, but there is no {path.parent}")
        return
    try:
        ours = is_page_of_ours(path)
    except OSError as error:
        raise ConfigError(f"cannot read {path}: {error.strerror}") from error
    if not ours:
        raise ConfigError(
            f"{path}: expected nothing, or a page that this command wrote, but got another file; give --out FILE"
        )


def write_page(runs: Sequence[Path], path: Path, *, with_network: bool = True) -> None:
    """Write the page of the runs in the folders ``runs``, whole or not at all.

    Args:
        runs: at least one, in their order on the page.
        path: the file.
        with_network: whether to read data and network for what they say.

    Raises:
        ConfigError: a folder holds no run, the file cannot be written, or the runs are too many for one page.
    """
    looked = [look_at(read_run(run), with_network) for run in dict.fromkeys(runs)]
    for detail, note in DETAILS:
        content = filled(page_of(looked, (note,) if note else (), **detail)).encode("utf-8")
        if len(content) <= MOST_BYTES:
            break
    else:
        raise ConfigError(
            f"{path}: expected at most {MOST_BYTES // 10**6} MB, but the page of {len(looked)} runs takes "
            f"{len(content) / 10**6:.1f} MB; give fewer runs"
        )
    check_replaceable(path)
    try:
        write_atomically(path, content)
    except OSError as error:
        raise ConfigError(f"cannot write {path}: {error.strerror}") from error


def page_of(
    looked: Sequence[Looked], notes: tuple[str, ...] = (), *, examples: bool = True, embedding: bool = True
) -> Page:
    """The page of runs, before it is written."""
    names = names_of([one.facts for one in looked])
    parts = [
        run_part(one, f"run-{number}", name, examples=examples, embedding=embedding)
        for number, (one, name) in enumerate(zip(looked, names, strict=True), start=1)
    ]
    if len(parts) == 1:
        return Page(f"Run {parts[0].name}", parts, notes=notes)
    return Page(f"{len(parts)} runs", parts, overview(looked, parts), notes)


def filled(page: Page) -> str:
    """The page as HTML; every text is escaped."""
    folder = resources.files(__package__)
    source, script, style = (
        folder.joinpath(name).read_text(encoding="utf-8") for name in ("page.html", "page.js", "page.css")
    )
    environment = Environment(autoescape=True, undefined=StrictUndefined)
    return environment.from_string(source).render(
        page=page,
        generator=GENERATOR,
        made_by=f"Made by {GENERATOR}, version {__version__}.",
        style=Markup(style),
        script=Markup(script),
        script_hash=base64.b64encode(hashlib.sha256(script.encode("utf-8")).digest()).decode("ascii"),
    )
