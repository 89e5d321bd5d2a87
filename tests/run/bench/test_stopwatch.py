"""Seconds are counted once, for the innermost phase, and those of loaders' workers are counted at all."""

from __future__ import annotations

import multiprocessing
import sys
import time

import pytest

from usb_negsamp.run.bench.stopwatch import Phases, clock


def spend(seconds: float) -> None:
    end = time.perf_counter() + seconds
    while time.perf_counter() < end:
        pass


def test_a_second_counts_for_the_innermost_phase_alone() -> None:
    phases = Phases()
    with phases("outer"):
        spend(0.02)
        phases.timed("inner", spend)(0.2)
        spend(0.02)
    spend(0.1)
    assert phases.seconds["inner"] == pytest.approx(0.2, abs=0.05)
    assert 0.04 <= phases.seconds["outer"] < 0.15
    assert set(phases.seconds) == {"outer", "inner"}


def test_a_phase_ends_with_an_exception() -> None:
    phases = Phases()
    with pytest.raises(KeyError), phases("failing"):
        raise KeyError
    before = phases.seconds["failing"]
    with phases("next"):
        spend(0.01)
    assert phases.seconds["failing"] == before


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_the_processors_clock_counts_what_a_living_child_computes() -> None:
    seconds = clock("cpu")
    context = multiprocessing.get_context("fork")
    ready, done = context.Event(), context.Event()

    def work() -> None:
        spend(0.5)
        ready.set()
        done.wait(30)

    start = seconds()
    child = context.Process(target=work)
    child.start()
    assert ready.wait(60)
    spent = seconds() - start
    done.set()
    child.join()
    # On a busy machine half a second of the wall is less than half a second of a processor.
    assert spent > 0.1


def test_waiting_costs_no_seconds_of_the_processors() -> None:
    if sys.platform != "linux":
        pytest.skip("reads /proc")
    seconds = clock("cpu")
    start = seconds()
    time.sleep(0.3)
    assert seconds() - start < 0.2
