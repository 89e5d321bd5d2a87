"""A hook that takes the place of another."""

from __future__ import annotations

from collections import OrderedDict
from types import SimpleNamespace
from typing import Any

import pytest
from semilearn.core import AlgorithmBase
from semilearn.core.hooks import Hook
from semilearn.imb_algorithms.crest.utils import CReSTLoggingHook

from usb_negsamp.host.patching import undone


def _algorithm(*registrations: tuple[str, str]) -> Any:
    algorithm: Any = object.__new__(AlgorithmBase)
    algorithm._hooks, algorithm.hooks_dict = [], OrderedDict()
    algorithm.made = [Hook() for _ in registrations]
    for hook, (name, priority) in zip(algorithm.made, registrations, strict=True):
        algorithm.register_hook(hook, name, priority)
    return algorithm


def test_host_ignores_a_hook_that_comes_again_with_a_higher_priority() -> None:
    with undone("hook_priority"):
        algorithm = _algorithm(("log", "LOWEST"), ("log", "LOW"))
        assert algorithm.hooks_dict["log"] is algorithm.made[0]
        assert len(algorithm._hooks) == 2


@pytest.mark.parametrize("priority", ["HIGHEST", "NORMAL", "LOWEST"])
def test_the_last_hook_of_a_name_stays_whatever_its_priority(priority: str) -> None:
    algorithm = _algorithm(("first", "HIGH"), ("log", "NORMAL"), ("last", "LOW"), ("log", priority))
    assert algorithm.hooks_dict["log"] is algorithm.made[3]
    assert len(algorithm._hooks) == 3
    order = {
        "HIGHEST": ["log", "first", "last"],
        "NORMAL": ["first", "log", "last"],
        "LOWEST": ["first", "last", "log"],
    }
    assert list(algorithm.hooks_dict) == [hook.name for hook in algorithm._hooks] == order[priority]


def test_with_equal_priority_the_hook_stands_where_the_old_one_stood() -> None:
    for repaired in (True, False):
        registrations = (("a", "HIGH"), ("b", "HIGH"), ("c", "HIGH"), ("a", "HIGH"))
        if repaired:
            algorithm = _algorithm(*registrations)
        else:
            with undone("hook_priority"):
                algorithm = _algorithm(*registrations)
        assert list(algorithm.hooks_dict) == ["a", "b", "c"]
        assert algorithm.hooks_dict["a"] is algorithm.made[3]


def test_the_name_is_the_class_where_none_is_given() -> None:
    algorithm = _algorithm()
    algorithm.register_hook(Hook())
    algorithm.register_hook(Hook(), priority="HIGHEST")
    assert list(algorithm.hooks_dict) == ["Hook"]
    assert algorithm.hooks_dict["Hook"].priority == 0


def test_a_hook_that_is_registered_twice_is_refused_as_before() -> None:
    algorithm = _algorithm(("a", "HIGH"))
    with pytest.raises(ValueError, match="priority"):
        algorithm.register_hook(algorithm.made[0])
    assert list(algorithm.hooks_dict) == ["a"]


def _crest() -> Any:
    printed: list[str] = []
    return SimpleNamespace(
        it=3,
        num_eval_iter=2,
        num_log_iter=1,
        gen=1,
        num_gens=6,
        rank=0,
        distributed=False,
        ema_m=0.9,
        log_dict={"train/loss": 0.5},
        best_eval_acc=0.25,
        best_it=1,
        tb_log=None,
        printed=printed,
        print_fn=printed.append,
    )


def test_crest_s_logging_could_not_have_run() -> None:
    with undone("hook_priority"), pytest.raises(AttributeError, match="tb_dict"):
        CReSTLoggingHook().after_train_step(_crest())


def test_crest_s_logging_says_its_generation() -> None:
    algorithm = _crest()
    CReSTLoggingHook().after_train_step(algorithm)
    assert algorithm.printed[0] == "generation 2 of 6"
    assert "train/loss: 0.5000" in algorithm.printed[1]
