"""Where the drawn split goes."""

from __future__ import annotations

import hashlib
import warnings
from argparse import Namespace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from semilearn.datasets import utils

from usb_negsamp.host.datasets.drawn_splits import noted_splits
from usb_negsamp.host.patching import undone

TARGETS = np.arange(60) % 3


@pytest.fixture
def args(tmp_path: Path) -> Namespace:
    return Namespace(
        dataset="toy",
        num_labels=6,
        lb_imb_ratio=1,
        ulb_imb_ratio=1,
        seed=0,
        save_dir=str(tmp_path / "saved"),
        save_name="run",
    )


def _draw(args: Namespace) -> tuple[Any, Any]:
    labeled, unlabeled = utils.sample_labeled_unlabeled_data(args, TARGETS, TARGETS, 3, 6)
    return labeled.tolist(), unlabeled.tolist()


def _files(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())


def test_host_writes_beside_its_installation(args: Namespace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(utils, "base_dir", str(tmp_path / "installation"))
    with undone("index_dump"):
        _draw(args)
    assert _files(tmp_path / "installation") == [
        "data/toy/labeled_idx/lb_labels6_1_seed0_idx.npy",
        "data/toy/labeled_idx/ulb_labels6_1_seed0_idx.npy",
    ]


def test_host_cannot_draw_where_its_installation_cannot_be_written(
    args: Namespace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setattr(utils, "base_dir", str(tmp_path / "file"))
    with undone("index_dump"), pytest.raises(OSError, match="file"):
        _draw(args)
    _draw(args)


def test_indices_are_written_into_the_run(args: Namespace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(utils, "base_dir", str(tmp_path / "installation"))
    labeled, unlabeled = _draw(args)
    folder = tmp_path / "saved" / "run" / "split"
    assert _files(folder) == [
        "toy/labeled_idx/lb_labels6_1_seed0_idx.npy",
        "toy/labeled_idx/ulb_labels6_1_seed0_idx.npy",
    ]
    assert np.load(folder / _files(folder)[0]).tolist() == labeled
    assert np.load(folder / _files(folder)[1]).tolist() == unlabeled
    assert not (tmp_path / "installation").exists()
    assert utils.base_dir == str(tmp_path / "installation")


def test_only_the_first_process_writes(args: Namespace, tmp_path: Path) -> None:
    args.rank = 1
    _draw(args)
    assert not (tmp_path / "saved").exists()


def test_a_place_that_cannot_be_written_gives_one_warning(args: Namespace, tmp_path: Path) -> None:
    (tmp_path / "saved").write_text("a file")
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        _draw(args)
    assert ["not kept" in str(warning.message) for warning in caught] == [True]


def test_without_split_seed_the_draw_is_the_host_s_bit_for_bit(
    args: Namespace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(utils, "base_dir", str(tmp_path / "installation"))
    np.random.seed(7)
    with undone("index_dump"):
        expected = _draw(args), np.random.rand()
    for args.split_seed in (None, None):
        np.random.seed(7)
        assert (_draw(args), np.random.rand()) == expected


def test_split_seed_draws_the_same_whatever_was_drawn_before(args: Namespace) -> None:
    args.split_seed = 3
    np.random.seed(1)
    first, state = _draw(args), np.random.rand()
    np.random.seed(2)
    assert _draw(args) == first
    np.random.seed(1)
    assert np.random.rand() == state
    args.split_seed = 4
    assert _draw(args) != first


def test_digest_names_the_split(args: Namespace) -> None:
    args.split_seed = 3
    with noted_splits() as digests:
        labeled, unlabeled = _draw(args)
        args.split_seed = 4
        _draw(args)
    expected = hashlib.sha256(np.array([*labeled, *unlabeled], dtype="<i8").tobytes()).hexdigest()
    assert len(digests) == 2
    assert digests[0] == expected != digests[1]


def test_every_path_to_the_split_is_mended(args: Namespace, tmp_path: Path) -> None:
    from semilearn.datasets.cv_datasets import stl10

    assert stl10.sample_labeled_unlabeled_data is utils.sample_labeled_unlabeled_data
    data, _, _, _ = utils.split_ssl_data(args, TARGETS, TARGETS, 3, 6)
    assert len(data) == 6
    assert (tmp_path / "saved" / "run" / "split").exists()
