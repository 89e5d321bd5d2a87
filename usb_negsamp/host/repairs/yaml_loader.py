"""Configuration files (V1).

What is wrong: ``core/utils/misc.py`` ``over_write_args_from_file`` calls ``ruamel.yaml.load(text, Loader=...)``, which
ruamel.yaml 0.18 removed. How it shows: AttributeError for every ``--c FILE``. How it is mended: the file is read as
ours are (:mod:`usb_negsamp.yaml_file`), by ruamel's class ``YAML``, which old and new versions have, but with plain
words standing for what they do in the host: YAML 1.2, where ``yes`` is a text. A file that is absent or no mapping is a
one-line error. When it may go: when the host reads its files so.
"""

from __future__ import annotations

import functools
from pathlib import Path
from typing import Any

from ruamel.yaml.resolver import VersionedResolver
from semilearn.core.utils import misc

from usb_negsamp.host.patching import replace_everywhere
from usb_negsamp.yaml_file import read_yaml


def apply() -> None:
    """Replace ``over_write_args_from_file``."""
    original = misc.over_write_args_from_file

    @functools.wraps(original)
    def over_write_args_from_file(args: Any, yml: str | Path | None) -> None:
        if yml:
            for key, value in read_yaml(yml, VersionedResolver).items():
                setattr(args, key, value)

    replace_everywhere(original, over_write_args_from_file)
