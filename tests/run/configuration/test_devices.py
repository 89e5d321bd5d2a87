"""What is no device of ours is refused in one line, before anything is built: see ``test_bad_input``."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from one_line import assert_one_line

from usb_negsamp.errors import ConfigError
from usb_negsamp.run.cli.main import main
from usb_negsamp.run.configuration.checks import check
from usb_negsamp.run.configuration.processes import from_environment
from usb_negsamp.run.configuration.resolution import read_sources, resolve


@pytest.mark.parametrize("name", ["mps", "xpu", "tpu", "hpu", "cuda:1", "metal"])
def test_another_device_than_cpu_and_cuda_is_refused_with_its_name(name, write_config, work_dir, capsys):
    argv = ["train", "--c", write_config(), "--device", name]
    assert_one_line(argv, f"got {name!r}", work_dir, capsys)


def test_the_line_names_the_devices_that_there_are(write_config, capsys):
    assert main(["train", "--c", write_config(device="mps")]) == 2
    line = capsys.readouterr().err.splitlines()[-1]
    assert line.startswith("usb-negsamp: error: device")
    assert all(name in line for name in ("auto", "cpu", "cuda"))


@pytest.mark.parametrize("rank", ["0", "1"])
def test_more_processes_than_gpus_are_refused_by_each_before_it_waits_for_another(
    rank: str, write_config: Callable[..., str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("torch.cuda.is_available", lambda: True)
    monkeypatch.setattr("torch.cuda.device_count", lambda: 1)
    environment = {"RANK": rank, "LOCAL_RANK": rank, "WORLD_SIZE": "2", "LOCAL_WORLD_SIZE": "2"}
    for device in ("cuda", "auto"):
        resolved = resolve(read_sources(["--c", write_config(device=device)]))
        with pytest.raises(
            ConfigError,
            match="LOCAL_WORLD_SIZE: expected no more processes on a machine than it has GPUs, 1, but got 2",
        ):
            check(resolved.args, from_environment(environment), resolved.given)
