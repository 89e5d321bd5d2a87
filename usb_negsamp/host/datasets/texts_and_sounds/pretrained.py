"""What the host's networks of texts and sounds start from: a pretrained model of Hugging Face's, by its name."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from usb_negsamp.errors import expected
from usb_negsamp.media import MEDIA


def pretrained_name(net: str) -> str | None:
    """Hugging Face's name of the model that the host's ``net`` starts from; None for a network of images.

    >>> pretrained_name("hubert_base")
    'facebook/hubert-base-ls960'
    """
    return next((medium.nets[net] for medium in MEDIA if net in medium.nets), None)


@contextmanager
def named_where_absent(net: str) -> Iterator[None]:
    """Name the pretrained model where it cannot be had.

    Raises:
        ConfigError: neither its folder, nor the cache, nor the hub has it.
    """
    try:
        yield
    except OSError as error:
        name = pretrained_name(net)
        if name is None:
            raise
        reason = " ".join(str(error).split())[:160]
        raise expected(
            f"net {net}",
            f"Hugging Face's {name} in a folder of that name here, in its cache (HF_HOME), or from its hub",
            f"none ({type(error).__name__}: {reason})",
        ) from error


def check_pretrained(net: str) -> None:
    """Look for the pretrained model before any data are read and noted.

    Raises:
        ConfigError: neither its folder, nor the cache, nor the hub has it.
    """
    name = pretrained_name(net)
    if name is None:
        return
    from transformers import AutoConfig

    with named_where_absent(net):
        AutoConfig.from_pretrained(name)


def naming_what_is_absent(net: str, builder: Callable[..., Any]) -> Callable[..., Any]:
    """``builder`` of the network ``net``, which names the pretrained model where it cannot be had."""

    @functools.wraps(builder)
    def build(*args: Any, **kwargs: Any) -> Any:
        with named_where_absent(net):
            return builder(*args, **kwargs)

    return build
