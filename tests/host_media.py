"""Texts and sounds in the host's own file layouts, and tiny random networks that take them. Nothing is downloaded."""

from __future__ import annotations

import io
import json
import pickle
from pathlib import Path
from typing import Any

import numpy as np

WORDS = tuple(f"word{number}" for number in range(40))
WIDTH = 768
"""The host's classifiers take features of this width, whatever network is below them."""
SAMPLE_RATE = 16000


def make_texts(folder: Path, *, num_classes: int, per_class: int = 8, seed: int = 0) -> Path:
    """``train.json``, ``dev.json`` and ``test.json``; each class has words of its own, of each text two rewordings."""
    folder.mkdir(parents=True)
    random = np.random.default_rng(seed)
    for part, number in (("train", per_class), ("dev", 3), ("test", 3)):
        entries: dict[str, dict[str, str]] = {}
        for label in np.repeat(np.arange(num_classes), number):
            first = label * 4 % len(WORDS)
            own = WORDS[first : first + 4]
            sentence = [str(word) for word in random.choice(own, 4)]
            reworded = [" ".join(random.permutation([*sentence, str(random.choice(WORDS))])) for _ in range(2)]
            entries[str(len(entries))] = {
                "ori": " ".join(sentence),
                "aug_0": reworded[0],
                "aug_1": reworded[1],
                "label": str(label),
            }
        (folder / f"{part}.json").write_text(json.dumps(entries))
    return folder


def make_sounds(folder: Path, *, num_classes: int, per_class: int = 8, seconds: float = 0.1, seed: int = 0) -> Path:
    """``train.pkl``, ``dev.pkl`` and ``test.pkl``: a tone for each class, in noise, of lengths that differ."""
    folder.mkdir(parents=True)
    random = np.random.default_rng(seed)
    for part, number in (("train", per_class), ("dev", 3), ("test", 3)):
        entries: dict[int, dict[str, Any]] = {}
        for label in np.repeat(np.arange(num_classes), number):
            length = int(SAMPLE_RATE * seconds * random.uniform(0.8, 1.6))
            tone = np.sin(2 * np.pi * 200 * (label + 1) * np.arange(length) / SAMPLE_RATE)
            wave = (tone + 0.1 * random.standard_normal(length)).astype(np.float32)
            entries[len(entries)] = {"wav": _as_bytes(wave), "label": int(label)}
        (folder / f"{part}.pkl").write_bytes(pickle.dumps(entries))
    return folder


def _as_bytes(wave: np.ndarray) -> bytes:
    stream = io.BytesIO()
    np.save(stream, wave)
    return stream.getvalue()


def make_bert(folder: Path) -> Path:
    """A random BERT of one layer, and the tokenizer of a vocabulary of :data:`WORDS`."""
    import torch
    from transformers import BertConfig, BertModel

    folder.mkdir(parents=True)
    vocabulary = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *WORDS]
    (folder / "vocab.txt").write_text("\n".join(vocabulary) + "\n")
    torch.manual_seed(0)
    config = BertConfig(
        vocab_size=len(vocabulary),
        hidden_size=WIDTH,
        num_hidden_layers=1,
        num_attention_heads=2,
        intermediate_size=16,
        max_position_embeddings=32,
    )
    BertModel(config).save_pretrained(folder)
    return folder


def make_sound_network(folder: Path, kind: str) -> Path:
    """A random Wav2Vec2 or HuBERT (``kind``) of one layer, and its feature extractor."""
    import torch
    from transformers import HubertConfig, HubertModel, Wav2Vec2Config, Wav2Vec2FeatureExtractor, Wav2Vec2Model

    folder.mkdir(parents=True)
    torch.manual_seed(0)
    sizes: dict[str, Any] = {
        "hidden_size": WIDTH,
        "num_hidden_layers": 1,
        "num_attention_heads": 2,
        "intermediate_size": 16,
        "conv_dim": (8, 8),
        "conv_stride": (10, 8),
        "conv_kernel": (10, 8),
        "num_feat_extract_layers": 2,
        "num_conv_pos_embeddings": 4,
        "num_conv_pos_embedding_groups": 2,
        "vocab_size": 8,
        "mask_time_prob": 0.0,
        # The host asks for the output of the first layer, which is to be there.
        "layerdrop": 0.0,
    }
    model = HubertModel(HubertConfig(**sizes)) if kind == "hubert" else Wav2Vec2Model(Wav2Vec2Config(**sizes))
    model.save_pretrained(folder)
    Wav2Vec2FeatureExtractor(sampling_rate=SAMPLE_RATE, return_attention_mask=False).save_pretrained(folder)
    return folder
