"""A clone of the host with the series applied."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from host_series import FOLDER, PATCHES, run, succeeded


@pytest.fixture(scope="session")
def host(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A clone of the host with the series applied."""
    folder = tmp_path_factory.mktemp("upstream") / "host"
    checkout = Path(os.environ["USB_CHECKOUT"]).resolve()
    if not (checkout / ".git").exists():
        pytest.skip("USB_CHECKOUT is no git repository")
    commit = (FOLDER / "base").read_text().strip()
    if run("git", "cat-file", "-e", commit, cwd=checkout).returncode:
        pytest.skip(f"USB_CHECKOUT has no commit {commit[:7]}, which the series is made for")
    succeeded(run("git", "clone", "--quiet", "--shared", "--no-checkout", checkout, folder, cwd=checkout))
    succeeded(run("git", "checkout", "--quiet", "--detach", commit, cwd=folder))
    identity = ("-c", "user.name=test", "-c", "user.email=test@localhost")
    succeeded(run("git", *identity, "am", "--quiet", "--keep-non-patch", *PATCHES, cwd=folder))
    return folder
