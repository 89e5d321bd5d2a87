"""A clone of the host with the series applied; a checkout of it that our command patched, and its scripts."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pytest
from host_series import FOLDER, PATCHES, run, succeeded
from real_checkout import tree

from usb_negsamp.run.checkout import patch
from usb_negsamp.run.cli.main import main


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


@pytest.fixture(scope="module")
def real(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A patched copy of the checkout; at the end of the tests it is reverted, and no trace of them is left."""
    source, copy = Path(os.environ["USB_CHECKOUT"]), tmp_path_factory.mktemp("real") / "checkout"
    copy.mkdir()
    for name in ("train.py", "eval.py"):
        shutil.copy2(source / name, copy)
    for name in ("semilearn", "config"):
        shutil.copytree(source / name, copy / name, ignore=shutil.ignore_patterns("__pycache__"))
    patch.plan_revert(copy).carry_out()
    pristine = tree(copy)
    assert main(["patch", str(copy)]) == 0
    patched = tree(copy)
    assert main(["patch", str(copy), "--revert"]) == 0
    assert tree(copy) == pristine
    assert main(["patch", str(copy)]) == 0
    assert tree(copy) == patched
    yield copy
    assert main(["patch", str(copy), "--revert"]) == 0
    assert tree(copy) == pristine


@pytest.fixture
def train(real: Path, tmp_path: Path) -> Callable[..., subprocess.CompletedProcess[str]]:
    """Run ``python train.py`` (or another script) in the checkout, on the CPU, with a small run of ours.

    ``launcher`` are words between ``python`` and the script.
    """

    def start(
        *words: str, script: str = "train.py", launcher: Sequence[str] = (), **environment: str
    ) -> subprocess.CompletedProcess[str]:
        if script == "train.py":
            lengths = ["--num_train_iter", "10", "--num_eval_iter", "5", "--num_log_iter", "5", "--batch_size", "50"]
            words = (
                "--c",
                "config/vat_ns3l_digits.yaml",
                *lengths,
                "--save_dir",
                str(tmp_path),
                "--save_name",
                "run",
                *words,
            )
        variables = {**os.environ, "CUDA_VISIBLE_DEVICES": "", "OMP_NUM_THREADS": "1", **environment}
        command = [sys.executable, "-W", "ignore", *launcher, script, *words]
        return subprocess.run(command, cwd=real, env=variables, capture_output=True, text=True)

    return start
