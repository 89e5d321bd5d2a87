from __future__ import annotations

import errno
import hashlib
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from real_checkout import tree

from usb_negsamp.errors import ConfigError
from usb_negsamp.run.checkout import patch
from usb_negsamp.run.checkout.insertions import read_insertions, with_insertions, without_insertions
from usb_negsamp.run.cli.main import main
from usb_negsamp.run.configuration.packaged import packaged_folder

# As much of the two scripts as the patches look for, in lines of our own.
TRAIN = """\
import argparse
import os
import torch
from semilearn.algorithms import anything
get_algorithm = get_imb_algorithm = send_model_cuda = print
over_write_args_from_file = print


def get_config():
    parser = argparse.ArgumentParser()
    parser.add_argument("-o", "--overwrite", action="store_true")
    args = parser.parse_args()
    return args


def main(args):
    ngpus_per_node = torch.cuda.device_count()
    if args.multiprocessing_distributed:
        print("several")
    return ngpus_per_node


def main_worker(gpu, ngpus_per_node, args):
    assert args.seed is not None
    logger_level = "QUIET"
    _net_builder = print
    model = get_algorithm(args)
    model.ema_model = send_model_cuda(args)
    if args.resume:
        try:
            print(logger_level)
        except:
            print("no")
"""
EVAL = """\
import argparse
import torch
from semilearn.core.utils import get_dataset
if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    args = parser.parse_args()
    load_state_dict = {}
    save_dir = "."
    dataset_dict = get_dataset()
"""


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """An imitation of a checkout of the host."""
    folder = tmp_path / "checkout"
    (folder / "semilearn").mkdir(parents=True)
    (folder / "semilearn/__init__.py").write_text("")
    (folder / "train.py").write_text(TRAIN)
    (folder / "eval.py").write_text(EVAL)
    (folder / "config/theirs").mkdir(parents=True)
    (folder / "config/theirs/one.yaml").write_text("seed: 1\n")
    return folder


