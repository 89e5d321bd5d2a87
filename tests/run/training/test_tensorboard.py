"""What TensorBoard holds beside the numbers: configuration, views, confusion matrices, settings with results."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from usb_negsamp.run.cli.main import main
from usb_negsamp.run.figures.confusion import confusion_figure

WriteConfig = Callable[..., str]
SHORT: dict[str, Any] = {
    "num_train_iter": 4,
    "num_eval_iter": 2,
    "num_log_iter": 1,
    "epoch": 1,
    "img_size": 16,
    "num_workers": 0,
    "validation_size": 60,
    "curve": False,
}


def events_of(folder: Path) -> Any:
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    events = EventAccumulator(str(folder / "tensorboard"))
    events.Reload()
    return events


def test_a_run_shows_what_it_is_and_what_comes_of_it(write_config: WriteConfig, work_dir: Path) -> None:
    assert main(["train", "--c", write_config(**SHORT, use_tensorboard=True, algorithm="fixmatch_ns3l")]) == 0
    events = events_of(work_dir / "runs" / "one")
    tags = events.Tags()
    assert {"views/x_lb", "views/x_ulb_w", "views/x_ulb_s"} <= set(tags["images"])
    assert [event.step for event in events.Images("eval/confusion_matrix")] == [1, 3]
    assert len(events.Images("test/confusion_matrix")) == 1
    assert {"eval/best_acc", "test/best_acc", "test/last_acc"} <= set(tags["scalars"])
    text = events.Tensors("configuration/text_summary")[0].tensor_proto.string_val[0].decode()
    assert "| `algorithm` | fixmatch_ns3l |" in text
    assert "_hparams_/session_start_info" in events.summary_metadata


def test_a_run_with_tensorboard_ends_with_the_bits_of_one_without(write_config: WriteConfig, work_dir: Path) -> None:
    found = []
    for name, shown in (("with", "true"), ("without", "false")):
        words = ["--save_name", name, "--use_tensorboard", shown]
        assert main(["train", "--c", write_config(**SHORT), *words]) == 0
        found.append(torch.load(work_dir / "runs" / name / "latest_model.pth", weights_only=True))
    for part in ("model", "ema_model"):
        assert all(torch.equal(found[0][part][name], value) for name, value in found[1][part].items())
    assert not (work_dir / "runs" / "without" / "tensorboard").exists()


@pytest.mark.parametrize("number", [2, 30])
def test_a_confusion_matrix_is_named_where_there_is_room(number: int) -> None:
    names = [f"class {label}" for label in range(number)]
    (axes,) = confusion_figure(np.eye(number), names).axes
    assert (axes.get_xlabel(), axes.get_ylabel()) == ("taken for", "true class")
    shown = [label.get_text() for label in axes.get_yticklabels()]
    assert (shown == names) == (number == 2)
    assert len(axes.texts) == (2 if number == 2 else 0)
