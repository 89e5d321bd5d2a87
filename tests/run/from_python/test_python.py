"""``usb_negsamp.train`` is the command's training, and ``usb_negsamp.Run`` holds what it left."""

from __future__ import annotations

import os
import random
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from one_line import contents
from yaml_text import SMALL_RUN, yaml_text

import usb_negsamp
from usb_negsamp.run.cli.main import main
from usb_negsamp.run.configuration.command_line import from_python, parse, words_of

SHORT: dict[str, Any] = {
    **SMALL_RUN,
    "num_train_iter": 6,
    "num_log_iter": 2,
    "num_eval_iter": 3,
    "img_size": 16,
    "validation_size": 60,
    "lr": 0.03,
}


def test_importing_the_package_loads_nothing_heavy() -> None:
    seen = "; print([name for name in {} if name in sys.modules])"
    for code, heavy in (
        ("assert 'train' in dir(usb_negsamp)", ("numpy", "torch", "semilearn")),
        ("usb_negsamp.Run, usb_negsamp.train", ("torch", "semilearn")),
    ):
        words = f"import sys, usb_negsamp; {code}{seen.format(heavy)}"
        done = subprocess.run([sys.executable, "-c", words], capture_output=True, text=True, check=True)
        assert done.stdout == "[]\n"
    with pytest.raises(AttributeError, match="no attribute 'trian'"):
        usb_negsamp.trian  # noqa: B018


def test_the_command_and_python_train_the_same_twice_in_one_process(work_dir: Path) -> None:
    (work_dir / "run.yaml").write_text(yaml_text(SHORT))
    assert main(["train", "--c", "run.yaml", "--ema_m", "0.9"]) == 0
    there = Path("runs/one/metrics.jsonl").read_text()
    random.seed(5), np.random.seed(5), torch.manual_seed(5)
    before = (random.getstate(), np.random.get_state()[1].tolist(), torch.get_rng_state().tolist())  # type: ignore[index]
    functions, environment = (torch.Tensor.cuda, torch.cuda.synchronize), dict(os.environ)
    runs = [
        usb_negsamp.train("run.yaml", save_name="of_file", ema_m=0.9),
        usb_negsamp.train(SHORT, save_name="of_keys", ema_m=np.float64(0.9), save_dir=Path("runs")),
    ]
    assert (random.getstate(), np.random.get_state()[1].tolist(), torch.get_rng_state().tolist()) == before  # type: ignore[index]
    assert (torch.Tensor.cuda, torch.cuda.synchronize) == functions
    assert dict(os.environ) == environment
    assert [run.path for run in runs] == [Path("runs/of_file"), Path("runs/of_keys")]
    for run in runs:
        assert (run.path / "metrics.jsonl").read_text() == there
    # What is recorded asks a command line for the same.
    words = runs[1].manifest["argv"]
    assert main(["train", *words, "--save_name", "again"]) == 0
    assert Path("runs/again/metrics.jsonl").read_text() == there


def test_a_run_from_python_can_be_gone_on_with_in_another_thread(work_dir: Path) -> None:
    found: list[usb_negsamp.Run] = []
    usb_negsamp.train(SHORT, num_train_iter=3)
    thread = threading.Thread(target=lambda: found.append(usb_negsamp.train(resume="runs/one", num_train_iter=6)))
    thread.start()
    thread.join()
    [run] = found
    assert (run.manifest["iterations_done"], run.metrics["it"].tolist()) == (6, [2, 3, 4, 6])
    with pytest.raises(usb_negsamp.ConfigError, match="--resume RUN goes on with the run's own configuration"):
        usb_negsamp.train(SHORT, resume="runs/one")


def test_a_run_holds_its_results_metrics_and_manifest(work_dir: Path) -> None:
    run = usb_negsamp.train(SHORT, save_name="007")
    row = run.results
    assert (row["save_name"], row["dataset"], row["num_labels"], row["preset"]) == ("007", "digits", 40, None)
    assert isinstance(row["test_acc_at_best"], float)
    assert isinstance(row["version"], str)
    metrics = run.metrics
    assert metrics["it"].tolist() == [2, 3, 4, 6]
    assert np.isnan(metrics["eval/top-1-acc"]).tolist() == [True, False, True, False]
    assert np.nanmax(metrics["eval/top-1-acc"]) == row["eval_best_acc"]
    assert run.config["num_train_iter"] == run.manifest["iterations_done"] == 6
    assert run.evaluate()["test/top-1-acc"] == row["test_acc_at_best"]
    assert run.evaluate("last", eval_batch_size=64)["test/top-1-acc"] == row["test_acc_last"]
    with pytest.raises(usb_negsamp.ConfigError, match="unknown key of an evaluation 'lr'"):
        run.evaluate(lr=0.1)
    with pytest.raises(usb_negsamp.ConfigError, match="unknown model 'bets'; did you mean 'best'"):
        run.evaluate("bets")
    assert repr(run) == "Run('runs/007')"


