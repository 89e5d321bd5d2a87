"""What is no device of ours is refused in one line, before anything is built: see ``test_bad_input``."""

from __future__ import annotations

import pytest
from one_line import assert_one_line

from usb_negsamp.run.cli.main import main


@pytest.mark.parametrize("name", ["mps", "xpu", "tpu", "hpu", "cuda:1", "metal"])
def test_another_device_than_cpu_and_cuda_is_refused_with_its_name(name, write_config, work_dir, capsys):
    argv = ["train", "--c", write_config(), "--device", name]
    assert_one_line(argv, f"got {name!r}", work_dir, capsys)


def test_the_line_names_the_devices_that_there_are(write_config, capsys):
    assert main(["train", "--c", write_config(device="mps")]) == 2
    line = capsys.readouterr().err.splitlines()[-1]
    assert line.startswith("usb-negsamp: error: device")
    assert all(name in line for name in ("auto", "cpu", "cuda"))
