"""The key ``accelerate``."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from usb_negsamp.run.cli.main import main
from usb_negsamp.run.configuration.presets import fastest
from usb_negsamp.run.configuration.resolution import Resolved, Sources, resolve

WriteConfig = Callable[..., str]
SET = ("channels_last", "amp", "amp_dtype")


def asked(**keys: Any) -> Resolved:
    return resolve(Sources(None, {"algorithm": "fixmatch", "accelerate": "fastest", "device": "cpu", **keys}, {}))


def values_of(resolved: Resolved) -> list[Any]:
    """What ``SET`` are, in the arguments and in what the manifest records alike."""
    found = [getattr(resolved.args, key) for key in SET]
    assert found == [resolved.mapping[key] for key in SET]
    return found


@pytest.fixture
def bfloat16(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: {"avx512_bf16": True}, raising=False)


@pytest.mark.usefixtures("bfloat16")
def test_it_sets_what_is_fastest_on_a_cpu_and_says_so_in_one_line() -> None:
    run = asked()
    assert values_of(run) == [True, True, "bfloat16"]
    assert run.notes == ["accelerate fastest on cpu sets channels_last true, amp true, amp_dtype bfloat16"]


@pytest.mark.usefixtures("bfloat16")
@pytest.mark.parametrize(
    ("keys", "expected"),
    [
        ({"channels_last": False}, [False, True, "bfloat16"]),
        ({"amp": False}, [True, False, None]),
        ({"amp_dtype": "float16"}, [True, True, "float16"]),
        ({"channels_last": True, "amp": True, "amp_dtype": "bfloat16"}, [True, True, "bfloat16"]),
        ({"accelerate": "none"}, [False, False, None]),
    ],
)
def test_a_key_that_is_given_keeps_its_value(keys: dict[str, Any], expected: list[Any]) -> None:
    run = asked(**keys)
    assert values_of(run) == expected
    assert all(f"{key} " not in note for note in run.notes for key in keys)


def test_a_processor_without_bfloat16_stays_in_float32(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: {"avx512_bf16": False}, raising=False)
    assert values_of(asked()) == [True, False, None]
    assert values_of(asked(amp=True)) == [True, True, "bfloat16"]
    monkeypatch.delattr(torch.cpu, "get_capabilities")
    assert values_of(asked()) == [True, False, None]


@pytest.mark.parametrize(("capability", "in_half"), [((7, 5), False), ((9, 0), True)])
def test_a_gpu_is_asked_what_it_can(
    capability: tuple[int, int], in_half: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda: capability)
    assert [fastest.device_of(name) for name in ("auto", "cuda", "cpu")] == ["cuda", "cuda", "cpu"]
    run = asked(device="auto")
    assert values_of(run) == [True, in_half, "bfloat16" if in_half else None]
    assert run.notes[0].startswith("accelerate fastest on cuda sets channels_last true")


@pytest.mark.usefixtures("bfloat16")
def test_the_run_says_and_records_it_and_goes_on_with_it(
    write_config: WriteConfig, capsys: pytest.CaptureFixture[str]
) -> None:
    keys = {"num_train_iter": 2, "num_eval_iter": 2, "epoch": 1, "curve": False, "img_size": 16}
    assert main(["train", "--c", write_config(accelerate="fastest", **keys)]) == 0
    lines = [line for line in capsys.readouterr().err.splitlines() if "accelerate" in line]
    assert lines == ["usb-negsamp: accelerate fastest on cpu sets channels_last true, amp true, amp_dtype bfloat16"]
    config = json.loads(Path("runs/one/manifest.json").read_text())["config"]
    assert [config[key] for key in ("accelerate", *SET)] == ["fastest", True, True, "bfloat16"]
    assert main(["train", "--resume", "runs/one", "--num_train_iter", "4"]) == 0
    config = json.loads(Path("runs/one/manifest.json").read_text())["config"]
    assert [config[key] for key in ("accelerate", *SET)] == ["fastest", True, True, "bfloat16"]
