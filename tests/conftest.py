"""One thread a test process: the suite runs two processes side by side, and bit-for-bit tests need a fixed order."""

import os

for name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
    os.environ[name] = "1"

import torch  # noqa: E402 (reads the variables when it is imported)

torch.set_num_threads(1)

import pytest  # noqa: E402

# They hold no doctests, and as modules to collect their common name would be taken.
collect_ignore_glob = ["conftest.py", "*/conftest.py"]


@pytest.fixture(autouse=True)
def seeded_generators():
    """The same random numbers for a test whatever ran before it."""
    torch.manual_seed(0)