def test_a_run_writes_the_page_of_the_command(work_dir: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run = usb_negsamp.train(SHORT)
    torch.manual_seed(5)
    before = torch.get_rng_state().tolist()
    capsys.readouterr()
    assert run.report() == Path("runs/one/report.html")
    assert torch.get_rng_state().tolist() == before
    assert capsys.readouterr().out == ""
    page = Path("runs/one/report.html").read_text(encoding="utf-8")
    assert f"{run.results['test_acc_at_best']:.2%}" in page
    assert main(["report", "runs/one"]) == 0
    assert Path("runs/one/report.html").read_text(encoding="utf-8") == page
    assert run.report("from_files.html", from_files=True) == Path("from_files.html")
    assert main(["report", "runs/one", "--out", "by_command.html", "--from_files"]) == 0
    assert Path("from_files.html").read_text() == Path("by_command.html").read_text() != page


def test_a_run_that_was_stopped_has_a_page_and_a_file_of_somebody_is_kept(work_dir: Path) -> None:
    run = usb_negsamp.train(SHORT)
    (run.path / "results.csv").unlink()
    run.report(from_files=True)
    (run.path / "report.html").write_text("mine")
    with pytest.raises(usb_negsamp.ConfigError, match="expected nothing, or a page that this command wrote"):
        run.report()
    assert (run.path / "report.html").read_text() == "mine"


def test_a_folder_without_a_finished_run_is_one_line(work_dir: Path) -> None:
    with pytest.raises(usb_negsamp.ConfigError, match="nowhere holds no run"):
        usb_negsamp.Run("nowhere")
    run = usb_negsamp.train(SHORT)
    (run.path / "results.csv").unlink()
    with pytest.raises(usb_negsamp.ConfigError, match=r"runs/one holds no results.csv: its run has not finished"):
        run.results  # noqa: B018


@pytest.mark.parametrize(
    ("config", "keys", "line"),
    [
        (SHORT, {"lrr": 3}, "keyword arguments: unknown key 'lrr'; did you mean 'lr'"),
        ({**SHORT, "lrr": 3}, {}, "config: unknown key 'lrr'; did you mean 'lr'"),
        (SHORT, {"lr": "fast"}, "keyword arguments: lr: expected a number above 0, but got 'fast'"),
        (SHORT, {"lr": -1.0}, "lr: expected a number above 0, but got -1"),
        (SHORT, {"num_labels": [1, 2]}, "keyword arguments: num_labels: expected"),
        (SHORT, {"algorithm": "vat_ns3"}, "unknown algorithm 'vat_ns3'; did you mean 'vat_ns3l'"),
        (3, {}, "config: expected the path or the name of a configuration file, or a dictionary, but got 3"),
        ("no_such_config", {}, "no_such_config"),
        (None, {"resume": "nowhere"}, "--resume: expected the folder of a run, but nowhere does not exist"),
    ],
)
def test_a_request_that_cannot_be_carried_out_is_the_command_s_one_line(
    config: Any, keys: dict[str, Any], line: str, work_dir: Path
) -> None:
    with pytest.raises(usb_negsamp.ConfigError, match=line) as raised:
        usb_negsamp.train(config, **keys)
    assert "\n" not in str(raised.value)
    assert contents(work_dir) == {}


def test_a_recorded_request_is_read_as_it_was_meant() -> None:
    request = from_python(
        {"num-labels": 40, "amp": False, "gpu": None}, {"seen_classes": ["cat", "dog"], "lr": 1e-5, "overwrite": True}
    )
    words = words_of(request)
    assert parse(words).given == {
        "num_labels": "40",
        "amp": "false",
        "gpu": "none",
        "seen_classes": "cat,dog",
        "lr": "1e-05",
        "overwrite": "true",
    }


def test_an_interrupt_is_raised_again(work_dir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from usb_negsamp.run.training import run as training

    for code, raised in ((130, KeyboardInterrupt), (143, SystemExit)):
        monkeypatch.setattr(training, "carry_out", lambda *args, code=code: code)
        with pytest.raises(raised):
            usb_negsamp.train(SHORT)
