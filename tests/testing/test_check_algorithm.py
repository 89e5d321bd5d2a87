"""The conformance check: right algorithms pass, and each fault is named by its own check."""

import json
import random
import re
from types import SimpleNamespace
from typing import Any

import numpy as np
import own_algorithms
import pytest
import torch

from usb_negsamp import ConfigError, algorithms
from usb_negsamp.host import ALGORITHMS, device
from usb_negsamp.testing import CHECKS, ConformanceError, check_algorithm, conformance, tiny_arguments
from usb_negsamp.testing.process import take_part
from usb_negsamp.testing.registration import as_text, follow
from usb_negsamp.testing.tiny import build_from

SHORT = {"num_train_iter": 4, "num_eval_iter": 4}
REGISTER = "own_algorithms:register"


@pytest.fixture(autouse=True)
def registry(monkeypatch):
    """What a test registers is gone after it, our wrapped forms of it included."""
    monkeypatch.setattr(algorithms, "_registered", dict(algorithms._registered))
    kept = dict(ALGORITHMS._dict)
    yield
    ALGORITHMS._dict.clear()
    ALGORITHMS._dict.update(kept)


def failures_of(name, **keys):
    with pytest.raises(ConformanceError) as raised:
        check_algorithm(name, **{"overrides": SHORT, "register": REGISTER, "two_processes": False, **keys})
    report = raised.value.report
    assert str(raised.value) == str(report)
    return {outcome.check: outcome.reason for outcome in report.failures}


