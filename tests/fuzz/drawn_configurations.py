"""Configurations drawn from the table of keys: right values, borders, absurd ones, wrong types, misspelt keys."""

from __future__ import annotations

import random
from typing import Any

from usb_negsamp.key import Key
from usb_negsamp.run.configuration.resolution import definitions_for

BASE: dict[str, Any] = {
    "algorithm": "fixmatch",
    "dataset": "digits",
    "net": "small_cnn",
    "num_classes": 10,
    "num_labels": 40,
    "img_size": 16,
    "batch_size": 8,
    "uratio": 1,
    "num_train_iter": 20,
    "num_workers": 0,
    "device": "cpu",
    "save_dir": "runs",
    "save_name": "one",
}
"""A small run that can be carried out."""

BORDERS: tuple[Any, ...] = (
    *(0, 1, -1, 2, 3, 9, 10, 11, 16, 255, 1024, 1025, 8192, 8193, 2**31, 2**32 - 1, 2**32),
    *(0.0, -0.0, 1.0, 0.5, 0.1, 1e-9, 1.0 - 1e-9, 1.0 + 1e-9, -1e-9, 1e30, 1.1e30),
)
ABSURD: tuple[Any, ...] = (
    *(2**63, -(2**63), 2**64, 10**19, 10**400, 1e308, -1e308, 5e-324, float("inf"), float("-inf"), float("nan")),
    *(
        "",
        " ",
        "x" * 5000,
        "\0",
        "..",
        "/",
        "a/../..",
        "1e999",
        "0x",
        "{",
        "é" * 300,
        "none",
        "null",
        "-",
        "--lr",
        "\n",
    ),
)
WRONG_TYPES: tuple[Any, ...] = (
    *([], {}, [1, 2], ["a"], {"a": 1}, [[1]], [None], None, True, False, "perhaps", "2026-01-02", "1:30", b"bytes"),
)
WORDS: dict[str, tuple[Any, ...]] = {
    "dataset": ("digits", "image_folder", "cifar10", "svhn", "mnist", "stl10", "food101", "aclImdb", "esc50", "digit"),
    "labeled_dataset": ("digits", "usps", "mnist"),
    "unlabeled_dataset": ("digits", "usps", "mnist"),
    "net": ("small_cnn", "cnn3", "cnn13", "wrn_28_2", "wrn_var_37_2", "timm:resnet10t", "resnet18", "wrn_28_3"),
    "optim": ("SGD", "AdamW", "Adam"),
    "train_sampler": ("RandomSampler", "WeightedRandomSampler"),
    "seen_classes": (6, [0, 1, 2], "0,1", ["0", "1"], [0, 77], 10, 1),
    "lr_decay_iters": ([10], "5,15", [0]),
    "ood_data": (["usps"], "nowhere", ["digits"]),
    "preset": (
        "oliver",
        "ns3l",
        "ns3l-mixmatch",
        "ns3l-fmnist",
        "dnll-wrn",
        "dnll-cnn13",
        "dual-student",
        "openmatch",
        "iomatch",
        "cl",
        "mtc",
    ),
    "plugin": ("nowhere:register", "os:getcwd", "json"),
    "save_name": ("one", "two/three", "é"),
    "save_dir": ("runs", "run.yaml", "."),
    "data_dir": (".", "nowhere", "run.yaml"),
    "pretrain_path": ("nowhere.pth", "run.yaml", "."),
    "spl_from": ("nowhere", "run.yaml", "."),
    "load_path": ("nowhere.pth", "run.yaml"),
    "spl_mismatch": ("estimate", 0.5, "0.3"),
}
"""What a key that holds a name may be given: right ones, and ones that nothing has."""


class Drawn:
    """Draws configurations, the same ones from the same seed.

    Args:
        seed: of the draws.
        algorithms: the names to choose from.
    """

    def __init__(self, seed: int, algorithms: list[str]) -> None:
        self.random = random.Random(seed)
        self.algorithms = algorithms

    def configuration(self) -> tuple[dict[str, Any], list[str]]:
        """The content of a file, and words for the command line."""
        content: dict[str, Any] = {**BASE, "algorithm": self.random.choice(self.algorithms)}
        if content["algorithm"].endswith("_spl"):
            content.update(spl_mismatch=0.5, validation_size=60)
        keys = definitions_for(content["algorithm"])
        words: list[str] = []
        for name in self.random.sample(sorted(keys), self.random.choice((1, 1, 2, 2, 3, 6))):
            value = self._value(keys[name])
            name = self._misspelt(name) if self.random.random() < 0.08 else name
            if self.random.random() < 0.4:
                words += [f"--{name}", _as_text(value)]
            else:
                content[name] = value
        return content, words

    def _value(self, key: Key) -> Any:
        kind = self.random.choices((self._right, self._border, self._absurd, self._wrong_type), (10, 3, 2, 1))[0]
        return kind(key)

    def _right(self, key: Key) -> Any:
        if key.name in WORDS:
            return self.random.choice(WORDS[key.name])
        if key.choices:
            return self.random.choice(key.choices)
        if key.type is bool:
            return self.random.random() < 0.5
        numbers = [value for value in BORDERS if isinstance(value, int) or key.type is float]
        right = [value for value in numbers if key.range is None or _holds(key, value)]
        return self.random.choice(right) if key.type in (int, float) and right else key.default

    def _border(self, key: Key) -> Any:
        return self.random.choice(BORDERS)

    def _absurd(self, key: Key) -> Any:
        return self.random.choice(ABSURD)

    def _wrong_type(self, key: Key) -> Any:
        return self.random.choice(WRONG_TYPES)

    def _misspelt(self, name: str) -> str:
        place = self.random.randrange(len(name))
        return self.random.choice(
            (name[:place] + name[place + 1 :], name[:place] + name[place] + name[place:], "lerning")
        )


def _holds(key: Key, value: Any) -> bool:
    try:
        return key.range is not None and key.range.holds(value)
    except TypeError:
        return False


def _as_text(value: Any) -> str:
    if isinstance(value, (list, tuple)):
        return ",".join(map(str, value))
    try:
        return str(value)
    except ValueError:
        # Python writes no whole number of more than 4,300 digits.
        return "9" * 5000
