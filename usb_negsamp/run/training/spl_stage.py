"""SPL's stage as a run shows it: a line, a row and TensorBoard points a round, and the figure of its layers.

It also watches for signals between the stage's steps, each of which is a place to go on from.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from usb_negsamp.host import Hook
from usb_negsamp.host.algorithm import HostAlgorithm
from usb_negsamp.run.figures.picture import write_picture
from usb_negsamp.run.records.directory import KEPT_RATIO, METRICS
from usb_negsamp.run.records.metrics import append_metrics, read_metrics, write_metrics
from usb_negsamp.run.records.scalars import finite_or_none
from usb_negsamp.run.training.interruption import InterruptionHook, leave_if_asked
from usb_negsamp.run.training.session import Session

LAYER = "train/spl_kept_ratio/"

if TYPE_CHECKING:
    from usb_negsamp.algorithms.spl.spl import SPLWrapper
    from usb_negsamp.algorithms.spl.stage import Stage


class StageHook(Hook):
    """Records the rounds of the stage and ends it where a signal came.

    Args:
        session: of the run; its first process writes.
    """

    settings_only = True

    def __init__(self, session: Session) -> None:
        self.session = session
        self.metrics = session.directory / METRICS
        self.has_begun = False

    def before_spl_stage(self, algorithm: SPLWrapper) -> None:
        """Take over the watch for signals; write the rounds that a resumed stage has done, and no others.

        Of several stages, one for each rate, the first of this session alone.
        """
        if self.has_begun:
            return
        self.has_begun = True
        # The other hook would stop inside a step of the stage.
        algorithm.hooks_dict = OrderedDict(
            (name, hook) for name, hook in algorithm.hooks_dict.items() if not isinstance(hook, InterruptionHook)
        )
        if not self.session.process.is_main:
            return
        records = [record for record in read_metrics(self.metrics) if "train/spl_round" not in record]
        assert algorithm.selection is not None
        done = algorithm.selection.records
        records += [_row(algorithm, record) for record in done]
        write_metrics(self.metrics, records)
        for record in done:
            self._to_tensorboard(algorithm, record)

    def after_spl_step(self, algorithm: SPLWrapper) -> None:
        """Leave after the step in which a signal came; several processes leave at the end of a round."""
        if not self.session.process.distributed:
            leave_if_asked(self.session, algorithm, algorithm.num_train_iter)

    def after_spl_round(self, algorithm: SPLWrapper) -> None:
        """Write the round, then leave if a signal came."""
        stage = stage_of(algorithm)
        record = stage.history[-1]
        if self.session.process.is_main:
            append_metrics(self.metrics, _row(algorithm, record))
            self._to_tensorboard(algorithm, record)
            self.session.console.line(round_line(record, algorithm.spl_settings))
        leave_if_asked(self.session, algorithm, algorithm.num_train_iter)

    def after_spl_stage(self, algorithm: SPLWrapper) -> None:
        """Draw the figure."""
        stage = stage_of(algorithm)
        if not self.session.process.is_main or not stage.masks:
            return
        try:
            draw_kept_ratio(stage.history, stage.best["round"], self.metrics.with_name(KEPT_RATIO))
        except Exception as error:  # a picture must not cost a finished run its results
            self.session.console.line(f"usb-negsamp: no {KEPT_RATIO}: {type(error).__name__}: {error}")

    def _to_tensorboard(self, algorithm: HostAlgorithm, record: Mapping[str, float]) -> None:
        if algorithm.tb_log is not None:
            algorithm.tb_log.update(record, algorithm.num_train_iter + int(record["train/spl_steps"]))


def stage_of(algorithm: SPLWrapper) -> Stage:
    """The stage that ``algorithm`` is in."""
    assert algorithm.stage is not None
    return algorithm.stage


def round_line(record: Mapping[str, float], settings: Any) -> str:
    """Return the line that is shown for a round.

    Args:
        record: the round's.
        settings: has the most ``rounds``, and the ``rates`` that are tried; a choice is shown by its rate.

    >>> from types import SimpleNamespace
    >>> record = {"train/spl_round": 2.0, "train/spl_v1_loss": 0.5, "eval/spl_v2_acc": 0.9, "train/spl_v1_lr": 30.0}
    >>> round_line(record, SimpleNamespace(rounds=10, rates=(30.0,)))
    'spl round 2/10  V1 loss 0.5000  V2 acc 90.00%'
    >>> round_line(record, SimpleNamespace(rounds=10, rates=(10.0, 30.0)))
    'spl rate 30 round 2/10  V1 loss 0.5000  V2 acc 90.00%'
    """
    rate = f"rate {record['train/spl_v1_lr']:g} " if len(settings.rates) > 1 else ""
    parts = [
        f"spl {rate}round {record['train/spl_round']:.0f}/{settings.rounds}",
        f"V1 loss {record['train/spl_v1_loss']:.4f}",
        f"V2 acc {100 * record['eval/spl_v2_acc']:.2f}%",
    ]
    if "train/spl_swaps" in record:
        parts.append(f"kept {100 * record['train/spl_kept_ratio']:.1f}%")
        parts.append(f"swapped {100 * record['train/spl_swaps']:.2f}%")
    return "  ".join(parts)


def draw_kept_ratio(history: Sequence[Mapping[str, float]], chosen: int, path: Path) -> None:
    """Draw the share of weights kept in each layer, from input to output (Figure 4 of the paper), to ``path``.

    Args:
        history: the stage's records, the first of the network as identified.
        chosen: the round whose network was chosen.
        path: the PNG file to write.
    """
    from matplotlib.figure import Figure

    layers = [name.removeprefix(LAYER) for name in history[0] if name.startswith(LAYER)]
    figure = Figure(figsize=(max(5.0, 0.28 * len(layers) + 2.0), 4.2), layout="constrained")
    axes = figure.subplots()
    shown = {"as identified": history[0], f"round {chosen}": history[chosen]}
    series = {label: [100 * record[LAYER + layer] for layer in layers] for label, record in shown.items()}
    if len(set(map(tuple, series.values()))) == 1:
        # A hard mask keeps its shares.
        series = {"each layer": next(iter(series.values()))}
    for (label, values), marker in zip(series.items(), "os", strict=False):
        axes.plot(range(len(layers)), values, marker=marker, markersize=4, linewidth=1.2, label=label)
    overall = 100 * history[chosen]["train/spl_kept_ratio"]
    axes.axhline(overall, color="black", linestyle="--", linewidth=1.0, label=f"all layers, {overall:.1f}%")
    axes.set_xticks(range(len(layers)), layers, rotation=90, fontsize=7)
    axes.set_ylim(0, 102)
    axes.set_ylabel("weights kept (%)")
    axes.set_xlabel("layer, from input to output")
    axes.grid(alpha=0.3)
    axes.legend(frameon=False)
    write_picture(figure, path)


def _row(algorithm: HostAlgorithm, record: Mapping[str, float]) -> dict[str, Any]:
    numbers = {name: finite_or_none(value) for name, value in record.items()}
    return {"it": algorithm.num_train_iter + int(record["train/spl_steps"]), **numbers}
