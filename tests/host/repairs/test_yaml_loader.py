"""Reading ``--c FILE``."""

from __future__ import annotations

from argparse import Namespace
from pathlib import Path

import pytest
import ruamel.yaml
from semilearn.core import utils

from usb_negsamp.errors import ConfigError
from usb_negsamp.host.patching import undone


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "run.yaml"
    path.write_text("algorithm: fixmatch\nlr: 3e-3\nweight_decay: 5e-4\ngpu: None\nuse_cat: True\nulb_num_labels:\n")
    return path


def test_host_cannot_read_a_file_with_current_ruamel(file: Path) -> None:
    if hasattr(ruamel.yaml, "version_info") and ruamel.yaml.version_info < (0, 18):
        pytest.skip("this ruamel.yaml still has load()")
    with undone("yaml_loader"), pytest.raises((AttributeError, SystemExit)):
        utils.over_write_args_from_file(Namespace(), str(file))


def test_a_file_overwrites_the_arguments(file: Path) -> None:
    args = Namespace(algorithm="vat", seed=3)
    utils.over_write_args_from_file(args, str(file))
    assert args == Namespace(
        algorithm="fixmatch", seed=3, lr=3e-3, weight_decay=5e-4, gpu="None", use_cat=True, ulb_num_labels=None
    )


def test_no_file_changes_nothing() -> None:
    args = Namespace(algorithm="vat")
    utils.over_write_args_from_file(args, "")
    assert args == Namespace(algorithm="vat")


def test_absent_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"cannot read .*absent\.yaml: No such file"):
        utils.over_write_args_from_file(Namespace(), str(tmp_path / "absent.yaml"))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a: [1, 2\nb: 3\n", "is no valid YAML: expected ',' or ']', but got ':' (line 2"),
        ("lr: 1\nlr: 2\n", "the key 'lr' is given twice (line 2, column 1)"),
        ("- a\n- b\n", "expected a mapping of keys to values, but it is a list"),
        ("", "is empty"),
        ("3: 4\n", "the key 3 is no name"),
        ("a: !!python/object/apply:os.getcwd []\n", "is no valid YAML"),
    ],
)
def test_error_is_one_line(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "wrong.yaml"
    path.write_text(text)
    with pytest.raises(ConfigError) as caught:
        utils.over_write_args_from_file(Namespace(), path)
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)
