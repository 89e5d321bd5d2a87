"""``usb-negsamp export``: every form gives the network's logits where this package cannot be imported."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from one_line import assert_one_line, contents

import usb_negsamp
from usb_negsamp.run.cli.main import main
from usb_negsamp.run.finished_runs import export as exporting

WriteConfig = Callable[..., str]
SHORT = {"num_train_iter": 6, "num_log_iter": 2, "num_eval_iter": 3, "img_size": 16, "validation_size": 60, "lr": 0.03}
OPEN = {"num_classes": 6, "seen_classes": 6, "mismatch_ratio": 0.5, "num_unlabeled": 300, "num_labels": 30}

ALONE = """
import sys

class Absent:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in ("usb_negsamp", "semilearn"):
            raise ImportError(f"{name} is kept away")

sys.meta_path.insert(0, Absent())
form, file, data = sys.argv[1:]
import json
import numpy as np
import torch

images, expected = (np.load(data)[name] for name in ("images", "logits"))
found = []
for number in (len(images), 1):
    part = torch.from_numpy(images[:number])
    with torch.no_grad():
        if form == "pt2":
            logits = torch.export.load(file).module()(part)
        elif form == "torchscript":
            logits = torch.jit.load(file)(part)
        elif form == "onnx":
            import onnxruntime
            session = onnxruntime.InferenceSession(file, providers=["CPUExecutionProvider"])
            logits = torch.from_numpy(session.run(["logits"], {"images": images[:number]})[0])
        else:
            from safetensors.torch import load_file
            about = json.load(open(file.replace(".safetensors", ".json")))
            mean, std = (torch.tensor(about["preprocessing"][name]).view(3, 1, 1) for name in ("mean", "std"))
            weights = {name.removeprefix("network."): tensor for name, tensor in load_file(file).items()}
            values = (part.float() / 255 - mean) / std
            for stage in (1, 2, 3):
                of = f"stage{stage}.conv."
                values = torch.nn.functional.conv2d(values, weights[of + "conv.weight"], padding=1)
                norm = [weights[of + "bn." + name] for name in ("running_mean", "running_var", "weight", "bias")]
                values = torch.nn.functional.batch_norm(values, *norm, training=False)
                values = torch.nn.functional.leaky_relu(values, 0.1)
                if stage < 3:
                    values = torch.nn.functional.max_pool2d(values, 2)
            features = values.mean(dim=(2, 3))
            logits = torch.nn.functional.linear(features, weights["classifier.weight"], weights["classifier.bias"])
    np.testing.assert_allclose(logits.numpy(), expected[:number], rtol=1e-4, atol=1e-5)
