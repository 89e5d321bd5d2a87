"""SPL: safe parameter learning after the training of any algorithm of the host (He et al., AAAI 2022)."""

from __future__ import annotations

import os
from contextlib import nullcontext
from typing import Any

import torch
from torch import Tensor

from usb_negsamp.algorithms.spl.estimation import check_estimable, estimated_mismatch
from usb_negsamp.algorithms.spl.evaluation import evaluated, start_figures, threshold_of
from usb_negsamp.algorithms.spl.identification import kept_ratio, known_mismatch
from usb_negsamp.algorithms.spl.masked import fold, maskable_layers, take_off
from usb_negsamp.algorithms.spl.saved_stage import check_stage
from usb_negsamp.algorithms.spl.selection import Selection
from usb_negsamp.algorithms.spl.settings import SPLSettings
from usb_negsamp.algorithms.spl.source import carried_by_source
from usb_negsamp.algorithms.spl.stage import Stage
from usb_negsamp.algorithms.spl.steps import PERTURBED_VIEW
from usb_negsamp.algorithms.spl.validation import Validation, inputs_and_labels, validation_of
from usb_negsamp.host.checkpoints.file import write_checkpoint
from usb_negsamp.host.checkpoints.form import own_entries
from usb_negsamp.host.checkpoints.resume import saved_before_training
from usb_negsamp.host.evaluation.batch_norm import batch_statistics_as_they_are
from usb_negsamp.host.evaluation.use import entries_of_use
from usb_negsamp.host.wrapping.after_training import (
    follow_anew,
    make_carried_state,
    state_of_run,
    trained_state,
    wrap_anew,
)
from usb_negsamp.host.wrapping.among_processes import network_of
from usb_negsamp.host.wrapping.carried_state import CarryingWrapper, copied

MODEL_FILE = "model_spl.pth"


