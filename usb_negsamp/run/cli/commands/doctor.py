"""The command ``usb-negsamp doctor``: what is installed, what loads, whether training can work, and own pictures."""

from __future__ import annotations

import argparse
import contextlib
import importlib
import io
import platform
from pathlib import Path

from usb_negsamp import __version__
from usb_negsamp.errors import ConfigError
from usb_negsamp.run.cli.parser import Command, Parser
from usb_negsamp.run.records.versions import distribution_version, host_location, host_version

NEEDED = {"torch": "torch", "torchvision": "torchvision", "timm": "timm", "numpy": "numpy", "scikit-learn": "sklearn"}
NEEDED.update({"matplotlib": "matplotlib", "ruamel.yaml": "ruamel.yaml", "tqdm": "tqdm", "tensorboard": "tensorboard"})
OPTIONAL = {"torchaudio": "torchaudio", "aim": "aim", "wandb": "wandb"}

ABOUT = """\
Prints what is installed and what loads; exit code 1 if nothing can train. With --data_dir, prints instead what your own
pictures are: classes and how many of each, sizes, modes, and every file that cannot be decoded; exit code 1 if they
cannot be trained on as they are."""


def doctor() -> int:
    """Print the report; return 0 if training can work here, else 1."""
    problems: list[str] = []
    _show("usb-negsamp", __version__)
    _show("python", platform.python_version())
    # Before the host is imported, for it then has stand-ins for what does not load.
    for distribution, module in NEEDED.items():
        if not _report(distribution, module):
            problems.append(f"{distribution} does not load")
    for distribution, module in OPTIONAL.items():
        _report(distribution, module, ", which vision work does not need")
    problems += _host()
    _device()
    print()
    print(f"training cannot work here: {'; '.join(problems)}" if problems else "all is well: training can work here")
    return 1 if problems else 0


def _show(name: str, text: str) -> None:
    print(f"{name:<14} {text}")


def _report(distribution: str, module: str, remark: str = "") -> bool:
    """Print one package's version and whether it loads."""
    version = distribution_version(distribution)
    problem = _loads(module)
    if problem is None:
        _show(distribution, f"{version or 'unknown version'}, loads")
        return True
    _show(distribution, f"{'not installed' if version is None else version + ', does not load: ' + problem}{remark}")
    return False


def _loads(module: str) -> str | None:
    """Return None if ``module`` can be imported, else why not, in one line. What it prints is dropped."""
    with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
        try:
            importlib.import_module(module)
        except Exception as error:  # a broken package may raise anything
            return " ".join(f"{type(error).__name__}: {error}".split())[:120]
    return None


def _host() -> list[str]:
    try:
        _show("semilearn", f"{host_version() or 'no version (a checkout)'}, {host_location()}")
        import usb_negsamp

        names = usb_negsamp.register()
        from usb_negsamp.host import patching
    except Exception as error:  # whatever keeps the host from loading is the finding
        return [f"semilearn does not load ({' '.join(f'{type(error).__name__}: {error}'.split())[:200]})"]
    _show("algorithms", f"{len(names)} of ours registered")
    _show("repairs", ", ".join(patching.applied()) or "none")
    for name, reason in patching.stepped_aside().items():
        _show("stepped aside", f"{name}: {reason}")
    return [] if names else ["none of our algorithms is registered: see above what this host lacks"]


def _device() -> None:
    try:
        import torch
    except Exception:  # already reported with the packages
        return
    if torch.cuda.is_available():
        names = [torch.cuda.get_device_name(index) for index in range(torch.cuda.device_count())]
        _show("device", f"cuda: {', '.join(names)}")
    else:
        _show("device", f"cpu, {torch.get_num_threads()} threads (no GPU found)")


def _declare(parser: Parser) -> None:
    parser.add_argument(
        "--data_dir",
        type=Path,
        metavar="DIR",
        help="look at your own pictures in DIR instead: train/CLASS/*, unlabeled/, val/CLASS/*, test/CLASS/*",
    )
    parser.add_argument(
        "--labels_csv", type=Path, metavar="FILE", help="with --data_dir: the labels, in the columns file,label"
    )


def _run(options: argparse.Namespace) -> int:
    if options.data_dir is None:
        if options.labels_csv is not None:
            raise ConfigError("--labels_csv FILE is read with --data_dir DIR alone")
        return doctor()
    from usb_negsamp.run.cli.folder_survey import show_folder

    return show_folder(options.data_dir, options.labels_csv)


DOCTOR = Command(
    name="doctor",
    summary="what is installed, what loads, and whether training can work here, or on your own pictures",
    usage="[--data_dir DIR [--labels_csv FILE]]",
    about=ABOUT,
    declare=_declare,
    run=_run,
)
