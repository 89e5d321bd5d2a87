"""Configuration files (V1).

What is wrong: ``core/utils/misc.py`` ``over_write_args_from_file`` calls ``ruamel.yaml.load(text, Loader=...)``, which
ruamel.yaml 0.18 removed. How it shows: AttributeError for every ``--c FILE``. How it is mended: the file is read with
ruamel's class ``YAML``, which old and new versions have, and which reads ``3e-3`` as a number (YAML 1.2) where PyYAML
sees text; a file that is absent or no mapping is a one-line error. When it may go: when the host reads its files so.
"""

from __future__ import annotations

import functools
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError
from semilearn.core.utils import misc

from usb_negsamp.errors import ConfigError
from usb_negsamp.host.patching import replace_everywhere


def read_mapping(path: str | Path) -> dict[str, Any]:
    """Return the settings that a YAML file holds.

    Raises:
        ConfigError: no such file, not YAML, or not a mapping from names to values.
    """
    try:
        text = Path(path).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "not a text file"
        raise ConfigError(f"configuration file {str(path)!r} cannot be read: {reason}") from error
    try:
        settings = YAML(typ="safe", pure=True).load(text)
    except YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        where = f" in line {mark.line + 1}" if mark is not None else ""
        problem = getattr(error, "problem", None) or str(error)
        message = " ".join(f"configuration file {str(path)!r} is not valid YAML{where}: {problem}".split())
        raise ConfigError(message) from error
    if not isinstance(settings, dict):
        found = "nothing" if settings is None else f"a {type(settings).__name__}"
        raise ConfigError(f"configuration file {str(path)!r}: expected lines `key: value`, found {found}")
    for key in settings:
        if not isinstance(key, str):
            raise ConfigError(f"configuration file {str(path)!r}: expected names as keys, found {key!r}")
    return settings


def apply() -> None:
    """Replace ``over_write_args_from_file``."""
    original = misc.over_write_args_from_file

    @functools.wraps(original)
    def over_write_args_from_file(args: Any, yml: str | Path | None) -> None:
        if yml:
            for key, value in read_mapping(yml).items():
                setattr(args, key, value)

    replace_everywhere(original, over_write_args_from_file)
