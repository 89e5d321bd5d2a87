"""V6, V7: timing without a GPU, and without stopping one."""

import pytest
import torch

from usb_negsamp.host import device, patching
from usb_negsamp.testing import build_tiny


def test_a_step_is_timed_at_logged_iterations(tmp_path):
    algorithm = build_tiny("fixmatch", tmp_path)
    algorithm.train()
    assert algorithm.log_dict["train/run_time"] > 0
    assert algorithm.log_dict["train/prefetch_time"] >= 0
    assert algorithm.log_dict["lr"] > 0


@pytest.mark.skipif(torch.cuda.is_available(), reason="shows what happens where there is no GPU")
def test_the_hosts_events_need_a_gpu(tmp_path):
    algorithm = build_tiny("fixmatch", tmp_path)
    with patching.undone("step_timer"):
        from semilearn.core.hooks import TimerHook

        hook = TimerHook()
    for owner, name, original in device._ORIGINALS:
        setattr(owner, name, original)
    try:
        # The events are made without complaint, or not, by the build of PyTorch; recording one always fails.
        with pytest.raises(Exception, match=r"NVIDIA|CUDA|cuda|Torch not compiled"):
            hook.before_run(algorithm)
    finally:
        device.select("cpu")


def test_the_update_does_not_synchronize_the_device(tmp_path, monkeypatch):
    mended = build_tiny("fixmatch", tmp_path)
    with patching.undone("step_timer"):
        host = build_tiny("fixmatch", tmp_path / "host")
    calls = []
    monkeypatch.setattr(torch.cuda, "synchronize", lambda *a: calls.append(a))
    mended.train()
    assert calls == []
    host.train()
    assert len(calls) == 2 * 10
