"""Few steps for the batch statistics of SPL's rounds: the tests ask which and when, not how closely."""

import pytest

from usb_negsamp.host.wrapping import running_statistics


@pytest.fixture(autouse=True)
def few_steps_for_batch_statistics(monkeypatch):
    monkeypatch.setattr(running_statistics, "NUM_STEPS", 6)
