"""Every data set of the host, in its own file layout, is trained on with NS3L around one of the host's algorithms."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from host_images import WRITERS
from host_media import make_bert, make_sound_network, make_sounds, make_texts

from usb_negsamp.known_classes import CLASSES_OF_SOURCE
from usb_negsamp.media import SOUND, TEXT
from usb_negsamp.run.cli.main import main

RUN: dict[str, Any] = {
    "data_dir": "data",
    "batch_size": 2,
    "uratio": 1,
    "num_train_iter": 2,
    "epoch": 1,
    "num_eval_iter": 2,
    "num_log_iter": 1,
    "num_warmup_iter": 0,
    "num_workers": 0,
    "device": "cpu",
    "save_dir": "runs",
    "save_name": "one",
    "curve": False,
}


def train(work_dir: Path, **keys: Any) -> dict[str, Any]:
    """Train two iterations; returns the last record."""
    assert main(["train", *(word for key, value in {**RUN, **keys}.items() for word in (f"--{key}", str(value)))]) == 0
    last: dict[str, Any] = json.loads((work_dir / "runs" / "one" / "metrics.jsonl").read_text().splitlines()[-1])
    return last


@pytest.fixture
def unchecked(monkeypatch: pytest.MonkeyPatch) -> None:
    """torchvision takes files for complete where they exist, whatever their checksum."""
    for module in ("cifar", "svhn", "stl10", "utils"):
        monkeypatch.setattr(f"torchvision.datasets.{module}.check_integrity", lambda path, md5: Path(path).is_file())


@pytest.mark.usefixtures("unchecked")
@pytest.mark.parametrize("dataset", WRITERS)
def test_images(dataset: str, work_dir: Path) -> None:
    WRITERS[dataset](work_dir / "data")
    classes = CLASSES_OF_SOURCE.get(dataset, 4)
    keys = {"dataset": dataset, "num_classes": classes, "num_labels": classes, "img_size": 32, "net": "small_cnn"}
    last = train(work_dir, algorithm="fixmatch_ns3l", **keys)
    assert {"train/ns3l_loss", "eval/top-1-acc"} <= last.keys()


@pytest.mark.parametrize("dataset", TEXT.datasets)
def test_texts(dataset: str, work_dir: Path) -> None:
    classes = CLASSES_OF_SOURCE[dataset]
    make_texts(work_dir / "data" / dataset, num_classes=classes, per_class=2)
    net = "bert_base_cased" if dataset == "aclImdb" else "bert_base_uncased"
    make_bert(work_dir / net.replace("_", "-"))
    keys = {
        "dataset": dataset,
        "num_classes": classes,
        "num_labels": classes,
        "net": net,
        "max_length": 16,
    }
    assert {"train/ns3l_loss", "eval/top-1-acc"} <= train(work_dir, algorithm="fixmatch_ns3l", **keys).keys()


@pytest.mark.parametrize("dataset", SOUND.datasets)
def test_sounds(dataset: str, work_dir: Path) -> None:
    classes = CLASSES_OF_SOURCE.get(dataset, 2)
    folder = make_sounds(work_dir / "data" / dataset, num_classes=classes, per_class=2)
    if dataset == "superbsi":
        (folder / "train.pkl").rename(folder / "train_0.pkl")
    if dataset == "fsdnoisy":
        (folder / "ulb_train.pkl").write_bytes((folder / "train.pkl").read_bytes())
    make_sound_network(work_dir / "facebook" / "wav2vec2-base-960h", "wav2vec2")
    keys = {"dataset": dataset, "num_classes": classes, "num_labels": classes, "net": "wave2vecv2_base"}
    lengths = {"max_length_seconds": 0.1, "sample_rate": 16000}
    assert {"train/ns3l_loss", "eval/top-1-acc"} <= train(work_dir, algorithm="vat_ns3l", **keys, **lengths).keys()
