"""Reading a file of ``torch.save``: whole, on the CPU, and free of code."""

from __future__ import annotations

import os
import zipfile
from pathlib import Path
from typing import Any, TypeGuard

import numpy as np
import torch
from torch import Tensor

from usb_negsamp.errors import ConfigError

_NUMPY_NUMBERS = [
    np.float64(0.0).__reduce__()[0],
    np.dtype,
    *(type(np.dtype(name)) for name in ("float64", "float32", "int64", "int32", "bool")),
]
"""What the host's files hold beside tensors and Python's own numbers."""


def read_tensors(path: str | os.PathLike[str]) -> Any:
    """The content of the file at ``path``, or at an http(s) address: tensors, numbers, texts and lists of them.

    Raises:
        ConfigError: there is no such file, it holds something else, or its bytes are not those that were written.
    """
    place = os.fspath(path)
    of_the_net = place.startswith(("http://", "https://"))
    if not of_the_net and not os.path.isfile(place):
        raise ConfigError(f"expected a checkpoint at {place}, but there is no such file")
    try:
        if of_the_net:
            return torch.hub.load_state_dict_from_url(place, map_location="cpu", weights_only=True)
        _check_bytes(Path(place))
        with torch.serialization.safe_globals(_NUMPY_NUMBERS):
            return torch.load(place, map_location="cpu", weights_only=True)
    except Exception as error:
        # What such a file raises depends on its first bytes, may be anything, and says nothing that helps.
        raise ConfigError(
            f"expected a checkpoint at {place}, but it cannot be read: it is none, or is damaged "
            f"({type(error).__name__})"
        ) from error


def _check_bytes(path: Path) -> None:
    """Compare the sums of bytes that an archive keeps of its entries, which PyTorch does not look at."""
    if not zipfile.is_zipfile(path):
        return
    with zipfile.ZipFile(path) as archive:
        changed = archive.testzip()
    if changed is not None:
        raise zipfile.BadZipFile(changed)


def is_plain(value: Any) -> TypeGuard[Tensor]:
    """Whether a value is a tensor whose numbers lie in memory one after the other, as a network's do."""
    return (
        isinstance(value, Tensor)
        and value.layout is torch.strided
        and value.device.type == "cpu"
        and not (value.is_quantized or value.is_complex())
    )
