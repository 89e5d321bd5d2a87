"""A small set of real texts in the host's own layout, and a random BERT of one layer that reads them.

    pip download --no-deps --no-binary :all: vaderSentiment==3.3.2
    python benchmarks/texts.py vaderSentiment-3.3.2.tar.gz texts

The source archive of vaderSentiment (MIT) holds 23,700 English sentences from four places: tweets, and snippets of
reviews of products, of reviews of films, and of editorials. Which place a sentence is from is its class, under the name
of the host's set of as many (``ag_news``). Of each class 2,800 sentences are for training, 200 for development and 500
for test. The two rewordings that the host's files have of a text (from translations, there) leave out a fifth of its
words, and half of them; the vocabulary is the words that the training sentences have eight times. Then, in the folder,
``usb-negsamp reproduce texts``.
"""

from __future__ import annotations

import io
import json
import re
import sys
import tarfile
from collections import Counter
from pathlib import Path

import numpy as np

PLACES = ("tweets", "amazonReviewSnippets", "movieReviewSnippets", "nytEditorialSnippets")
INNER = "additional_resources/hutto_ICWSM_2014.tar.gz"
PARTS = {"train": 2800, "dev": 200, "test": 500}
TOKEN = re.compile(r"\w+|[^\w\s]")
LEAST = 8
LEFT_OUT = (0.2, 0.5)
WIDTH = 768
"""Of features; the host's classifier takes no other."""


def sentences(archive: Path) -> dict[str, list[str]]:
    """The sentences of each place, in lower case, without empty ones."""
    found = {}
    with tarfile.open(archive) as outer:
        name = next(name for name in outer.getnames() if name.endswith(INNER))
        stream = outer.extractfile(name)
        assert stream is not None
        with tarfile.open(fileobj=io.BytesIO(stream.read())) as inner:
            for place in PLACES:
                member = inner.extractfile(f"hutto_ICWSM_2014/{place}_GroundTruth.txt")
                assert member is not None
                lines = member.read().decode("utf-8", errors="replace").splitlines()
                found[place] = [line.split("\t")[2].strip().lower() for line in lines if line.count("\t") >= 2]
    return {place: [text for text in texts if TOKEN.search(text)] for place, texts in found.items()}


def reworded(text: str, share: float, random: np.random.Generator) -> str:
    """The text without a ``share`` of its words, but for one."""
    words = text.split()
    kept = random.random(len(words)) >= share
    kept[random.integers(len(words))] = True
    return " ".join(word for word, stays in zip(words, kept, strict=True) if stays)


def write_texts(found: dict[str, list[str]], folder: Path) -> list[str]:
    """Write the host's three files, and return the training sentences."""
    folder.mkdir(parents=True)
    random = np.random.default_rng(0)
    parts: dict[str, list[tuple[str, int]]] = {part: [] for part in PARTS}
    for label, place in enumerate(PLACES):
        order = iter(random.permutation(len(found[place])).tolist())
        for part, number in PARTS.items():
            parts[part] += [(found[place][next(order)], label) for _ in range(number)]
    for part, texts in parts.items():
        entries = {
            str(number): {
                "ori": text,
                **{f"aug_{view}": reworded(text, share, random) for view, share in enumerate(LEFT_OUT)},
                "label": str(label),
            }
            for number, (text, label) in enumerate(texts)
        }
        (folder / f"{part}.json").write_text(json.dumps(entries), encoding="utf-8")
    return [text for text, _ in parts["train"]]


def write_network(texts: list[str], folder: Path) -> None:
    """Write a random BERT of one layer, and a vocabulary of words."""
    import torch
    from transformers import BertConfig, BertModel

    folder.mkdir(parents=True)
    counts = Counter(token for text in texts for token in TOKEN.findall(text))
    vocabulary = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
    vocabulary += sorted(token for token, count in counts.items() if count >= LEAST)
    (folder / "vocab.txt").write_text("\n".join(vocabulary) + "\n", encoding="utf-8")
    torch.manual_seed(0)
    config = BertConfig(
        vocab_size=len(vocabulary),
        hidden_size=WIDTH,
        num_hidden_layers=1,
        num_attention_heads=4,
        intermediate_size=256,
        max_position_embeddings=64,
    )
    BertModel(config).save_pretrained(folder)


def main() -> None:
    """Write ``data/ag_news`` and ``bert-base-uncased`` into the folder that the command line names."""
    archive, folder = map(Path, sys.argv[1:])
    texts = write_texts(sentences(archive), folder / "data" / "ag_news")
    write_network(texts, folder / "bert-base-uncased")


if __name__ == "__main__":
    main()
