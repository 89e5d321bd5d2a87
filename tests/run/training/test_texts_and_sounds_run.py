"""Runs on the host's texts and sounds, in its own file layouts: training, evaluation, resume, and what is refused."""

from __future__ import annotations

import json
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from host_media import make_bert, make_sound_network, make_sounds, make_texts
from one_line import assert_one_line

from usb_negsamp.run.cli.main import main
from usb_negsamp.run.records.metrics import MetricsHook
from usb_negsamp.tensor_file import read_tensors

RUN: dict[str, Any] = {
    "data_dir": "data",
    "batch_size": 2,
    "uratio": 1,
    "num_train_iter": 10,
    "epoch": 1,
    "num_eval_iter": 5,
    "num_log_iter": 5,
    "num_warmup_iter": 0,
    "ema_m": 0.9,
    "optim": "AdamW",
    "lr": 0.0001,
    "device": "cpu",
    "save_dir": "runs",
    "curve": False,
}
TEXTS = {"dataset": "ag_news", "net": "bert_base_uncased", "num_classes": 4, "num_labels": 8, "max_length": 16}
SOUNDS = {
    "dataset": "gtzan",
    "net": "wave2vecv2_base",
    "num_classes": 10,
    "num_labels": 20,
    "max_length_seconds": 0.1,
    "sample_rate": 16000,
}
Run = Callable[..., int]


