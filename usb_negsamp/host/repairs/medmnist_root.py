"""The folder that MedMNIST is downloaded to (V15).

What is wrong: ``datasets/cv_datasets/medmnist.py`` creates ``~/.medmnist`` when it is imported (see
``absent_modules``), and never the folder that a run names. How it shows: RuntimeError "Failed to setup the default
root" on a new machine. How it is mended: the folder is created when such data are asked for. When it may go: when the
host's class does that.
"""

from __future__ import annotations

import functools
import os
from typing import Any

from semilearn.datasets.cv_datasets.medmnist import DEFAULT_ROOT, MedMNIST

from usb_negsamp.host.patching import replace


def apply() -> None:
    """Wrap ``MedMNIST.__init__``."""
    original = MedMNIST.__init__

    @functools.wraps(original)
    def __init__(self: Any, *args: Any, root: str | None = DEFAULT_ROOT, **kwargs: Any) -> None:
        if root is not None:
            os.makedirs(root, exist_ok=True)
        original(self, *args, root=root, **kwargs)

    replace(MedMNIST, "__init__", __init__)
