"""A run's network in forms that are used without this package, and what whoever uses them must know."""

from __future__ import annotations

import io
import json
import os
import tempfile
import warnings
from collections.abc import Callable, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

from usb_negsamp.atomic_write import write_atomically
from usb_negsamp.errors import ConfigError, unknown
from usb_negsamp.run.finished_runs.network import LoadedNetwork, load_network
from usb_negsamp.run.records.directory import EXPORT
from usb_negsamp.run.records.manifest import config_of
from usb_negsamp.run.records.versions import versions

if TYPE_CHECKING:
    from torch import Tensor

    from usb_negsamp.host.evaluation.plain_network import PlainNetwork

DEFAULT = ("safetensors", "pt2")
_OF_ONNX = ("onnx", "onnxscript")


def export(run: Path, formats: Sequence[str] = DEFAULT, which: str = "best", data_dir: str | None = None) -> list[Path]:
    """Write the network into ``run/export``, a file for each format and a JSON file about them; return their paths.

    What is exported takes images (N, 3, S, S) in uint8, N of any size, and returns logits (N, K); its preprocessing is
    inside.

    Args:
        run: the run's folder.
        formats: of :data:`FORMATS`.
        which: ``best`` on validation, ``last``, or what SPL has left, ``spl``; the files are called so.
        data_dir: the folder of the run's data, for a checkpoint that does not say how images are preprocessed.

    Raises:
        ConfigError: no such format or model, or the packages that a format needs are not installed.
    """
    chosen = list(dict.fromkeys(formats))
    for name in chosen:
        if name not in FORMATS:
            raise unknown("--format", name, FORMATS)
    absent = [package for package in _OF_ONNX if find_spec(package) is None] if "onnx" in chosen else []
    if absent:
        raise ConfigError(
            f"--format onnx: expected the packages of the extra onnx, but {absent[0]} is not installed; "
            "pip install 'usb-negsamp[onnx]'"
        )
    loaded = load_network(run, which, data_dir)
    folder = run / EXPORT
    contents = {folder / f"{which}.{SUFFIXES[name]}": FORMATS[name](loaded.network) for name in chosen}
    about = folder / f"{which}.json"
    folder.mkdir(exist_ok=True)
    for path, content in contents.items():
        write_atomically(path, content)
    # What was exported before of the same model stays beside it.
    there = [name for name, suffix in SUFFIXES.items() if (folder / f"{which}.{suffix}").is_file()]
    write_atomically(about, json.dumps(description(run, loaded, which, there), indent=2) + "\n")
    return [*contents, about]


def description(run: Path, loaded: LoadedNetwork, which: str, formats: Sequence[str]) -> dict[str, Any]:
    """What whoever uses the files must know, in what JSON can hold."""
    config, images = config_of(run), loaded.images
    entry = images.entry()
    statistics: dict[str, Any] = {name: entry[name] for name in ("mean", "std") if name in entry}
    if "whitening" in entry:
        statistics = {"tensors": ["preprocessing.mean", "preprocessing.whitening"], "in": f"{which}.safetensors"}
    return {
        "model": which,
        "checkpoint": loaded.file.name,
        "files": {name: f"{which}.{SUFFIXES[name]}" for name in formats},
        "input": {
            "name": "images",
            "shape": ["N", 3, images.img_size, images.img_size],
            "dtype": "uint8",
            "mode": entry["mode"],
            "resizing": entry["resizing"],
        },
        "preprocessing": {"name": entry["preprocessing"], "is_inside": True, **statistics},
        "output": {"name": "logits", "shape": ["N", len(images.classes)]},
        "classes": entry["classes"],
        "unseen_classes": entry["unseen_classes"],
        "rejection": loaded.judge.described() if loaded.open_set else None,
        **{name: config.get(name) for name in ("algorithm", "dataset", "net")},
        "versions": {name: versions().get(name) for name in ("usb-negsamp", "torch")},
    }


def _example(network: PlainNetwork) -> Tensor:
    """Two images: a single one would fix the number."""
    import torch

    side = network.img_size
    return torch.zeros(2, 3, side, side, dtype=torch.uint8)


def _safetensors(network: PlainNetwork) -> bytes:
    from safetensors.torch import save

    tensors = {name: tensor.detach().clone().contiguous() for name, tensor in network.state_dict().items()}
    content: bytes = save(tensors, {"format": "pt"})
    return content


def _program(network: PlainNetwork) -> bytes:
    import torch

    dynamic = {"images": {0: torch.export.Dim("batch", min=1)}}
    program = torch.export.export(network, (_example(network),), dynamic_shapes=dynamic, strict=False)
    file = io.BytesIO()
    torch.export.save(program, file)
    return file.getvalue()


def _torchscript(network: PlainNetwork) -> bytes:
    import torch

    file = io.BytesIO()
    with warnings.catch_warnings():
        # PyTorch advises torch.export, which is the default here.
        warnings.simplefilter("ignore")
        with torch.no_grad():
            traced = torch.jit.trace(network, (_example(network),), strict=False)  # type: ignore[no-untyped-call]
        torch.jit.save(traced, file)
    return file.getvalue()


def _onnx(network: PlainNetwork) -> bytes:
    import torch

    dynamic = {"images": {0: torch.export.Dim("batch", min=1)}}
    with warnings.catch_warnings(), tempfile.TemporaryDirectory() as folder:
        warnings.simplefilter("ignore")
        path = os.path.join(folder, "network.onnx")
        program: Any = torch.onnx.export(
            network,
            (_example(network),),
            dynamo=True,
            dynamic_shapes=dynamic,
            input_names=["images"],
            output_names=["logits"],
            verbose=False,
        )
        program.save(path)
        return Path(path).read_bytes()


FORMATS: dict[str, Callable[[Any], bytes]] = {
    "safetensors": _safetensors,
    "pt2": _program,
    "torchscript": _torchscript,
    "onnx": _onnx,
}
"""What makes each form of a network: its weights alone, a program of torch.export, TorchScript, ONNX."""
SUFFIXES = {"safetensors": "safetensors", "pt2": "pt2", "torchscript": "ts", "onnx": "onnx"}
