"""The host's own train.py and eval.py, patched: they train, resume and evaluate what is ours."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from host_series import needs_checkout
from real_checkout import Train, figure, finished

from usb_negsamp.run.cli.main import main


@needs_checkout
def test_the_hosts_own_script_trains_evaluates_and_resumes_ours(train: Train, tmp_path: Path) -> None:
    assert finished(train())
    folder = tmp_path / "run"
    latest = str(folder / "latest_model.pth")
    (folder / "mine.txt").write_text("precious")

    again = train()
    assert again.returncode == 1
    assert "already exists: give --overwrite" in again.stderr.splitlines()[-1]
    lost = train("--resume", "--load_path", str(tmp_path / "gone.pth"))
    assert lost.returncode == 1
    assert "there is no checkpoint" in lost.stderr.splitlines()[-1]
    unreadable = train("--resume", "--load_path", str(folder / "mine.txt"))
    assert unreadable.returncode == 1
    assert "ConfigError" in unreadable.stderr
    resumed = train("--resume", "--load_path", latest, "--num_train_iter", "15")
    assert resumed.returncode == 0, resumed.stderr[-2000:]
    assert "15 iteration" in resumed.stderr
    assert " 5 iteration" not in resumed.stderr
    assert (folder / "mine.txt").read_text() == "precious"

    words = f"--load_path {latest} --net small_cnn --dataset digits --img_size 28 --crop_ratio 0.9".split()
    evaluated = train(*words, script="eval.py")
    assert "Test Accuracy: 0." in evaluated.stdout, evaluated.stderr[-2000:]
    assert finished(train("--overwrite"))
    assert not (folder / "mine.txt").exists()


ZCA = ["--algorithm", "vat", "--preprocessing", "gcn_zca", "--augmentation", "oliver", "--lr", "0.3"]
OPEN_SET = [
    "--algorithm",
    "vat_spl",
    "--seen_classes",
    "6",
    "--num_classes",
    "6",
    "--mismatch_ratio",
    "0.5",
    "--num_unlabeled",
    "200",
    "--num_labels",
    "30",
    "--validation_size",
    "60",
    "--spl_rounds",
    "1",
    "--spl_inner_steps",
    "2",
    "--spl_outer_steps",
    "2",
]


@needs_checkout
def test_the_hosts_evaluation_prepares_images_as_the_run_did(train: Train, tmp_path: Path) -> None:
    trained = train(*ZCA)
    assert finished(trained, loss="sup_loss")
    words = f"--load_path {tmp_path}/run/model_best.pth --net small_cnn".split()
    evaluated = train(*words, script="eval.py")
    expected = figure("test/best_acc", trained.stderr)
    assert figure("Test Accuracy", evaluated.stdout) == pytest.approx(expected), evaluated.stderr[-2000:]
    (tmp_path / "run/manifest.json").unlink()
    refused = train(*words, "--dataset", "digits", script="eval.py")
    assert "expected a manifest.json beside it" in refused.stderr.splitlines()[-1]
    assert refused.returncode == 1


@needs_checkout
def test_what_spl_left_of_an_open_set_run_is_shown_and_evaluated(
    train: Train, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    trained = train(*OPEN_SET)
    assert trained.returncode == 0, trained.stderr[-2000:]
    expected = figure("test/spl_acc", trained.stderr)
    words = f"--load_path {tmp_path}/run/model_spl.pth --net small_cnn --num_classes 6".split()
    evaluated = train(*words, script="eval.py")
    assert figure("Test Accuracy", evaluated.stdout) == pytest.approx(expected), evaluated.stderr[-2000:]
    capsys.readouterr()
    assert main(["eval", str(tmp_path / "run"), "--model", "spl"]) == 0
    assert figure("test/top-1-acc", capsys.readouterr().out) == pytest.approx(expected, abs=5e-5)


@needs_checkout
@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--num_classes", "7"], "num_classes: expected 10, the classes of dataset 'digits', but got 7"),
        (["--dataset", "mnist", "--data_dir", "nowhere"], "data set 'mnist' is not complete in"),
        (["--net", "small_cn"], "unknown net 'small_cn'; did you mean 'small_cnn'?"),
    ],
)
def test_what_cannot_start_is_one_line_and_not_in_the_way(
    train: Train, tmp_path: Path, words: list[str], said: str
) -> None:
    for _ in range(2):
        done = train(*words)
        assert done.returncode == 1
        assert done.stderr.splitlines()[-1].startswith("train.py: error: ")
        assert said in done.stderr.splitlines()[-1]
        assert "Traceback" not in done.stderr
    assert not (tmp_path / "run").exists()


@needs_checkout
def test_an_imbalanced_algorithm_of_the_host_trains_beside_ours(train: Train) -> None:
    assert finished(train("--imb_algorithm", "darp"))


@needs_checkout
def test_spawned_processes_load_the_plugins_and_share_the_batch(train: Train) -> None:
    done = train("--multiprocessing-distributed", "True", USB_CPU_PROCESSES="2")
    assert finished(done)
    assert "batch_size=25" in done.stderr


@needs_checkout
def test_the_command_line_beats_the_file_and_knows_the_algorithms_flags(train: Train) -> None:
    done = train("--seed", "7", "--ns3l_threshold", "0.02", "--algorithm", "fixmatch_ns3l", "--p_cutoff", "0.9")
    assert finished(done)
    for setting in ("seed=7", "ns3l_threshold=0.02", "p_cutoff=0.9", "dataset='digits'"):
        assert setting in done.stderr
    refused = train("--ns3l_treshold", "0.02")
    assert refused.returncode == 2
    assert "unrecognized arguments: --ns3l_treshold 0.02" in refused.stderr.splitlines()[-1]


@needs_checkout
def test_our_keys_and_presets_work_in_the_hosts_own_script(train: Train) -> None:
    done = train("--preset", "ns3l", "--split_seed", "3", "--lr", "0.01")
    assert finished(done)
    for setting in ("preset='ns3l'", "split_seed=3", "lr=0.01", "lr_schedule='step'", "bn_update='joint'"):
        assert setting in done.stderr


@needs_checkout
def test_the_checkouts_semilearn_is_the_one_that_is_used(real: Path) -> None:
    code = "import train, semilearn; print(semilearn.__file__)"
    done = subprocess.run([sys.executable, "-c", code], cwd=real, capture_output=True, text=True)
    assert done.stdout.split()[-1] == str(real / "semilearn/__init__.py")


@needs_checkout
def test_without_plugins_the_host_is_the_hosts(train: Train) -> None:
    done = train(USB_PLUGINS="")
    assert done.returncode != 0
    assert "KeyError: 'vat_ns3l'" in done.stderr or "ModuleNotFoundError" in done.stderr or "ruamel" in done.stderr
