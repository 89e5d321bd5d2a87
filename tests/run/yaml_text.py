"""Configuration files that tests write."""

from __future__ import annotations

import io
from typing import Any

from ruamel.yaml import YAML

SMALL_RUN: dict[str, Any] = {
    "algorithm": "vat_ns3l",
    "dataset": "digits",
    "net": "small_cnn",
    "num_classes": 10,
    "num_labels": 40,
    "batch_size": 8,
    "num_train_iter": 20,
    "save_dir": "runs",
    "save_name": "one",
    "device": "cpu",
}
"""A small, right configuration."""


def yaml_text(content: dict[str, Any]) -> str:
    """The text of a file that holds ``content``, a line for each key."""
    stream = io.StringIO()
    writer = YAML(typ="safe", pure=True)
    writer.default_flow_style = False
    writer.sort_base_mapping_type_on_output = False  # type: ignore[assignment]  # its type is inferred from None
    writer.dump(content, stream)
    return stream.getvalue()
