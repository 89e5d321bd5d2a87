"""From what was asked to the cases: configurations are resolved once here, so that a wrong one fails at once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import usb_negsamp
from usb_negsamp.errors import ConfigError
from usb_negsamp.host import device
from usb_negsamp.run.bench.cases import Case
from usb_negsamp.run.bench.random_images import CLASSES, NAME, offer_random_images
from usb_negsamp.run.configuration import command_line
from usb_negsamp.run.configuration.resolution import Resolved, Sources, read_sources, resolve

NETWORKS = {"cpu": "small_cnn", "cuda": "wrn_28_2"}
"""What is trained where neither a file nor the command line names a network."""


def cases_of_files(files: Sequence[str], words: Sequence[str], random_images: int | None) -> list[Case]:
    """Return a case for each configuration file, with the keys of the command line.

    Raises:
        ConfigError: a configuration that is not valid.
    """
    sources = [read_sources([*words, "--c", file]) for file in files]
    _register(random_images)
    names = [Path(source.config_file or file).stem for source, file in zip(sources, files, strict=True)]
    return [_case(name, source, random_images) for name, source in zip(names, sources, strict=True)]


def default_cases(words: Sequence[str], random_images: int | None, cases: Sequence[Case]) -> list[Case]:
    """Return cases that no file describes, on images and a network for all of them, with the command line's keys.

    Raises:
        ConfigError: a key that is not valid.
    """
    given = command_line.parse(words).given
    _register(random_images)
    chosen_device = device.select(str(given.get("device") or "auto"))
    shared = {"net": NETWORKS[chosen_device.type], "img_size": 32, "num_labels": 4000}
    resolved = []
    for case in cases:
        sources = Sources(None, {**shared, **case.keys, "algorithm": case.algorithm}, dict(given))
        resolved.append(replace(_case(case.name, sources, random_images), own_keys=case.own_keys))
    return resolved


def _register(random_images: int | None) -> None:
    usb_negsamp.register()
    if random_images is not None:
        offer_random_images(random_images)


def _case(name: str, sources: Sources, random_images: int | None) -> Case:
    if random_images is not None:
        sources.file_values |= {"dataset": NAME, "num_classes": CLASSES, "data_dir": "."}
    resolved: Resolved = resolve(sources)
    keys: dict[str, Any] = {key: resolved.mapping[key] for key in resolved.given - {"algorithm"}}
    labels = resolved.mapping["num_labels"]
    if random_images is not None and isinstance(labels, int) and labels > random_images:
        raise ConfigError(f"expected at least as many random images as labels, but got {random_images}")
    return Case(name, resolved.mapping["algorithm"], keys)
