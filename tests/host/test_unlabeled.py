"""Which algorithms look at unlabeled images."""

from __future__ import annotations

from typing import Any

import pytest
from semilearn.core import AlgorithmBase

import usb_negsamp
from usb_negsamp.host import ALGORITHMS
from usb_negsamp.host.unlabeled import reads_unlabeled


class LabelsAlone(AlgorithmBase):
    """An algorithm of somebody else's that learns from labels."""

    def train_step(self, x_lb: Any, y_lb: Any) -> Any:
        raise NotImplementedError


class Anything(LabelsAlone):
    """One of whose step nothing can be told."""

    def train_step(self, *args: Any, **kwargs: Any) -> Any:
        raise NotImplementedError


class WithStage(LabelsAlone):
    """One that does something after its training."""

    def finetune(self) -> None:
        raise NotImplementedError


@pytest.mark.parametrize(
    "name",
    ["fullysupervised", "pseudolabel", "vat", "fixmatch", "dash", "ns3l", "dnll", "dualstudent", "cl",
     "supervised_ns3l", "supervised_dnll", "supervised_spl", "vat_ns3l", "openmatch", "iomatch", "supervised_fixastep"],
)  # fmt: skip
def test_what_learns_from_unlabeled_images_reads_them(name: str) -> None:
    usb_negsamp.register()
    assert reads_unlabeled(name, ALGORITHMS[name])


def test_what_learns_from_labels_alone_does_not() -> None:
    usb_negsamp.register()
    assert not reads_unlabeled("supervised", ALGORITHMS["supervised"])
    assert not reads_unlabeled("labelsalone", LabelsAlone)
    assert reads_unlabeled("anything", Anything)
    assert reads_unlabeled("withstage", WithStage)
