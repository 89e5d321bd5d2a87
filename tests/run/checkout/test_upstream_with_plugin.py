"""The host with the series applied, and this package beside it as a plugin."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import pytest
from host_series import needs_checkout, run, succeeded
from yaml_text import SMALL_RUN, yaml_text

pytestmark = needs_checkout

LOOK = """
import json
from semilearn import core
from semilearn.algorithms import name2alg
modules = {name: name2alg[name].__module__ for name in ("fixmatch_ns3l", "vat_ns3l", "vat_spl", "remixmatch_ns3l")}
from usb_negsamp.host import patching
print(json.dumps({"modules": modules, "datasets": core.utils.DATASETS, "aside": patching.stepped_aside()}))
"""
STEPS = {"num_train_iter": 3, "num_eval_iter": 3, "num_log_iter": 1}


@pytest.fixture(params=["semilearn", "usb_negsamp.algorithms.ns3l", "usb_negsamp.nets"], scope="module")
def seen(host: Path, request: pytest.FixtureRequest) -> dict[str, Any]:
    """What a process sees that imports one module first."""
    done = run(sys.executable, "-W", "ignore", "-c", f"import {request.param}\n{LOOK}", cwd=host)
    found: dict[str, Any] = json.loads(succeeded(done).splitlines()[-1])
    return found


def test_whatever_is_imported_first_our_algorithms_are_registered_beside_the_hosts_own(seen: dict[str, Any]) -> None:
    assert {name: module.partition(".")[0] for name, module in seen["modules"].items()} == {
        "fixmatch_ns3l": "semilearn",
        "vat_ns3l": "semilearn",
        "vat_spl": "usb_negsamp",
        "remixmatch_ns3l": "usb_negsamp",
    }


def test_our_data_sets_are_among_those_that_the_host_knows(seen: dict[str, Any]) -> None:
    assert {"digits", "image_folder", "cifar10"} <= set(seen["datasets"])
    assert len(set(seen["datasets"])) == len(seen["datasets"])


def test_only_names_that_the_host_has_by_itself_are_left_to_it(seen: dict[str, Any]) -> None:
    assert list(seen["aside"]) == ["register()"]
    assert "fixmatch_ns3l" in seen["aside"]["register()"]


def test_the_cpu_is_taken_where_it_is_selected_though_there_is_a_gpu(host: Path) -> None:
    look = (
        "import semilearn, torch\nfrom semilearn.core.utils import get_device\nfrom usb_negsamp.host import device\n"
        "torch.cuda.is_available = lambda: True\n"
        "print([str(get_device()) for name in ('cuda', 'cpu') if device.select(name)])"
    )
    done = run(sys.executable, "-W", "ignore", "-c", look, cwd=host)
    assert succeeded(done).splitlines()[-1] == "['cuda', 'cpu']"


@pytest.mark.parametrize("algorithm", ["fixmatch_ns3l", "vat_ns3l", "vat_ns3l_dnll", "fixmatch_dnll"])
def test_the_hosts_script_trains_on_our_data_from_a_file(host: Path, tmp_path: Path, algorithm: str) -> None:
    config = tmp_path / "run.yaml"
    run_keys = {"algorithm": algorithm, "epoch": 1, "num_workers": 0, "data_dir": str(tmp_path), "img_size": 16}
    config.write_text(yaml_text({**SMALL_RUN, **STEPS, **run_keys, "save_dir": str(tmp_path)}))
    done = run(sys.executable, "-W", "ignore", "train.py", "--c", config, cwd=host)
    succeeded(done)
    assert "usb-negsamp: register() steps aside for the host's own: it has ns3l" in done.stderr
    assert "3 iteration, USE_EMA" in done.stderr
    assert ("train/ns3l" in done.stderr) is ("ns3l" in algorithm)
    assert (tmp_path / "one/latest_model.pth").is_file()


@pytest.mark.parametrize("algorithm", ["fixmatch_ns3l", "vat_ns3l_dnll"])
def test_our_command_trains_in_that_host(host: Path, tmp_path: Path, algorithm: str) -> None:
    (tmp_path / "run.yaml").write_text(yaml_text({**SMALL_RUN, **STEPS, "algorithm": algorithm}))
    command = (sys.executable, "-W", "ignore", "-m", "usb_negsamp", "train", "--c", "run.yaml")
    done = run(*command, cwd=tmp_path, PYTHONPATH=str(host))
    succeeded(done)
    assert "Traceback" not in done.stderr
    manifest = json.loads((tmp_path / "runs/one/manifest.json").read_text())
    assert manifest["config"]["algorithm"] == algorithm
    lines = [json.loads(line) for line in (tmp_path / "runs/one/metrics.jsonl").read_text().splitlines()]
    assert any("train/ns3l_loss" in line for line in lines)