@pytest.fixture
def our_configs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Two configuration files of ours, one in a folder, in place of those that the package has."""
    folder = tmp_path / "ours"
    (folder / "table1").mkdir(parents=True)
    (folder / "a.yaml").write_text("algorithm: ns3l\n")
    (folder / "table1/b.yaml").write_text("algorithm: vat_ns3l\n")
    original = packaged_folder
    monkeypatch.setattr(patch, "packaged_folder", lambda name: folder if name == "config" else original(name))
    return folder


def the_line(capsys: pytest.CaptureFixture[str]) -> str:
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 1
    assert lines[0].startswith("usb-negsamp: error: ")
    return lines[0]


def test_patching_only_adds_lines(checkout: Path, our_configs: Path) -> None:
    assert main(["patch", str(checkout)]) == 0
    for name, pristine in (("train.py", TRAIN), ("eval.py", EVAL)):
        patched = (checkout / name).read_text()
        compile(patched, name, "exec")
        rest = iter(patched.splitlines())
        assert all(line in rest for line in pristine.splitlines())
        assert len(patched) > len(pristine)


def test_patching_twice_is_patching_once(checkout: Path, our_configs: Path) -> None:
    main(["patch", str(checkout)])
    once = tree(checkout)
    assert main(["patch", str(checkout)]) == 0
    assert tree(checkout) == once


@pytest.mark.parametrize("ending", ["\n", "\r\n"])
def test_reverting_gives_back_every_byte(checkout: Path, our_configs: Path, ending: str) -> None:
    (checkout / "train.py").write_bytes(TRAIN.replace("\n", ending).encode() + b"# no newline at the end")
    (checkout / "train.py").chmod(0o755)
    pristine = tree(checkout)
    main(["patch", str(checkout)])
    assert b"\n# >>> usb-negsamp: plugins " in (checkout / "train.py").read_bytes()
    assert (b"\r\n" in (checkout / "train.py").read_bytes().replace(b"\r\n", b"", 1)) == (ending == "\r\n")
    assert main(["patch", str(checkout), "--revert"]) == 0
    assert tree(checkout) == pristine


def test_reverting_removes_a_config_folder_that_it_made(checkout: Path, our_configs: Path) -> None:
    shutil.rmtree(checkout / "config")
    pristine = tree(checkout)
    main(["patch", str(checkout)])
    assert (checkout / "config/table1/b.yaml").is_file()
    main(["patch", str(checkout), "--revert"])
    assert tree(checkout) == pristine


def test_reverting_an_unpatched_checkout_changes_nothing(checkout: Path) -> None:
    pristine = tree(checkout)
    assert main(["patch", str(checkout), "--revert"]) == 0
    assert tree(checkout) == pristine


def test_a_configuration_file_of_somebody_else_is_never_touched(
    checkout: Path, our_configs: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (checkout / "config/a.yaml").write_text("seed: 5\n")
    pristine = tree(checkout)
    assert main(["patch", str(checkout)]) == 0
    assert "a.yaml: kept as it is, not ours" in capsys.readouterr().out
    assert (checkout / "config/a.yaml").read_text() == "seed: 5\n"
    assert (checkout / "config/table1/b.yaml").read_text() == "algorithm: vat_ns3l\n"
    main(["patch", str(checkout), "--revert"])
    assert tree(checkout) == pristine


def test_a_placed_configuration_file_that_the_user_changed_outlives_the_revert(
    checkout: Path, our_configs: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    main(["patch", str(checkout)])
    (checkout / "config/table1/b.yaml").write_text("algorithm: mine\n")
    main(["patch", str(checkout)])
    main(["patch", str(checkout), "--revert"])
    assert "b.yaml: kept as it is, changed since it was placed" in capsys.readouterr().out
    assert (checkout / "config/table1/b.yaml").read_text() == "algorithm: mine\n"
    assert not (checkout / "config/a.yaml").exists()
    assert not (checkout / patch.LIST).exists()


def test_a_newer_version_replaces_what_an_older_one_put_there(
    checkout: Path, our_configs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pristine = tree(checkout)
    main(["patch", str(checkout)])
    newer = tmp_path / "newer"
    newer.mkdir()
    (newer / "1-one.insert").write_text("file: train.py\nafter: ^import os$\n+ANSWER = 42\n")
    monkeypatch.setattr(patch, "packaged_folder", lambda name: newer if name == "patches" else our_configs)
    (our_configs / "a.yaml").unlink()
    (our_configs / "table1/b.yaml").write_text("algorithm: newer\n")
    main(["patch", str(checkout)])
    text = (checkout / "train.py").read_text()
    assert text.count("# >>> usb-negsamp") == 1
    assert "ANSWER = 42" in text
    assert not (checkout / "config/a.yaml").exists()
    assert (checkout / "config/table1/b.yaml").read_text() == "algorithm: newer\n"
    main(["patch", str(checkout), "--revert"])
    assert tree(checkout) == pristine


def test_a_missing_place_is_one_line_that_names_the_file(
    checkout: Path, our_configs: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (checkout / "eval.py").write_text(EVAL.replace("save_dir", "folder"))
    before = tree(checkout)
    assert main(["patch", str(checkout)]) == 2
    assert "eval.py is of a revision that the patch 'eval' does not fit" in the_line(capsys)
    assert tree(checkout) == before


def test_a_place_that_is_there_twice_is_refused(
    checkout: Path, our_configs: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (checkout / "train.py").write_text(TRAIN + "\ndef get_config():\n    pass\n")
    assert main(["patch", str(checkout)]) == 2
    assert "found 2" in the_line(capsys)


def test_a_place_in_the_middle_of_a_statement_is_refused(
    checkout: Path, our_configs: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (checkout / "train.py").write_text(TRAIN.replace("ArgumentParser()", "ArgumentParser(\n    )"))
    assert main(["patch", str(checkout)]) == 2
    assert "it is no Python" in the_line(capsys)


@pytest.mark.parametrize("words", [[], ["--revert"]])
def test_changed_lines_of_ours_are_neither_replaced_nor_removed(
    checkout: Path, our_configs: Path, capsys: pytest.CaptureFixture[str], words: list[str]
) -> None:
    main(["patch", str(checkout)])
    text = (checkout / "train.py").read_text()
    (checkout / "train.py").write_text(text.replace("\nload_plugins()", "\nprint(load_plugins())"))
    before = tree(checkout)
    capsys.readouterr()
    assert main(["patch", str(checkout), *words]) == 2
    assert "the lines that the patch 'plugins' inserted were changed" in the_line(capsys)
    assert tree(checkout) == before


@pytest.mark.parametrize("mark", ["# >>> usb-negsamp: ", "# <<< usb-negsamp: "])
def test_a_lost_mark_is_noticed(checkout: Path, our_configs: Path, mark: str) -> None:
    main(["patch", str(checkout)])
    lines = (checkout / "train.py").read_text().splitlines(keepends=True)
    lines.remove(next(line for line in lines if mark in line))
    with pytest.raises(ConfigError, match=r"train\.py, line \d+"):
        without_insertions("".join(lines), "train.py")


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ([], "expected: usb-negsamp patch CHECKOUT"),
        (["nowhere"], "nowhere is none"),
        (["."], "is no checkout of USB: it has no train.py"),
        ([".", "--revrt"], "did you mean '--revert'?"),
        ([".", "--revert", "--check"], "expected: usb-negsamp patch CHECKOUT"),
    ],
)
def test_what_is_no_checkout_is_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], words: list[str], said: str
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["patch", *words]) == 2
    assert said in the_line(capsys)


def test_a_damaged_list_of_placed_files_cannot_reach_outside(
    checkout: Path, our_configs: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (checkout / patch.LIST).write_text('{"files": {"config/../train.py": "0"}, "folders": []}')
    assert main(["patch", str(checkout), "--revert"]) == 2
    assert "is damaged" in the_line(capsys)


def test_a_file_that_cannot_be_written_puts_the_others_back(
    checkout: Path, our_configs: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (checkout / "config/table1").mkdir()
    before = tree(checkout)
    replace = os.replace

    def fails_in_config(source: Path, target: Path) -> None:
        if Path(target).name == "b.yaml":
            raise PermissionError(13, "Permission denied", str(target))
        replace(source, target)

    monkeypatch.setattr(os, "replace", fails_in_config)
    assert main(["patch", str(checkout)]) == 2
    assert "b.yaml cannot be written: Permission denied; nothing was changed" in the_line(capsys)
    assert tree(checkout) == before


@pytest.mark.parametrize("flags", [[], ["--revert"]])
@pytest.mark.parametrize("at", range(6))
def test_a_disk_that_fills_up_at_any_write_leaves_all_files_as_they_were(
    checkout: Path, our_configs: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str],
    at: int, flags: list[str],
) -> None:  # fmt: skip
    if flags:
        assert main(["patch", str(checkout)]) == 0
        capsys.readouterr()
    before = tree(checkout)
    fsync, flushed = os.fsync, []

    def full_from_then_on(descriptor: int) -> None:
        flushed.append(descriptor)
        if len(flushed) > at:
            raise OSError(errno.ENOSPC, "No space left on device")
        fsync(descriptor)

    monkeypatch.setattr(os, "fsync", full_from_then_on)
    code = main(["patch", str(checkout), *flags])
    if code == 0:
        assert len(flushed) <= at, "fewer files than writes were tried"
        return
    assert "cannot be written: No space left on device; nothing was changed" in the_line(capsys)
    assert tree(checkout) == before


def test_a_link_in_the_place_of_a_folder_of_ours_outlives_the_revert(
    checkout: Path, our_configs: Path, tmp_path: Path
) -> None:
    assert main(["patch", str(checkout)]) == 0
    elsewhere = tmp_path / "elsewhere"
    (checkout / "config/table1").rename(elsewhere)
    (checkout / "config/table1").symlink_to(elsewhere)
    assert main(["patch", str(checkout), "--revert"]) == 0
    assert (checkout / "config/table1").is_symlink()
    assert list(elsewhere.iterdir()) == []


def test_check_tells_pristine_patched_and_modified_apart(
    checkout: Path,
    our_configs: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    def verdict() -> tuple[int, str]:
        capsys.readouterr()
        before = tree(checkout)
        code = main(["patch", str(checkout), "--check"])
        assert tree(checkout) == before
        return code, capsys.readouterr().out.splitlines()[-1].partition(": ")[2]

    patches = tmp_path / "patches"
    shutil.copytree(packaged_folder("patches"), patches)
    sums = [f"{hashlib.sha256((checkout / name).read_bytes()).hexdigest()}  {name}" for name in ("train.py", "eval.py")]
    (patches / patch.PRISTINE).write_text("# known\n" + "\n".join(sums) + "\n")
    monkeypatch.setattr(patch, "packaged_folder", lambda name: patches if name == "patches" else our_configs)

    assert verdict() == (1, "pristine")
    main(["patch", str(checkout)])
    assert verdict() == (0, "patched")
    (checkout / "config/a.yaml").unlink()
    assert verdict() == (1, "partly patched")
    main(["patch", str(checkout)])
    (checkout / "eval.py").write_text(EVAL)
    assert verdict() == (1, "partly patched")
    main(["patch", str(checkout), "--revert"])
    (checkout / "train.py").write_text(TRAIN + "# theirs\n")
    assert verdict() == (1, "modified by others, or of a revision that we do not know")
    main(["patch", str(checkout)])
    assert verdict() == (0, "patched")
    (checkout / "train.py").write_text((checkout / "train.py").read_text().replace("load_plugins", "load"))
    assert verdict() == (1, "modified by others, or of a revision that we do not know")


def test_the_packaged_patches_hold_no_line_of_the_host() -> None:
    for path in packaged_folder("patches").glob("*.insert"):
        for line in path.read_text().splitlines():
            assert line == "" or line.startswith(("#", "+", "file: ", "before: ^", "after: ^"))


def run_patched_lines(checkout: Path, environment: dict[str, str]) -> subprocess.CompletedProcess[str]:
    """Run what patch 1 inserts, in a checkout whose ``semilearn`` is empty, beside two installed plugins."""
    for name, body in (("good", "print('good is loaded')"), ("bad", "raise OSError('no disk')")):
        (checkout / f"{name}_plugin.py").write_text(f"def register():\n    {body}\n")
        info = checkout / f"{name}_plugin-1.dist-info"
        info.mkdir()
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}-plugin\nVersion: 1\n")
        (info / "entry_points.txt").write_text(f"[semilearn.plugins]\n{name} = {name}_plugin:register\n")
    insertions = [one for one in read_insertions(packaged_folder("patches")) if one.patch == "plugins"]
    text = with_insertions("import os\nfrom semilearn.algorithms import x\n", "train.py", insertions[:1])
    (checkout / "train.py").write_text(text)
    (checkout / "semilearn/algorithms.py").write_text("x = print('semilearn is imported')\n")
    variables = {key: value for key, value in os.environ.items() if key != "USB_PLUGINS"}
    return subprocess.run(
        [sys.executable, "train.py"], cwd=checkout, env={**variables, **environment}, capture_output=True, text=True
    )


def test_plugins_are_chosen_by_the_environment_and_come_before_semilearn(checkout: Path) -> None:
    done = run_patched_lines(checkout, {"USB_PLUGINS": "good"})
    assert done.stdout.splitlines() == ["good is loaded", "semilearn is imported"]


def test_an_empty_variable_loads_no_plugin(checkout: Path) -> None:
    assert run_patched_lines(checkout, {"USB_PLUGINS": ""}).stdout.splitlines() == ["semilearn is imported"]


def test_an_error_names_the_plugin_at_fault(checkout: Path) -> None:
    done = run_patched_lines(checkout, {})
    last = done.stderr.splitlines()[-1]
    assert done.returncode == 1
    assert "the plugin 'bad' (bad_plugin:register) failed: no disk; USB_PLUGINS= runs without plugins" in last


def test_an_absent_plugin_is_one_line(checkout: Path) -> None:
    done = run_patched_lines(checkout, {"USB_PLUGINS": "good,gone"})
    assert len(done.stderr.splitlines()) == 1
    assert "no such plugin: gone" in done.stderr
