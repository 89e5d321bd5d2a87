"""V11: autocast and loss scaling follow the selected device."""

import torch

from usb_negsamp.host import patching
from usb_negsamp.testing import build_tiny, train_tiny


def dtype_of_logits(algorithm):
    with algorithm.amp_cm():
        return algorithm.model(torch.zeros(2, 3, 16, 16))["logits"].dtype


def test_mixed_precision_works_on_the_cpu_where_the_hosts_does_nothing(tmp_path):
    assert dtype_of_logits(build_tiny("fixmatch", tmp_path, amp=True)) == torch.bfloat16
    with patching.undone("mixed_precision"):
        assert dtype_of_logits(build_tiny("fixmatch", tmp_path, amp=True)) == torch.float32


def test_a_mixed_precision_run_reaches_its_end(tmp_path):
    algorithm = train_tiny("vat_ns3l", tmp_path, amp=True)
    assert all(torch.isfinite(p).all() for p in algorithm.model.parameters())
