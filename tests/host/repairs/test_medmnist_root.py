"""The folder of MedMNIST."""

from __future__ import annotations

from pathlib import Path

import pytest
from semilearn.datasets.cv_datasets import medmnist

from usb_negsamp.host.patching import undone


def _load(root: Path) -> None:
    medmnist.TissueMNIST("fixmatch", split="train", root=str(root))


def test_host_wants_the_folder_to_be_there(tmp_path: Path) -> None:
    with undone("medmnist_root"), pytest.raises(RuntimeError, match="Failed to setup"):
        _load(tmp_path / "data" / "tissuemnist")


def test_folder_is_created_when_the_data_are_asked_for(tmp_path: Path) -> None:
    with pytest.raises(RuntimeError, match="Dataset not found"):
        _load(tmp_path / "data" / "tissuemnist")
    assert (tmp_path / "data" / "tissuemnist").is_dir()
