"""V6, V7, V9: what the host's CUDA calls do while the CPU is selected."""

import pytest
import torch

from usb_negsamp import ConfigError
from usb_negsamp.host import device


def test_tensors_and_modules_stay_on_the_cpu():
    device.select("cpu")
    tensor, module = torch.ones(2), torch.nn.Linear(1, 1)
    assert tensor.cuda(0) is tensor
    assert module.cuda() is module
    torch.cuda.synchronize()
    torch.cuda.set_device(None)


def test_events_read_the_clock_in_milliseconds():
    device.select("cpu")
    start, end = torch.cuda.Event(enable_timing=True), torch.cuda.Event(enable_timing=True)
    start.record()
    end.record()
    assert 0 <= start.elapsed_time(end) < 1000


def test_an_unknown_device_names_the_known_ones():
    with pytest.raises(ConfigError, match="unknown device 'fpga'; expected one of: auto, cpu, cuda"):
        device.select("fpga")


@pytest.mark.skipif(torch.cuda.is_available(), reason="needs a machine without a GPU")
def test_cuda_without_a_gpu_is_one_clear_error():
    with pytest.raises(ConfigError, match="expected a CUDA GPU"):
        device.select("cuda")


@pytest.mark.gpu
def test_selecting_a_gpu_gives_cuda_back():
    device.select("cpu")
    device.select("cuda")
    try:
        assert torch.ones(1).cuda().is_cuda
    finally:
        device.select("cpu")
