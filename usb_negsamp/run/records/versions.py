"""What a run's numbers depend on beside its configuration: versions, our commit, the host's sources, the device."""

from __future__ import annotations

import hashlib
import importlib.metadata
import importlib.util
import platform
import subprocess
from pathlib import Path
from typing import Any

import usb_negsamp

DISTRIBUTIONS = ("torch", "torchvision", "semilearn", "timm", "numpy", "scikit-learn")


def distribution_version(name: str) -> str | None:
    """Return the installed version of a distribution without importing it, or None."""
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return None


def versions() -> dict[str, str | None]:
    """Versions of Python, of what a run computes with, and of this package."""
    found: dict[str, str | None] = {"python": platform.python_version()}
    found.update({name: distribution_version(name) for name in DISTRIBUTIONS})
    found["semilearn"] = host_version()
    # The distribution's number may carry no build tag; torch.__version__ says which CUDA it was built for.
    import torch

    found["torch"] = torch.__version__
    found["usb-negsamp"] = usb_negsamp.__version__
    return found


def own_commit() -> dict[str, Any]:
    """Return ``{"commit": hash, "dirty": bool}`` if this package is a checkout of ours, else both None."""
    folder = Path(usb_negsamp.__file__).parent
    # A copy inside somebody else's checkout (a virtual environment, say) is not tracked there.
    if _git(folder, "ls-files", "--error-unmatch", "__init__.py") is None:
        return {"commit": None, "dirty": None}
    status = _git(folder, "status", "--porcelain")
    return {"commit": _git(folder, "rev-parse", "HEAD"), "dirty": None if status is None else bool(status)}


def host_location() -> Path:
    """Return the folder of the host package, without importing it."""
    spec = importlib.util.find_spec("semilearn")
    if spec is None or not spec.submodule_search_locations:
        raise ModuleNotFoundError("semilearn is not installed")
    return Path(next(iter(spec.submodule_search_locations)))


def host_version() -> str | None:
    """Return the host's version; None for a checkout on the path that hides the installed one, whose version it is."""
    try:
        installed = Path(str(importlib.metadata.distribution("semilearn").locate_file("semilearn")))
    except importlib.metadata.PackageNotFoundError:
        return None
    if installed.is_dir() and installed.resolve() != host_location().resolve():
        return None
    return distribution_version("semilearn")


def host_identity() -> dict[str, str | None]:
    """Return the host's version, and the SHA-256 over its Python sources, which tells one checkout from another."""
    folder = host_location()
    digest = hashlib.sha256()
    for path in sorted(folder.rglob("*.py")):
        digest.update(path.relative_to(folder).as_posix().encode())
        digest.update(path.read_bytes())
    return {"version": host_version(), "sources_sha256": digest.hexdigest()}


def device_name(device: Any) -> str:
    """Return the GPU's name, or the CPU's architecture and number of threads."""
    import torch

    if device.type == "cuda":
        return torch.cuda.get_device_name(device)
    return f"cpu ({platform.machine()}, {torch.get_num_threads()} threads)"


def _git(folder: Path, *arguments: str) -> str | None:
    # Without its optional locks, `git status` writes no index, on which another git at work there may hold a lock.
    command = ["git", "--no-optional-locks", "-C", str(folder), *arguments]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=20, check=True)
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout.strip()
