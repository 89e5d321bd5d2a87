"""The end of an epoch, as hooks see it."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
from semilearn.core.hooks import Hook

from usb_negsamp.host.patching import undone


def _ends(steps: int = 9) -> list[int]:
    loaders = {"train_lb": range(3)}
    return [it for it in range(steps) if Hook().end_of_epoch(SimpleNamespace(it=it, loader_dict=loaders))]


def test_host_reads_an_attribute_that_does_not_exist() -> None:
    with undone("end_of_epoch"), pytest.raises(AttributeError, match="data_loader"):
        _ends()


def test_an_epoch_ends_with_its_last_batch() -> None:
    assert _ends() == [2, 5, 8]
