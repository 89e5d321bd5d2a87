"""Algorithms, data sets and networks of the user's own, by the key ``plugin`` and by installed entry points."""

from __future__ import annotations

import json
from collections.abc import Callable
from importlib.metadata import EntryPoint
from pathlib import Path
from typing import Any

import pytest
from forked import command
from one_line import assert_one_line

from usb_negsamp.errors import ConfigError
from usb_negsamp.run.configuration import plugins

OWN = """
import numpy as np
from semilearn.algorithms.fixmatch import FixMatch

from usb_negsamp.data import SOURCES, ImageArrays, ImageSource
from usb_negsamp.host import ALGORITHMS
from usb_negsamp.nets import NETS, small_cnn


class MyMatch(FixMatch):
    pass


def images(data_dir, img_size):
    generator = np.random.default_rng(0)
    parts = [
        ImageArrays(generator.integers(0, 256, (n, img_size, img_size, 3), dtype=np.uint8), np.arange(n) % 3)
        for n in (60, 30)
    ]
    return ImageSource(
        name="mine", train=parts[0], test=parts[1], classes=("a", "b", "c"), mean=(0.5,) * 3, std=(0.25,) * 3,
        horizontal_flip=False, unlabeled=None, validation=None,
    )


def register():
    ALGORITHMS["mymatch"] = MyMatch
    SOURCES["mine"] = images
    NETS["my_net"] = small_cnn
"""
KEYS = {
    "algorithm": "mymatch_ns3l",
    "dataset": "mine",
    "net": "my_net",
    "num_classes": 3,
    "num_labels": 6,
    "img_size": 16,
    "num_eval_iter": 4,
    "num_train_iter": 4,
}
WriteConfig = Callable[..., str]


def test_a_plugin_brings_an_algorithm_a_data_set_and_a_network_also_to_resume_and_sweep(
    write_config: WriteConfig, work_dir: Path
) -> None:
    (work_dir / "own_plugin.py").write_text(OWN)
    file = write_config(plugin="own_plugin:register", **KEYS)
    trained = command("train", "--c", file, folder=work_dir)
    assert trained.returncode == 0, trained.stderr
    manifest = json.loads((work_dir / "runs" / "one" / "manifest.json").read_text())
    assert manifest["config"]["plugin"] == ["own_plugin:register"]
    longer = command("train", "--c", file, "--resume", "--num_train_iter", "6", folder=work_dir)
    assert longer.returncode == 0, longer.stderr
    evaluated = command("eval", "runs/one", folder=work_dir)
    assert evaluated.returncode == 0, evaluated.stderr
    swept = command("sweep", "--c", file, "--grid", "ns3l_weight=0,1", "--save_name", "grid", folder=work_dir)
    assert swept.returncode == 0, swept.stderr
    assert "2 finished" in swept.stdout


def test_a_file_is_a_plugin_as_well(work_dir: Path) -> None:
    (work_dir / "own.py").write_text("import os\n\ndef register():\n    os.mkdir('called')\n")
    plugins.call_named("own.py:register", "plugin")
    assert (work_dir / "called").is_dir()


@pytest.mark.parametrize(
    ("text", "line"),
    [
        (
            "absent_module:register",
            "plugin: expected a module to import, or a file, but 'absent_module:register' gives",
        ),
        ("absent.py:register", "plugin: expected a module to import, or a file, but 'absent.py:register' gives"),
        ("json:registr", "plugin: expected a function 'registr' in json, but there is none"),
        ("failing_plugin:register", "the plugin 'failing_plugin:register' failed: KeyError: 'no such thing'"),
    ],
)
def test_a_plugin_that_cannot_be_called_is_one_line(
    write_config: WriteConfig, work_dir: Path, capsys: pytest.CaptureFixture[str], text: str, line: str
) -> None:
    (work_dir / "failing_plugin.py").write_text("def register():\n    raise KeyError('no such thing')\n")
    assert_one_line(["train", "--c", write_config(), "--plugin", text], line, work_dir, capsys)


@pytest.fixture
def installed(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Two installed plugins, and the names of those that were called."""
    called: list[str] = []

    class Plugin(EntryPoint):
        def load(self) -> Callable[[], Any]:
            return lambda: called.append(self.name)

    found = [Plugin(name, "package:function", plugins.GROUP) for name in ("first", "second", plugins.OURS)]
    monkeypatch.setattr(plugins, "found_on", lambda path: found)
    monkeypatch.setattr(plugins, "_called", set())
    monkeypatch.delenv(plugins.CHOSEN, raising=False)
    return called


def test_installed_plugins_are_called_once(installed: list[str]) -> None:
    plugins.load_plugins([])
    plugins.load_plugins([])
    assert installed == ["first", "second"]


def test_the_environment_chooses_among_installed_plugins(installed: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(plugins.CHOSEN, "second")
    plugins.load_plugins([])
    assert installed == ["second"]
    monkeypatch.setenv(plugins.CHOSEN, "")
    assert plugins.installed_plugins() == []
    monkeypatch.setenv(plugins.CHOSEN, "frist")
    with pytest.raises(ConfigError, match=r"unknown plugin in USB_PLUGINS 'frist'; did you mean 'first'\?"):
        plugins.load_plugins([])
