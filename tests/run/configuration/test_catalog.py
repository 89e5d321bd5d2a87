"""Names that are kept between commands: those of the host, for the files they came from alone, without torch."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

import usb_negsamp
from usb_negsamp.errors import ConfigError
from usb_negsamp.host.arguments import algorithms_reading
from usb_negsamp.run.configuration import catalog
from usb_negsamp.run.configuration.catalog import Catalog, kept_catalog
from usb_negsamp.run.configuration.resolution import Sources, definitions_for, read_sources, resolve
from usb_negsamp.run.records.directory import MANIFEST
from usb_negsamp.run.training import train
from usb_negsamp.run.training.train import check_names


@pytest.fixture(autouse=True)
def _cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


@pytest.fixture
def kept() -> Catalog:
    """A catalog of the host as it is, kept."""
    usb_negsamp.register()
    catalog._keep(catalog._from_host())
    found = kept_catalog()
    assert found is not None
    return found


HEAVY = ("torch", "torchvision", "semilearn", "numpy", "scipy", "sklearn", "timm", "transformers", "matplotlib", "PIL")


def without_torch(*words: str) -> subprocess.CompletedProcess[str]:
    """A command in a process of its own, which says at its end whether torch, the host or their like were loaded."""
    program = (
        "import sys; from usb_negsamp.run.cli.main import main; code = main(sys.argv[1:]); "
        f"print('LOADED', [name for name in {HEAVY} if name in sys.modules]); sys.exit(code)"
    )
    ended = subprocess.run([sys.executable, "-c", program, *words], capture_output=True, text=True)
    assert "LOADED []" in ended.stdout, ended.stdout + ended.stderr
    return ended


def test_nothing_is_kept_at_first() -> None:
    assert kept_catalog() is None


@pytest.mark.parametrize("algorithm", ["fixmatch", "vat_ns3l", "dnll", "mixmatch_dnll_spl"])
@pytest.mark.parametrize("imb_algorithm", [None, "darp"])
def test_the_keys_are_those_of_the_host(kept: Catalog, algorithm: str, imb_algorithm: str | None) -> None:
    assert kept.keys_of(algorithm, imb_algorithm) == set(definitions_for(algorithm, imb_algorithm))


@pytest.mark.parametrize("key", ["vat_eps", "ns3l_threshold", "darp_alpha", "seed", "nothing"])
def test_the_readers_of_a_key_are_those_of_the_host(kept: Catalog, key: str) -> None:
    assert kept.readers(key) == algorithms_reading(key)


@pytest.mark.parametrize("kind", ["algorithms", "wrappers", "datasets", "nets"])
def test_names_are_listed_without_the_host(kept: Catalog, capsys: pytest.CaptureFixture[str], kind: str) -> None:
    from usb_negsamp.run.cli.main import main

    assert main(["list", kind]) == 0
    assert without_torch("list", kind).stdout.splitlines()[:-1] == capsys.readouterr().out.splitlines()


@pytest.mark.parametrize(
    "words",
    [
        ("keys",),
        ("keys", "--algorithm", "mixmatch_dnll_spl"),
        ("keys", "--algorithm", "fixmach"),
        ("keys", "--markdown"),
        ("configs",),
    ],
)
def test_keys_and_configurations_are_listed_without_the_host(
    kept: Catalog, capsys: pytest.CaptureFixture[str], words: tuple[str, ...]
) -> None:
    from usb_negsamp.run.cli.main import main

    code = main(["list", *words])
    here, there = capsys.readouterr(), without_torch("list", *words)
    assert (code, here.out) == (there.returncode, there.stdout.rpartition("LOADED")[0])
    assert here.err == there.stderr


@pytest.mark.parametrize("algorithm", ["fixmatch", "vat_ns3l", "mixmatch_dnll_spl"])
def test_a_listed_key_has_the_default_that_a_run_has(kept: Catalog, algorithm: str) -> None:
    listed = {name: default for name, default, _ in kept.keys_with_meaning(algorithm)}
    assert listed == {name: str(key.default) for name, key in definitions_for(algorithm).items()}
    assert list(listed) == sorted(listed)


@pytest.mark.parametrize("words", [("--lrr", "1"), ("--vat_eps", "1"), ("--algorithm", "vat", "--p_cutof", "1")])
def test_a_key_that_is_not_there_is_refused_without_the_host(kept: Catalog, words: tuple[str, ...]) -> None:
    given = {name.removeprefix("--"): value for name, value in zip(words[::2], words[1::2], strict=True)}
    with pytest.raises(ConfigError) as slow:
        resolve(Sources(None, {}, dict(given)))
    assert without_torch("train", *words).stderr == f"usb-negsamp: error: {slow.value}\n"


def test_a_key_of_the_file_that_is_not_there_is_refused_without_the_host(kept: Catalog, tmp_path: Path) -> None:
    file = tmp_path / "mine.yaml"
    file.write_text("algorithm: fixmatch_ns3l\nvat_eps: 1.0\nresume: false\nclip: 1\nworld_size: 1\nlrr: 1\n")
    with pytest.raises(ConfigError) as slow:
        resolve(read_sources(["--c", str(file)]))
    assert without_torch("train", "--c", str(file)).stderr == f"usb-negsamp: error: {slow.value}\n"
    assert "lrr" in str(slow.value)


def test_a_folder_with_a_run_is_refused_without_the_host(tmp_path: Path) -> None:
    (tmp_path / "runs" / "one").mkdir(parents=True)
    (tmp_path / "runs" / "one" / MANIFEST).write_text("{}")
    ended = without_torch("train", "--save_dir", str(tmp_path / "runs"), "--save_name", "one")
    assert "runs/one already holds a run; give --resume" in ended.stderr
    assert ended.returncode == 2


@pytest.mark.parametrize(
    "values",
    [
        {"plugin": "mine:add", "lrr": "1"},
        {"algorithm": "mymatch", "lrr": "1"},
        {"algorithm": ["fixmatch"], "lrr": "1"},
        {"imb_algorithm": "mine", "lrr": "1"},
        {"neighbour_rule_of_old": "1"},
        {"world_size": "2"},
        {"p_cutoff": "0.9", "seed": "1"},
    ],
)
def test_what_only_the_host_can_tell_is_left_to_it(kept: Catalog, values: dict[str, Any]) -> None:
    kept.former_keys["neighbour_rule_of_old"] = "ns3l_rule"
    of_ns3l = {"algorithm": "fixmatch_ns3l", **values}
    catalog._keep(kept)
    check_names(Sources(None, {}, of_ns3l))


def test_without_a_catalog_nothing_is_refused() -> None:
    check_names(Sources(None, {}, {"lrr": "1"}))


def test_installed_plugins_may_have_added_keys(kept: Catalog, monkeypatch: pytest.MonkeyPatch) -> None:
    sources = Sources(None, {}, {"lrr": "1"})
    with pytest.raises(ConfigError, match="unknown key 'lrr'"):
        check_names(sources)
    monkeypatch.setattr(train, "installed_plugins", lambda: ["somebody's"])
    check_names(sources)


def test_other_files_have_another_catalog(kept: Catalog, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    files = sorted(catalog._files())
    assert any(path.endswith("semilearn/algorithms/vat/vat.py") for path, _, _ in files)
    assert any(path.endswith("algorithms/ns3l/settings.py") for path, _, _ in files)
    path, size, time = files[7]
    for other in ((path, size + 1, time), (path, size, time + 1), (path + "y", size, time)):
        monkeypatch.setattr(catalog, "_files", lambda other=other: [*files[:7], other, *files[8:]])
        assert kept_catalog() is None
    monkeypatch.setattr(catalog, "_files", lambda: files[::-1])
    assert kept_catalog() == kept


@pytest.mark.parametrize("content", ["", "{", "[]", json.dumps({"algorithms": {}})])
def test_a_damaged_file_is_as_none(kept: Catalog, content: str) -> None:
    catalog._place().write_text(content)
    assert kept_catalog() is None


def test_a_folder_that_cannot_be_written_to_keeps_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    catalog._keep(catalog._from_host())
    assert kept_catalog() is None


def test_a_host_that_was_there_before_is_not_kept() -> None:
    """Somebody may have added to it."""
    assert "semilearn" in sys.modules
    catalog.register_and_keep()
    catalog.catalog()
    assert kept_catalog() is None


def test_the_first_command_keeps_what_the_next_one_needs(tmp_path: Path) -> None:
    environment = {**os.environ, "HOME": str(tmp_path)}
    del environment["XDG_CACHE_HOME"]
    subprocess.run(
        [sys.executable, "-W", "ignore", "-m", "usb_negsamp", "list", "wrappers"], env=environment, check=True
    )
    [path] = (tmp_path / ".cache" / "usb-negsamp").iterdir()
    assert json.loads(path.read_text())["wrappers"] == ["dnll", "fixastep", "ns3l", "spl"]
