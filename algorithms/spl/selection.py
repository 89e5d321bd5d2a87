"""Stages that differ in the rate of their steps on V1 alone, one after the other; the best round of all is chosen."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

from usb_negsamp.algorithms.spl.stage import Stage, rank
from usb_negsamp.host.randomness import keyed_randomness, mix

_STREAM = 0x5B1


class Outcome(NamedTuple):
    """What a stage came to: its rate on V1, its records, and its best round, with the network's state if it leads."""

    rate: float | None
    history: list[dict[str, float]]
    best: dict[str, Any]

    @property
    def rank(self) -> tuple[float, float]:
        """Larger for the better one on V2."""
        return rank(self.best["accuracy"], self.best["loss"])


class Selection:
    """Goes through a stage for each of ``rates``, every one from the same start and the same random draws.

    Args:
        seed: of the draws, with the number of the process; they follow from it alone, whatever went before.
        rates: of the steps on V1; a single one is no choice.
        make_stage: a new stage, given its rate and the number of steps that stages before it took.
        back_to_start: brings network, average and all that the algorithm carries back to where the first stage began.

    Attributes:
        start: figures of the network that the stages start from.
        finished: outcomes of the stages that are done.
    """

    def __init__(
        self,
        seed: tuple[int, int],
        rates: tuple[float | None, ...],
        make_stage: Callable[[float | None, int], Stage],
        back_to_start: Callable[[], None],
    ) -> None:
        self.key = mix(*seed, _STREAM)
        self.rates, self.make_stage, self.back_to_start = rates, make_stage, back_to_start
        self.start: dict[str, float] = {}
        self.finished: list[Outcome] = []
        self.stage: Stage | None = None

    def run(self, state: dict[str, Any] | None = None) -> None:
        """Go through the stages that are left, from ``state`` on where there is one."""
        if state is not None:
            self.start = state["start"]
            self.finished = [Outcome(**outcome) for outcome in state["finished"]]
        first = len(self.finished)
        for number in range(first, len(self.rates)):
            if number > first:
                self.back_to_start()
            steps_before = sum(int(outcome.history[-1]["train/spl_steps"]) for outcome in self.finished[-1:])
            self.stage = self.make_stage(self.rates[number], steps_before)
            with keyed_randomness(self.key):
                self.stage.run(state if number == first else None)
            self._finish(self.stage)

    def _finish(self, stage: Stage) -> None:
        self.finished.append(Outcome(stage.rate, stage.history, stage.best))
        leader = self.chosen
        # One network is enough to keep.
        self.finished = [
            outcome if outcome is leader else outcome._replace(best=_without_state(outcome.best))
            for outcome in self.finished
        ]

    @property
    def chosen(self) -> Outcome:
        """The best outcome on V2; of equal ones the first."""
        return max(self.finished, key=lambda outcome: outcome.rank)

    @property
    def records(self) -> list[dict[str, float]]:
        """The records of all rounds so far, in the order in which they were gone through."""
        present = [] if self.stage is None or len(self.finished) == len(self.rates) else self.stage.history
        return [record for outcome in self.finished for record in outcome.history] + present

    def results(self) -> dict[str, float]:
        """What was chosen, and with several rates the best accuracy on V2 of each, ``eval/spl_acc_at/RATE``."""
        rate, history, best = self.chosen
        results = {
            **self.start,
            "eval/spl_acc": best["accuracy"],
            "eval/spl_round": best["round"],
            "eval/spl_kept_ratio": history[best["round"]].get("train/spl_kept_ratio", 1.0),
        }
        if rate is not None:
            results["eval/spl_v1_lr"] = rate
        if len(self.finished) > 1:
            results.update({f"eval/spl_acc_at/{each.rate:g}": each.best["accuracy"] for each in self.finished})
        return results

    def state(self) -> dict[str, Any]:
        """Everything that the rest depends on, but what :attr:`back_to_start` goes back to."""
        assert self.stage is not None
        return {
            **self.stage.state(),
            "start": self.start,
            "finished": [outcome._asdict() for outcome in self.finished],
        }


def _without_state(best: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in best.items() if name != "state"}
