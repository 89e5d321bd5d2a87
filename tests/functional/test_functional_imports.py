"""The functional part stands alone."""

from __future__ import annotations

import subprocess
import sys

import usb_negsamp.functional as functional


def test_every_public_name_is_there_and_documented() -> None:
    assert sorted(functional.__all__) == functional.__all__
    assert all(getattr(functional, name).__doc__ for name in functional.__all__)


def test_importing_it_loads_neither_the_host_nor_torchvision_nor_other_parts_of_ours() -> None:
    code = (
        "import sys, usb_negsamp.functional\n"
        "names = ('semilearn', 'torchvision', 'sklearn', 'timm', 'usb_negsamp.host', 'usb_negsamp.data')\n"
        "print([name for name in names if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
