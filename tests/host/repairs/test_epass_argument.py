"""``use_epass`` of the host's main branch."""

from __future__ import annotations

from argparse import Namespace
from typing import Any

import pytest
from semilearn.algorithms.comatch.comatch import CoMatch
from semilearn.algorithms.simmatch.simmatch import SimMatch
from semilearn.core import AlgorithmBase
from torch import nn

from usb_negsamp.host.patching import undone
from usb_negsamp.host.repairs.epass_argument import reads_epass
from usb_negsamp.nets import small_cnn

pytestmark = pytest.mark.skipif(not reads_epass(CoMatch), reason="this host has no use_epass")
BOTH = pytest.mark.parametrize("algorithm", [CoMatch, SimMatch])


class Stop(Exception):
    """Raised where the host would go on to optimizers and hooks."""


def _names(algorithm: Any) -> list[str]:
    return [argument.name for argument in algorithm.get_argument()]


def _build(algorithm: Any, monkeypatch: pytest.MonkeyPatch) -> nn.Module:
    """The network that ``algorithm`` builds for arguments that say nothing of ``use_epass``."""
    built: list[nn.Module] = []

    def only_the_network(self: Any, args: Any, net_builder: Any, *rest: Any, **kwargs: Any) -> None:
        self.args, self.net_builder, self.num_classes = args, net_builder, 2
        built.append(self.set_model())
        raise Stop

    monkeypatch.setattr(AlgorithmBase, "__init__", only_the_network)
    args = Namespace(proj_size=4, use_pretrain=False, pretrain_path="")
    with pytest.raises(Stop):
        algorithm(args, small_cnn)
    return built[0]


@BOTH
def test_host_does_not_know_its_own_argument(algorithm: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    with undone("epass_argument"):
        assert "--use_epass" not in _names(algorithm)
        with pytest.raises(AttributeError, match="use_epass"):
            _build(algorithm, monkeypatch)


@BOTH
def test_argument_is_declared_once_and_off(algorithm: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    assert _names(algorithm).count("--use_epass") == 1
    assert _build(algorithm, monkeypatch).epass is False