@pytest.fixture(scope="session")
def media(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Tiny sets, and networks under the names that the host asks Hugging Face for."""
    folder = tmp_path_factory.mktemp("media")
    make_texts(folder / "data" / "ag_news", num_classes=4)
    make_sounds(folder / "data" / "gtzan", num_classes=10)
    make_bert(folder / "bert-base-uncased")
    make_sound_network(folder / "facebook" / "wav2vec2-base-960h", "wav2vec2")
    make_sound_network(folder / "facebook" / "hubert-base-ls960", "hubert")
    return folder


@pytest.fixture
def run(media: Path, work_dir: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    """Train on texts, or on what ``base`` says, where the tiny sets and networks are at hand."""
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    for name in ("data", "bert-base-uncased", "facebook"):
        (work_dir / name).symlink_to(media / name)

    def train(algorithm: str, base: dict[str, Any] = TEXTS, **changes: Any) -> int:
        keys = {**RUN, **base, "algorithm": algorithm, "save_name": "one", **changes}
        return main(["train", *words(keys)])

    return train


def words(keys: dict[str, Any]) -> list[str]:
    return [word for key, value in keys.items() for word in (f"--{key}", str(value))]


def records(folder: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]


@pytest.mark.parametrize("algorithm", ["fixmatch_ns3l", "vat_dnll"])
def test_a_loss_around_an_algorithm_of_the_host_on_texts(algorithm: str, run: Run, work_dir: Path) -> None:
    assert run(algorithm) == 0
    last = records(work_dir / "runs" / "one")[-1]
    assert last["it"] == 10
    assert "eval/top-1-acc" in last
    wrapper = algorithm.split("_")[1]
    figure = {"ns3l": "train/ns3l_loss", "dnll": "train/dnll_cross_loss"}[wrapper]
    assert any(figure in record for record in records(work_dir / "runs" / "one"))


@pytest.fixture
def terminated_after_two(monkeypatch: pytest.MonkeyPatch) -> None:
    """A run gets SIGTERM in its second iteration."""
    original = MetricsHook.after_train_step

    def after_train_step(self: MetricsHook, algorithm: Any) -> None:
        original(self, algorithm)
        if algorithm.it == 1:
            signal.raise_signal(signal.SIGTERM)

    monkeypatch.setattr(MetricsHook, "after_train_step", after_train_step)


def test_a_resumed_run_on_texts_ends_with_the_same_bits(
    run: Run, work_dir: Path, terminated_after_two: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    keys = {"ns3l_view": "weak_to_strong", "num_train_iter": 6, "num_eval_iter": 3, "epoch": 2}
    assert run("pseudolabel_ns3l", save_name="cut", **keys) == 128 + signal.SIGTERM
    monkeypatch.undo()
    monkeypatch.chdir(work_dir)
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    assert main(["train", "--resume", "runs/cut"]) == 0
    assert main(["train", *words({**RUN, **TEXTS, **keys, "algorithm": "pseudolabel_ns3l", "save_name": "whole"})]) == 0
    whole, cut = (read_tensors(work_dir / "runs" / name / "latest_model.pth") for name in ("whole", "cut"))
    for weights in ("model", "ema_model"):
        assert all(torch.equal(whole[weights][name], cut[weights][name]) for name in whole[weights])


def test_a_stage_of_spl_on_texts_masks_attention_and_chooses_by_validation(run: Run, work_dir: Path) -> None:
    keys = {"spl_mismatch": 0.5, "spl_rounds": 1, "spl_inner_steps": 1, "spl_outer_steps": 1, "num_train_iter": 2}
    assert run("pseudolabel_spl", **keys, num_eval_iter=2, num_log_iter=1) == 0
    last = records(work_dir / "runs" / "one")[-1]
    kept = {name for name in last if name.startswith("train/spl_kept_ratio/")}
    assert "train/spl_kept_ratio/bert.encoder.layer.0.attention.self.query" in kept
    assert 0 < last["train/spl_kept_ratio"] < 1
    assert 0 <= last["eval/spl_v2_acc"] <= 1


@pytest.mark.parametrize(
    ("algorithm", "net", "changes"),
    [("pseudolabel_dnll", "wave2vecv2_base", {"dnll_views": "weak"}), ("vat_ns3l", "hubert_base", {})],
)
def test_a_loss_around_an_algorithm_of_the_host_on_sounds(
    algorithm: str, net: str, changes: dict[str, Any], run: Run, work_dir: Path
) -> None:
    assert run(algorithm, SOUNDS, net=net, **changes) == 0
    last = records(work_dir / "runs" / "one")[-1]
    assert last["it"] == 10
    assert "eval/top-1-acc" in last


@pytest.mark.parametrize("base", [TEXTS, SOUNDS], ids=["texts", "sounds"])
def test_an_open_set_split_of_texts_or_sounds_is_that_of_images(
    base: dict[str, Any], run: Run, work_dir: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    keys = {"seen_classes": "0,2", "num_classes": 2, "num_labels": 4, "mismatch_ratio": 0.5, "num_unlabeled": 16}
    assert run("pseudolabel_ns3l", base, **keys, num_train_iter=4, num_eval_iter=2, num_log_iter=2) == 0
    classes = base["num_classes"]
    assert (
        f"open-set split fixed_total: 2 of {classes} classes seen; 4 labeled, 16 unlabeled (8 of seen and 8 of unseen "
        f"classes), 6 validation" in capsys.readouterr().err
    )
    folder = work_dir / "runs" / "one"
    manifest = json.loads((folder / "manifest.json").read_text())
    assert manifest["split"]["mismatch"] == 0.5
    assert manifest["split"]["unseen_classes"] == [str(label) for label in range(classes) if label not in (0, 2)]
    split = np.load(folder / "split.npz")
    assert not set(split["labeled"]) & set(split["unlabeled"])
    assert "eval/open/auroc" in records(folder)[-1]


REFUSED: list[tuple[str, dict[str, Any], dict[str, Any], str]] = [
    ("fixmatch", TEXTS, {"net": "small_cnn"}, "net: expected bert_base_cased or bert_base_uncased with dataset"),
    ("fixmatch", TEXTS, {"use_cat": True}, "use_cat: expected false with dataset ag_news, whose samples are texts"),
    ("vat", TEXTS, {"vat_embed": False}, "vat_embed: expected true with dataset ag_news, whose samples are texts"),
    ("fixmatch", TEXTS, {"channels_last": True}, "channels_last: expected false with dataset ag_news"),
    ("fixmatch_ns3l", TEXTS, {"ns3l_rule": "neighbor"}, "ns3l_rule: expected threshold or uniform or oracle with"),
    ("pseudolabel_spl", TEXTS, {"spl_outer": "eq6"}, "spl_outer: expected base with dataset ag_news"),
    ("fixmatch_fixastep", TEXTS, {}, "algorithm: expected one of the host's, alone or with ns3l, dnll or spl, with"),
    ("fixmatch", {**TEXTS, "dataset": "cifar10", "num_classes": 10, "num_labels": 40}, {}, "dataset: expected one of "),
    ("fixmatch", SOUNDS, {"mixup_manifold": False}, "does not read 'mixup_manifold'"),
    ("mixmatch", SOUNDS, {"mixup_manifold": False}, "mixup_manifold: expected true with dataset gtzan, whose samples"),
    ("fixmatch", SOUNDS, {}, "algorithm fixmatch with dataset gtzan: expected a torchaudio that has sox_effects"),
    (
        "fullysupervised_ns3l",
        TEXTS,
        {},
        "fullysupervised_ns3l with dataset ag_news: expected unlabeled samples, of which",
    ),
    ("vat_dnll", SOUNDS, {}, "; weak views do without (dnll_views, ns3l_view)"),
    ("vat_ns3l", SOUNDS, {"ns3l_view": "strong"}, "algorithm vat_ns3l with dataset gtzan: expected a torchaudio that"),
    ("fixmatch", TEXTS, {"net": "bert_base_cased"}, "net bert_base_cased: expected Hugging Face's bert-base-cased in"),
]


@pytest.mark.parametrize(("algorithm", "base", "changes", "fragment"), REFUSED)
def test_what_texts_and_sounds_cannot_be_asked_for_is_one_line(
    algorithm: str,
    base: dict[str, Any],
    changes: dict[str, Any],
    fragment: str,
    run: Run,
    work_dir: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    import torchaudio

    monkeypatch.delattr(torchaudio, "sox_effects", raising=False)
    keys = {**RUN, **base, "algorithm": algorithm, "save_name": "one", **changes}
    assert_one_line(["train", *words(keys)], fragment, work_dir, capsys)
