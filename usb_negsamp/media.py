"""What the host's data sets hold beside images, texts and sounds, and what follows for a run on them."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

from usb_negsamp.errors import expected


@dataclass(frozen=True)
class Medium:
    """Samples that are no images.

    Attributes:
        samples: what they are, in the plural.
        datasets: the host's names of such data sets.
        nets: the host's names of the networks that take such samples, with the pretrained model each starts from.
        settled: values of keys that such samples leave no choice of: they differ in length, so that batches are not
            joined and are mixed by their features alone, and they cannot be turned.
    """

    samples: str
    datasets: tuple[str, ...]
    nets: Mapping[str, str]
    settled: Mapping[str, Any]


OF_ANY_LENGTH = {"use_cat": False, "mixup_manifold": True, "rot_loss_ratio": 0.0}
TEXT = Medium(
    "texts",
    ("aclImdb", "ag_news", "amazon_review", "dbpedia", "yahoo_answers", "yelp_review"),
    {"bert_base_cased": "bert-base-cased", "bert_base_uncased": "bert-base-uncased"},
    {**OF_ANY_LENGTH, "vat_embed": True},
)
SOUND = Medium(
    "sounds",
    ("esc50", "fsdnoisy", "gtzan", "superbks", "superbsi", "urbansound8k"),
    {"hubert_base": "facebook/hubert-base-ls960", "wave2vecv2_base": "facebook/wav2vec2-base-960h"},
    OF_ANY_LENGTH,
)
MEDIA = (TEXT, SOUND)
OF_IMAGES: Mapping[str, Any] = {
    "accelerate_graph": False,
    "accelerate_views": "host",
    "channels_last": False,
    "ns3l_gate": "none",
    "ns3l_rule": ("threshold", "uniform", "oracle"),
    "ood_data": None,
    "spl_outer": "base",
}
"""Keys that are about images, with the values that are about any samples."""


def medium_of(dataset: str | None) -> Medium | None:
    """What the data set named ``dataset`` holds; None for images.

    >>> medium_of("ag_news").samples, medium_of("cifar10")
    ('texts', None)
    """
    return next((medium for medium in MEDIA if dataset in medium.datasets), None)


def settled_keys(values: Mapping[str, Any]) -> dict[str, Any]:
    """What a data set of texts or sounds leaves no choice of, of the keys in ``values``.

    >>> settled_keys({"dataset": "gtzan", "use_cat": True, "vat_embed": False})
    {'use_cat': False}
    """
    medium = medium_of(values.get("dataset"))
    return {} if medium is None else {key: value for key, value in medium.settled.items() if key in values}


def check_net(net: str, dataset: str) -> None:
    """Refuse a network that takes other samples than the data set holds.

    Raises:
        ConfigError: it does.

    >>> check_net("wrn_28_2", "gtzan")
    Traceback (most recent call last):
    usb_negsamp.errors.ConfigError: net: expected hubert_base or wave2vecv2_base with dataset gtzan, whose samples are \
sounds, but got wrn_28_2
    """
    medium = medium_of(dataset)
    if medium is None:
        of_net = next((other for other in MEDIA if net in other.nets), None)
        if of_net is not None:
            raise expected("dataset", f"one of {', '.join(of_net.datasets)} with net {net}", dataset)
    elif net not in medium.nets:
        names = " or ".join(medium.nets)
        raise expected("net", f"{names} with dataset {dataset}, whose samples are {medium.samples}", net)


def check_medium(args: Any, given: Collection[str]) -> None:
    """Refuse what texts and sounds cannot be asked for.

    Args:
        args: the resolved configuration.
        given: the keys that the user gave.

    Raises:
        ConfigError: a network of other samples, a key that is about images, or another value than there can be.
    """
    check_net(args.net, args.dataset)
    medium = medium_of(args.dataset)
    if medium is None:
        return
    what = f"with dataset {args.dataset}, whose samples are {medium.samples}"
    for key, value in medium.settled.items():
        if getattr(args, key, value) != value:
            raise expected(key, f"{_shown(value)} {what}", _shown(getattr(args, key)))
    for key, idle in OF_IMAGES.items():
        value = getattr(args, key, None)
        if key in given and value is not None and not _asks_for_nothing(value, idle):
            allowed = idle if isinstance(idle, tuple) else (idle,)
            raise expected(key, f"{' or '.join(map(_shown, allowed))} {what}", _shown(value))


def _asks_for_nothing(value: Any, idle: Any) -> bool:
    return value in idle if isinstance(idle, tuple) else bool(value == idle)


def _shown(value: Any) -> str:
    if value is None:
        return "none"
    return str(value).lower() if isinstance(value, bool) else str(value)
