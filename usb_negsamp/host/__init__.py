"""The only place that knows the host's insides.

Importing it imports ``semilearn`` (with stand-ins for packages that vision work does not need and that cannot be
loaded), applies the repairs of :mod:`usb_negsamp.host.repairs`, and offers the host's extension points by name.
"""

from __future__ import annotations

from usb_negsamp.host.absent_modules import stand_ins_while_importing

with stand_ins_while_importing():
    import semilearn

from semilearn.algorithms import get_algorithm
from semilearn.algorithms.utils import SSL_Argument, str2bool
from semilearn.core import AlgorithmBase, ImbAlgorithmBase
from semilearn.core.hooks import Hook
from semilearn.core.utils import ALGORITHMS, IMB_ALGORITHMS

from usb_negsamp.host.expected.notice import in_the_log
from usb_negsamp.host.options import apply_all as apply_options
from usb_negsamp.host.repairs import apply_all

apply_all()
apply_options()
in_the_log()

from usb_negsamp.host.datasets.build import offer_sources  # noqa: E402 (the repaired host is what it builds on)

offer_sources()

__all__ = [
    "ALGORITHMS",
    "IMB_ALGORITHMS",
    "AlgorithmBase",
    "Hook",
    "ImbAlgorithmBase",
    "SSL_Argument",
    "get_algorithm",
    "semilearn",
    "str2bool",
]