assert not {"usb_negsamp", "semilearn"} & set(sys.modules)
print("same")
"""


def images(number: int = 5) -> torch.Tensor:
    return torch.randint(0, 256, (number, 3, 16, 16), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))


def assert_same_alone(form: str, file: Path, logits: torch.Tensor, folder: Path) -> None:
    """A process that has neither this package nor the host gets the ``logits`` from the ``file``."""
    np.savez(folder / "data.npz", images=images().numpy(), logits=logits.numpy())
    (folder / "alone.py").write_text(ALONE)
    words = [sys.executable, "alone.py", form, str(file.resolve()), "data.npz"]
    done = subprocess.run(words, capture_output=True, text=True, cwd=folder, check=False)
    assert done.stdout == "same\n", done.stderr


def trained(write_config: WriteConfig, **keys: Any) -> usb_negsamp.Run:
    assert main(["train", "--c", write_config(**{**SHORT, **keys})]) == 0
    return usb_negsamp.Run("runs/one")


def test_each_form_gives_the_same_logits_without_this_package(
    write_config: WriteConfig, capsys: pytest.CaptureFixture[str], tmp_path_factory: pytest.TempPathFactory
) -> None:
    run = trained(write_config, algorithm="vat_ns3l")
    capsys.readouterr()
    assert main(["export", str(run.path)]) == 0
    default = ["best.safetensors", "best.pt2", "best.json"]
    assert capsys.readouterr().out.split() == [f"runs/one/export/{name}" for name in default]
    assert main(["export", str(run.path), "--format", "torchscript"]) == 0
    about = json.loads(Path("runs/one/export/best.json").read_text())
    assert about["files"] == {"safetensors": "best.safetensors", "pt2": "best.pt2", "torchscript": "best.ts"}
    assert (about["input"]["shape"], about["input"]["dtype"]) == (["N", 3, 16, 16], "uint8")
    assert about["classes"] == list(run.network().classes) == list("0123456789")
    assert (about["unseen_classes"], about["rejection"], about["output"]["shape"]) == ([], None, ["N", 10])
    logits = run.network()(images())
    folder = tmp_path_factory.mktemp("elsewhere")
    for form, name in about["files"].items():
        assert_same_alone(form, Path("runs/one/export", name), logits, folder)
    # A run in its place leaves nothing of the old network.
    assert main(["train", "--c", write_config(algorithm="supervised", **SHORT), "--overwrite"]) == 0
    assert not list(Path("runs/one/export").iterdir())


@pytest.mark.parametrize("package", ["onnx", "onnxscript", "onnxruntime"])
def test_onnx_gives_the_same_logits(
    package: str, write_config: WriteConfig, tmp_path_factory: pytest.TempPathFactory
) -> None:
    if find_spec(package) is None:
        pytest.skip(f"{package} is not installed: pip install '.[onnx]' onnxruntime")
    if package != "onnxruntime":
        return
    run = trained(write_config, algorithm="supervised")
    [file, _] = run.export("onnx")
    assert_same_alone("onnx", file, run.network()(images()), tmp_path_factory.mktemp("elsewhere"))


@pytest.mark.parametrize(
    ("keys", "which"),
    [
        ({"algorithm": "pseudolabel_dnll", "dnll_evaluate": "average"}, "last"),
        ({"algorithm": "vat", "preprocessing": "gcn_zca", "augmentation": "oliver"}, "best"),
        ({"algorithm": "openmatch", **OPEN}, "best"),
        ({"algorithm": "supervised", "net": "timm:resnet10t", "img_size": 16}, "best"),
    ],
    ids=["two-networks", "whitened", "heads", "timm"],
)
def test_networks_of_every_kind_are_programs_alone(
    keys: dict[str, Any], which: str, write_config: WriteConfig, tmp_path_factory: pytest.TempPathFactory
) -> None:
    run = trained(write_config, **keys)
    logits = run.network(which)(images())
    program, script, about = run.export("pt2", "torchscript", which=which)
    assert [path.name for path in (program, script, about)] == [f"{which}.pt2", f"{which}.ts", f"{which}.json"]
    folder = tmp_path_factory.mktemp("elsewhere")
    for form, file in (("pt2", program), ("torchscript", script)):
        assert_same_alone(form, file, logits, folder)
    if "seen_classes" in keys:
        known = json.loads(about.read_text())
        assert (known["rejection"], known["unseen_classes"]) == ({"score": "own"}, ["6", "7", "8", "9"])


def test_what_cannot_be_exported_is_one_line(
    write_config: WriteConfig, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    run = trained(write_config, algorithm="supervised")
    capsys.readouterr()
    monkeypatch.setattr(exporting, "find_spec", lambda name: None)
    for words, line in (
        ([], "export needs the folder of a run"),
        (["runs/two"], "runs/two holds no run"),
        (["runs/one", "--format", "pt"], "unknown --format 'pt'; did you mean 'pt2'?"),
        (["runs/one", "--model", "spl"], "expected model_spl.pth (--model spl)"),
        (
            ["runs/one", "--format", "pt2", "onnx"],
            "--format onnx: expected the packages of the extra onnx, but onnx is",
        ),
    ):
        assert_one_line(["export", *words], line, Path(), capsys)
    before = contents(run.path)
    with pytest.raises(usb_negsamp.ConfigError, match="unknown --format 'tflite'"):
        run.export("tflite")
    assert contents(run.path) == before