class SPLWrapper(CarryingWrapper):
    """Trains as the algorithm it wraps, then learns which weights are safe. Its keys: :class:`SPLSettings`.

    ``train()`` is the base's own, bit for bit. ``finetune()``, which the launcher calls after it, starts from the
    trained averaged weights (which are the live ones where ``ema_m`` is 0), learns mask and weights in turn, and
    leaves the network of the best round on V2 in ``model`` and ``ema_model``, the mask folded in, and in
    ``model_spl.pth``. What is evaluated are the masked weights themselves, not their average over the stage.
    ``results_dict`` gets ``eval/spl_acc`` (V2) and ``test/spl_acc``; the same of the start as the training evaluates
    it, ``spl_start_acc``, and with batch statistics estimated anew, ``spl_start_reestimated_acc``; ``eval/spl_round``,
    ``eval/spl_kept_ratio``, ``eval/spl_v1_lr`` and, where the ratio follows from it, ``train/spl_mismatch``; on an
    open-set split also the figures of :mod:`usb_negsamp.host.evaluation.open_set` before and after, with
    ``spl_start_open`` and ``spl_open`` in the place of ``open``.

    With ``spl_from`` what the base carries from step to step (thresholds, memory banks) comes from the other run too,
    if its algorithm is the same, so that the stage is the one that this run would have after that training.
    """

    wrapper_name = "spl"
    takes_texts_and_sounds = True
    paper = "He, Han, Yang, Yin, AAAI 2022"
    settings_class = SPLSettings

    spl_settings: SPLSettings
    selection: Selection | None
    resumed_stage: dict[str, Any] | None
    trained: dict[str, Any]
    """The checkpoint that the training left."""
    start_state: dict[str, Tensor]
    start_carried: dict[str, Any]

    def __init__(self, args: Any, *rest: Any, **kwargs: Any) -> None:
        self.spl_settings = SPLSettings.from_arguments(args)
        self.selection = self.resumed_stage = None
        self.trained, self.start_state, self.start_carried = {}, {}, {}
        super().__init__(args, *rest, **kwargs)
        seed = getattr(args, "split_seed", None)
        self.validation: Validation = validation_of(
            self, self.spl_settings.validation_fraction, args.seed if seed is None else seed
        )
        self.mismatch = known_mismatch(self.spl_settings, self.dataset_dict)
        if self.spl_settings.mismatch == "estimate":
            check_estimable(self.validation)
        self.layers_to_mask()
        self.source_state: dict[str, Tensor] | None = None
        if self.spl_settings.source is not None:
            network = network_of(self.model)
            self.source_state = state_of_run(self.spl_settings.source, self.spl_settings.start, network, "spl_from")

    @classmethod
    def views_needed(cls, args: Any) -> tuple[str, ...]:
        """Two weak views where equation 6 compares them."""
        own = ("x_ulb_w", PERTURBED_VIEW) if args.spl_outer == "eq6" else ()
        return (*super().views_needed(args), *own)

    def layers_to_mask(self) -> list[str]:
        """Paths of the layers that are masked; none for a control.

        Raises:
            ConfigError: the network has none.
        """
        if not self.spl_settings.masks_weights:
            return []
        [batch] = self.validation.batches(self.validation.second[:1], 1)
        inputs, _ = inputs_and_labels(self, batch)
        network = network_of(self.model)
        return maskable_layers(network, inputs, with_head=self.spl_settings.mask_head)

    def train(self) -> None:
        """The base's training, unless the stage starts from another run's weights or from random ones."""
        if not self.spl_settings.skips_training:
            super().train()
            return
        if self.source_state is not None:
            for model in (self.model, self.ema_model):
                network_of(model).load_state_dict(self.source_state)
        self.it = self.num_train_iter
        self.epoch = self.start_epoch = self.epochs
        self.model.train()
        self.call_hook("before_run")
        if self.resumed_stage is None:
            make_carried_state(self)
            if self.spl_settings.source is not None:
                self.carry_on_from_source(self.spl_settings.source)
        self.best_eval_acc = self.evaluate("eval")["eval/top-1-acc"]
        self.best_it = self.num_train_iter - 1
        # The end of a run evaluates its best model from the file.
        self.save_on_main("model_best.pth")
        self.call_hook("after_run")

    def finetune(self) -> None:
        """Learn the mask and the weights under it; see the class."""
        resumed, settings = self.resumed_stage, self.spl_settings
        self.trained = copied(self.saved_inside())
        self.start_state = trained_state(self, settings.start)
        if len(settings.rates) > 1:
            self.start_carried = copied(self.carried(with_hooks=True)) if resumed is None else resumed["start_carried"]
        self.go_to_start_weights()
        layers = self.layers_to_mask()
        ratio, mismatch = 1.0 if resumed is None else resumed["ratio"], None
        if layers and resumed is None:
            mismatch = self.mismatch_at_start()
            ratio = kept_ratio(settings, mismatch, self.dataset_dict)

        def new_stage(rate: float | None, steps_before: int) -> Stage:
            return Stage(self, settings, self.validation, layers, ratio, rate, steps_before, self.save_latest)

        seed = (self.args.seed, self.rank)
        self.selection = Selection(seed, settings.rates_at(ratio), new_stage, self.back_to_start)
        if resumed is None:
            self.selection.start = start_figures(self, self.validation)
            if mismatch is not None:
                self.selection.start["train/spl_mismatch"] = mismatch
        self.selection.run(resumed)
        self.finish(self.selection)

    @property
    def stage(self) -> Stage | None:
        """The stage that is gone through; after the last one it."""
        return None if self.selection is None else self.selection.stage

    def go_to_start_weights(self) -> None:
        """Give both models the weights that the stage starts from."""
        for model in (self.model, self.ema_model):
            network_of(model).load_state_dict(self.start_state)
        follow_anew(self)

    def back_to_start(self) -> None:
        """From the end of a stage to where it began: no mask, the weights, and what the algorithm carried then."""
        assert self.stage is not None
        for model in (self.model, self.ema_model):
            take_off(network_of(model), self.stage.masks)
        wrap_anew(self)
        self.go_to_start_weights()
        self.carry_on_with(self.start_carried)

    def mismatch_at_start(self) -> float | None:
        """delta, estimated by the trained network where it is not known; None where no ratio follows from it."""
        if self.spl_settings.mismatch != "estimate" or not self.spl_settings.needs_mismatch:
            return self.mismatch
        mismatch = estimated_mismatch(self, self.validation)
        self.print_fn(f"spl: estimated mismatch {mismatch:.4g}")
        return mismatch

    @torch.no_grad()
    def finish(self, selection: Selection) -> None:
        """Leave the chosen network, its mask folded in; evaluate it, and write it and its masks."""
        stage, chosen = selection.stage, selection.chosen
        assert stage is not None
        # What looks at the stage from now on sees the chosen one.
        stage.rate, stage.history, stage.best = chosen
        masks, best = stage.masks, stage.best
        network, averaged = (network_of(model) for model in (self.model, self.ema_model))
        network.load_state_dict(best["state"])
        kept = {f"{path}.weight": mask.kept.cpu() for path, mask in masks.items()}
        is_soft = self.spl_settings.mask == "soft"
        soft = {f"{path}.weight": mask.mask.cpu() for path, mask in masks.items()} if is_soft else {}
        take_off(averaged, masks)
        fold(network, masks)
        wrap_anew(self)
        averaged.load_state_dict(network.state_dict())
        follow_anew(self)
        results = selection.results()
        with nullcontext() if best["inert"] else batch_statistics_as_they_are(self):
            results.update(evaluated(self, "spl"))
            threshold = threshold_of(self)
        self.results_dict.update(results)
        self.show(results)
        if self.is_main:
            checkpoint = {
                "model": network.state_dict(),
                "ema_model": network.state_dict(),
                "it": self.it,
                "best_it": self.best_it,
                "best_eval_acc": self.best_eval_acc,
                "masks": kept,
                "soft_masks": soft,
                "spl": {"ratio": stage.ratio, "v1_lr": stage.rate, "round": best["round"], "history": stage.history},
                **entries_of_use(self, threshold),
            }
            write_checkpoint(checkpoint, os.path.join(self.run_directory, MODEL_FILE))
        self.call_hook("after_spl_stage")
        if self.distributed:
            torch.distributed.barrier()

    def show(self, results: dict[str, float]) -> None:
        """Log the stage's figures, as the host's launcher does those of the training before it, and on TensorBoard."""
        for name, value in results.items():
            self.print_fn(f"Model result - {name} : {value}")
        if self.tb_log is not None and self.is_main:
            self.tb_log.update(results, self.num_train_iter)

    def carry_on_from_source(self, source: str) -> None:
        """Carry on as the algorithm of the run ``source`` left off, if it is the same one; else say so."""
        carried, reason = carried_by_source(source, self.args.algorithm, self.validation.seed, self.saved_inside())
        if carried is not None:
            self.carry_on_with(carried)
        elif reason:
            self.print_fn(
                f"spl: what {self.base_name} carries from step to step starts afresh, not as {source} left it: {reason}"
            )

    def get_save_dict(self) -> dict[str, Any]:
        """The base's entries, those of the stage as the training left them, and the stage's own beside them."""
        if self.stage is not None:
            assert self.selection is not None
            return {**self.trained, "spl": {**self.selection.state(), "start_carried": self.start_carried}}
        saved = self.saved_inside()
        return saved if self.resumed_stage is None else {**saved, "spl": self.resumed_stage}

    def load_model(self, load_path: str) -> Any:
        """Load the base's entries, and keep those of the stage for :meth:`finetune`.

        Raises:
            ConfigError: they are not those of a stage that this run can go on from.
        """
        present = own_entries(saved_before_training(self))
        checkpoint = super().load_model(load_path)
        if checkpoint is not None and "spl" in checkpoint:
            check_stage(checkpoint["spl"], self, self.layers_to_mask(), present, load_path)
            self.resumed_stage = checkpoint["spl"]
        return checkpoint

    def save_latest(self) -> None:
        """Save the stage's state."""
        self.save_on_main("latest_model.pth")

    def save_on_main(self, name: str) -> None:
        """Save a checkpoint from the first process, and let the others wait for it."""
        if self.is_main:
            self.save_model(name, self.run_directory)
        if self.distributed:
            torch.distributed.barrier()

    @property
    def is_main(self) -> bool:
        """Whether this process writes."""
        return not self.distributed or self.rank == 0

    @property
    def run_directory(self) -> str:
        """The run's folder."""
        return os.path.join(self.save_dir, self.save_name)