def test_ours_passes_every_check_with_two_processes(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    report = check_algorithm("fixmatch_ns3l")
    assert [outcome.check for outcome in report.outcomes] == list(CHECKS)
    assert {outcome.status for outcome in report.outcomes} == {"passed"}
    assert str(report).splitlines()[0] == f"fixmatch_ns3l: {len(CHECKS)} passed"
    assert list(tmp_path.iterdir()) == []


def test_a_third_partys_passes_with_two_processes_and_has_no_base():
    report = check_algorithm("own_match", overrides=SHORT, register=own_algorithms.register)
    assert {outcome.check for outcome in report.outcomes if outcome.status != "passed"} == {"weight_zero"}
    assert report["weight_zero"].reason.startswith("it is no wrapper around another algorithm")
    assert "own_match_ns3l" in ALGORITHMS


def test_ours_around_a_third_partys_passes():
    checks = {"batch_keys", "output", "weight_zero", "log_tags"}
    report = check_algorithm(
        "own_match_ns3l", overrides=SHORT, register=REGISTER, checks=checks, expected_tags=["train/ns3l_loss"]
    )
    assert [(outcome.check, outcome.status) for outcome in report.outcomes] == [
        (check, "passed") for check in CHECKS if check in checks
    ]


@pytest.mark.parametrize(
    ("name", "check", "message"),
    [
        (
            "WrongKey",
            "batch_keys",
            r"parameter of WrongKey.train_step .*idx_lb, .*x_ulb_w.*, but got 'x_ulb_strong'; did",
        ),
        ("NoGradient", "output", r"'loss'\] from .*train_step to have a gradient, but it has none"),
        ("NanLog", "log_tags", r"expected log_dict\['train/own_share'\] to be finite, but got nan at iteration 0"),
        ("vat_careless_noise", "weight_zero", "with noise_weight=0 to be vat bit for bit, but they differ in .*random"),
        ("HiddenState", "resume", "stopped after 3 iterations and resumed .* differ in .*get_save_dict"),
    ],
)
def test_a_fault_fails_its_check_alone(name, check, message):
    failures = failures_of(name)
    assert list(failures) == [check]
    assert re.search(message, failures[check]), failures[check]


def test_randomness_of_each_process_fails_that_check_alone():
    failures = failures_of("DrawsInEachProcess", two_processes=True, checks=["determinism", "resume", "two_processes"])
    assert list(failures) == ["two_processes"]
    assert "follow one within 0.0001, but they differ in" in failures["two_processes"]
    assert "two_processes=False" in failures["two_processes"]


@pytest.mark.parametrize(
    ("name", "check", "message"),
    [
        ("GradientOfAnother", "output", "gradient of out_dict.'loss'. to reach algorithm.model, but it is zero or abs"),
        ("NoLoss", "output", "to have the key 'loss', but got .'los'.; did you mean 'los'"),
        ("LossOfEach", "output", r"'loss'\] from .* to be a scalar, but got shape \(8,\)"),
        ("OnlyLoss", "output", r"to return \(out_dict, log_dict\), two dictionaries, but got Tensor"),
        ("FeaturesOfAll", "output", r"'feat'\]\['x_lb'\] .* to have the 8 rows of the batch's x_lb, but got 40"),
        ("FailsLater", "run", r"IndexError came from own_algorithms.py:\d+ own_factor: no such row"),
        ("StrangeTag", "log_tags", "to begin with one of train/, eval/, test/, lr, but got 'own_share'"),
        ("VectorLog", "log_tags", r"'train/own_share'\] to be a scalar, but got Tensor of shape \(3,\)"),
        ("OneClassShort", "evaluation", r"eval/logits of shape \(60, 10\), images by classes, but got \(60, 9\)"),
        ("EndlessStatistics", "running_statistics", "but model.*running_var is not"),
        ("WritesBeside", "files", "under save_dir/save_name, but it left own_notes.txt in the current directory"),
        ("SharedState", "determinism", "the same bits from two runs with the same seed, but they differ in"),
    ],
)
def test_other_faults_are_named(name, check, message):
    failures = failures_of(name, checks=[check])
    assert re.search(message, failures[check]), failures[check]


def test_after_a_step_that_cannot_be_taken_nothing_else_is_tried():
    own_algorithms.register()
    with pytest.raises(ConformanceError) as raised:
        check_algorithm("NoGradient", overrides=SHORT)
    outcomes = raised.value.report.outcomes
    assert [outcome.status for outcome in outcomes[:2]] == ["passed", "failed"]
    assert {outcome.reason for outcome in outcomes[2:]} == {"not tried, as output failed"}


def test_a_tag_that_never_came_is_named():
    failures = failures_of("own_match", checks=["log_tags"], expected_tags=["train/own_los"])
    assert (
        "expected 'train/own_los' among the logged tags, but it never came; did you mean 'train/own_loss'?"
        in (failures["log_tags"])
    )


def test_a_wrapper_of_ones_own_that_draws_nothing_at_weight_zero_passes():
    report = check_algorithm("vat_noise", overrides=SHORT, register=REGISTER, checks=["weight_zero"])
    assert report["weight_zero"].status == "passed"


def test_a_key_named_by_the_caller_is_set_to_zero_and_the_parent_is_the_base(monkeypatch):
    own_algorithms.register()
    ALGORITHMS["own_child"] = type("OwnChild", (own_algorithms.OwnMatch,), {})
    keys: dict[str, Any] = {"overrides": SHORT, "checks": ["weight_zero"], "weight_key": "own_weight"}
    # The parent has the key as well, at its default.
    with pytest.raises(ConformanceError, match="own_child with own_weight=0 to be own_match bit for bit"):
        check_algorithm("own_child", **keys)
    with pytest.raises(ConfigError, match="unknown key of own_child 'own_wait'; did you mean 'own_weight'"):
        check_algorithm("own_child", **{**keys, "weight_key": "own_wait"})


def test_a_base_that_is_not_registered_is_a_reason_to_skip():
    report = check_algorithm("ns3l", checks=["weight_zero"])
    assert str(report["weight_zero"]) == "skipped weight_zero: its base JointPass is not registered"


def test_a_process_that_fails_says_why():
    failures = failures_of("FailsInTheSecondProcess", two_processes=True, checks=["two_processes"])
    assert re.search("in process 1 IndexError came from own_algorithms.py.*no part", failures["two_processes"])


def test_a_process_that_does_not_know_the_algorithm_says_how_to_tell_it(tmp_path):
    request: dict[str, Any] = {"name": "own_match", "register": None, "overrides": {}, "world_size": 2}
    (tmp_path / "request.json").write_text(json.dumps(request))
    with pytest.raises(LookupError):
        take_part(tmp_path / "request.json", 1)
    assert "own_match is not registered there; check_algorithm(..., register=" in (tmp_path / "error1.txt").read_text()


def test_the_generators_of_gpus_are_put_back(monkeypatch):
    states = [torch.tensor([3])]
    steps: list[Any] = []

    def taken() -> list[torch.Tensor]:
        steps.append("taken")
        return states

    monkeypatch.setattr("torch.cuda.is_available", lambda: True)
    monkeypatch.setattr("torch.cuda.init", lambda: steps.append("made"))
    monkeypatch.setattr("torch.cuda.get_rng_state_all", taken)
    monkeypatch.setattr("torch.cuda.set_rng_state_all", lambda given: steps.append(given is states))
    with conformance._surroundings_kept():
        steps.append("runs")
        # Else the CPU's selection would be looked up on a GPU.
        monkeypatch.setattr(device, "select", lambda name: None)
    assert steps == ["made", "taken", "runs", True]


@pytest.mark.parametrize(("rank", "gpu"), [(0, 0), (1, 1), (2, 0)])
def test_each_process_has_a_gpu_of_its_own_as_far_as_there_are_some(rank, gpu, tmp_path, monkeypatch):
    monkeypatch.setattr(device, "select", lambda name: torch.device("cuda"))
    monkeypatch.setattr("torch.cuda.device_count", lambda: 2)
    monkeypatch.setattr(
        "usb_negsamp.host.build.build_algorithm", lambda args, logger: SimpleNamespace(algorithm=args.gpu)
    )
    args = tiny_arguments("fixmatch", tmp_path)
    assert build_from(args) == 0
    args = tiny_arguments("fixmatch", tmp_path)
    args.distributed, args.rank = True, rank
    assert build_from(args) == gpu


def test_generators_and_device_are_put_back():
    selected = device.selected()
    states = (
        random.getstate(),
        np.random.get_state(legacy=False)["state"]["key"].tolist(),
        torch.get_rng_state().tolist(),
    )
    check_algorithm("fixmatch", overrides=SHORT, checks=["run"])
    assert (
        random.getstate(),
        np.random.get_state(legacy=False)["state"]["key"].tolist(),
        torch.get_rng_state().tolist(),
    ) == states
    assert device.selected() == selected


@pytest.mark.parametrize(
    ("keys", "message"),
    [
        ({"name": "fixmach"}, "unknown algorithm 'fixmach'; did you mean 'fixmatch'"),
        ({"checks": ["resum"]}, "unknown check 'resum'; did you mean 'resume'"),
        ({"overrides": {"save_dir": "here"}}, "overrides: expected no save_dir"),
        ({"overrides": {"uratoi": 2}, "checks": ["run"]}, "unknown key 'uratoi'; did you mean 'uratio'"),
        ({"register": lambda: None}, "register: expected .* a function at the top level"),
        (
            {"name": "own_match", "register": "own_algoritms"},
            "register: expected a module to import, or a file, but 'own_algor",
        ),
        (
            {"name": "own_match", "register": "own_algorithms:regster"},
            "expected a function 'regster' in own_algorithms",
        ),
    ],
)
def test_impossible_requests_are_one_clear_error(keys, message):
    with pytest.raises(ConfigError, match=message) as raised:
        check_algorithm(**{"name": "fixmatch", **keys})
    assert "\n" not in str(raised.value)


def test_a_function_of_a_script_is_found_by_the_scripts_file(tmp_path, monkeypatch):
    script = tmp_path / "own_script.py"
    script.write_text(
        "called = []\n"
        "def register():\n"
        "    open(__file__ + '.called', 'w').close()\n"
        "if __name__ == '__main__':\n"
        "    raise SystemExit('run as a script')\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    import own_script

    assert as_text(own_script.register) == "own_script:register"
    monkeypatch.setattr(own_script.register, "__module__", "__main__")
    assert as_text(own_script.register) == f"{script}:register"
    follow(f"{script}:register")
    assert (tmp_path / "own_script.py.called").exists()


def test_a_file_of_the_working_directory_is_found_by_a_process_that_works_elsewhere(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert as_text("own_script.py:register") == f"{tmp_path / 'own_script.py'}:register"
    assert as_text("/elsewhere/own_script.py:register") == "/elsewhere/own_script.py:register"
    assert as_text("own_script:register") == "own_script:register"
