"""SPL: safe parameter learning after the training of any algorithm of the host (He et al., AAAI 2022)."""

from __future__ import annotations

import copy
import os
from contextlib import nullcontext
from typing import Any

import torch
from torch import Tensor

from usb_negsamp.algorithms.spl.estimation import check_estimable, estimated_mismatch
from usb_negsamp.algorithms.spl.identification import kept_ratio, known_mismatch
from usb_negsamp.algorithms.spl.masked import fold, maskable_layers, take_off
from usb_negsamp.algorithms.spl.settings import SPLSettings
from usb_negsamp.algorithms.spl.stage import Stage
from usb_negsamp.algorithms.spl.steps import PERTURBED_VIEW
from usb_negsamp.algorithms.spl.validation import Validation, inputs_and_labels, validation_of
from usb_negsamp.host.checkpoints.file import write_checkpoint
from usb_negsamp.host.evaluation.batch_norm import batch_statistics_as_they_are
from usb_negsamp.host.evaluation.open_set import open_set_figures, open_set_of
from usb_negsamp.host.wrapping.after_training import (
    follow_anew,
    make_carried_state,
    network_of,
    pair_state,
    state_of_run,
    trained_state,
    wrap_anew,
)
from usb_negsamp.host.wrapping.wrapper import Wrapper

MODEL_FILE = "model_spl.pth"


class SPLWrapper(Wrapper):
    """Trains as the algorithm it wraps, then learns which weights are safe. Its keys: :class:`SPLSettings`.

    ``train()`` is the base's own, bit for bit. ``finetune()``, which the launcher calls after it, starts from the
    trained averaged weights (which are the live ones where ``ema_m`` is 0), learns mask and weights in turn, and
    leaves the network of the best round on V2 in ``model`` and ``ema_model``, the mask folded in, and in
    ``model_spl.pth``. What is evaluated are the masked weights themselves, not their average over the stage.
    ``results_dict`` gets ``eval/spl_acc`` and ``eval/spl_start_acc`` (V2), ``test/spl_acc``, ``test/spl_start_acc``,
    ``eval/spl_round``, ``eval/spl_kept_ratio`` and, where the ratio follows from it, ``train/spl_mismatch``; on an
    open-set split also the figures of :mod:`usb_negsamp.host.evaluation.open_set` before and after, with
    ``spl_start_open`` and ``spl_open`` in the place of ``open``.

    With ``spl_from`` the weights alone come from the other run: what the base carries from step to step (thresholds,
    memory banks) starts afresh.
    """

    wrapper_name = "spl"
    settings_class = SPLSettings

    spl_settings: SPLSettings
    stage: Stage | None
    resumed_stage: dict[str, Any] | None
    trained: dict[str, Any]

    def __init__(self, args: Any, *rest: Any, **kwargs: Any) -> None:
        self.spl_settings = SPLSettings.from_arguments(args)
        self.stage = self.resumed_stage = None
        self.trained = {}
        super().__init__(args, *rest, **kwargs)
        seed = getattr(args, "split_seed", None)
        self.validation: Validation = validation_of(
            self, self.spl_settings.validation_fraction, args.seed if seed is None else seed
        )
        self.mismatch = known_mismatch(self.spl_settings, self.dataset_dict)  # type: ignore[attr-defined]
        if self.spl_settings.mismatch == "estimate":
            check_estimable(self.validation)
        self.layers_to_mask()
        self.source_state: dict[str, Tensor] | None = None
        if self.spl_settings.source is not None:
            network = network_of(self.model)  # type: ignore[attr-defined, has-type]
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
        network = network_of(self.model)  # type: ignore[attr-defined, has-type]
        return maskable_layers(network, inputs, with_head=self.spl_settings.mask_head)

    def train(self) -> None:
        """The base's training, unless the stage starts from another run's weights or from random ones."""
        if not self.spl_settings.skips_training:
            super().train()  # type: ignore[misc]
            return
        if self.source_state is not None:
            for model in (self.model, self.ema_model):  # type: ignore[attr-defined, has-type]
                network_of(model).load_state_dict(self.source_state)
        self.it = self.num_train_iter  # type: ignore[attr-defined]
        self.epoch = self.start_epoch = self.epochs  # type: ignore[attr-defined]
        self.model.train()  # type: ignore[attr-defined, has-type]
        self.call_hook("before_run")  # type: ignore[attr-defined]
        if self.resumed_stage is None:
            make_carried_state(self)
        self.best_eval_acc = self.evaluate("eval")["eval/top-1-acc"]  # type: ignore[attr-defined]
        self.best_it = self.num_train_iter - 1  # type: ignore[attr-defined]
        # The end of a run evaluates its best model from the file.
        self.save_on_main("model_best.pth")
        self.call_hook("after_run")  # type: ignore[attr-defined]

    def finetune(self) -> None:
        """Learn the mask and the weights under it; see the class."""
        resumed, settings = self.resumed_stage, self.spl_settings
        self.trained = self.trained_entries()
        network = network_of(self.model)  # type: ignore[attr-defined, has-type]
        start = trained_state(self, settings.start)
        for model in (self.model, self.ema_model):  # type: ignore[attr-defined, has-type]
            network_of(model).load_state_dict(start)
        follow_anew(self)
        layers = self.layers_to_mask()
        ratio, mismatch = 1.0 if resumed is None else resumed["ratio"], None
        if layers and resumed is None:
            mismatch = self.mismatch_at_start()
            ratio = kept_ratio(settings, mismatch, self.dataset_dict)  # type: ignore[attr-defined]
        self.stage = Stage(self, settings, self.validation, layers, ratio, self.save_latest)
        if mismatch is not None:
            self.stage.start["train/spl_mismatch"] = mismatch
        if resumed is None:
            self.stage.start.update(self.evaluated("spl_start"))
        self.stage.run(resumed)
        network.load_state_dict(self.stage.best["state"])
        self.finish(self.stage)

    def mismatch_at_start(self) -> float | None:
        """delta, estimated by the trained network where it is not known; None where no ratio follows from it."""
        if self.spl_settings.mismatch != "estimate" or not self.spl_settings.needs_mismatch:
            return self.mismatch
        mismatch = estimated_mismatch(self, self.validation)
        self.print_fn(f"spl: estimated mismatch {mismatch:.4g}")  # type: ignore[attr-defined]
        return mismatch

    @torch.no_grad()
    def finish(self, stage: Stage) -> None:
        """Fold the mask in, evaluate, and write the network and its masks."""
        masks = stage.masks
        kept = {f"{path}.weight": mask.kept.cpu() for path, mask in masks.items()}
        is_soft = self.spl_settings.mask == "soft"
        soft = {f"{path}.weight": mask.mask.cpu() for path, mask in masks.items()} if is_soft else {}
        network, averaged = (network_of(model) for model in (self.model, self.ema_model))  # type: ignore[attr-defined, has-type]
        take_off(averaged, masks)
        fold(network, masks)
        wrap_anew(self)
        averaged.load_state_dict(network.state_dict())
        follow_anew(self)
        best = stage.best
        results = {
            **stage.start,
            "eval/spl_acc": best["accuracy"],
            "eval/spl_round": best["round"],
            "eval/spl_kept_ratio": stage.history[best["round"]].get("train/spl_kept_ratio", 1.0),
        }
        with nullcontext() if best["inert"] else batch_statistics_as_they_are(self):
            results.update(self.evaluated("spl"))
        self.results_dict.update(results)  # type: ignore[attr-defined]
        if self.is_main:
            checkpoint = {
                "model": network.state_dict(),
                "ema_model": network.state_dict(),
                "it": self.it,
                "best_it": self.best_it,
                "best_eval_acc": self.best_eval_acc,
                "masks": kept,
                "soft_masks": soft,
                "spl": {"ratio": stage.ratio, "round": best["round"], "history": stage.history},
            }
            write_checkpoint(checkpoint, os.path.join(self.run_directory, MODEL_FILE))
        self.call_hook("after_spl_stage")  # type: ignore[attr-defined]
        if self.distributed:  # type: ignore[attr-defined]
            torch.distributed.barrier()

    def evaluated(self, name: str) -> dict[str, float]:
        """``test/NAME_acc``, and of an open-set split ``test/NAME_open/...``, ``train/NAME_open/...``.

        Of two networks the figures are those of the one that the stage repairs, whatever the training reports.
        """
        results: dict[str, float] = {}
        if "test" in self.loader_dict:  # type: ignore[attr-defined]
            with getattr(self, "first_alone", nullcontext)():
                results[f"test/{name}_acc"] = self.evaluate("test")["test/top-1-acc"]  # type: ignore[attr-defined]
        data = open_set_of(self)
        if data is not None:
            for figure, value in open_set_figures(self, data).items():
                part = "" if figure.startswith("train/") else "test/"
                results[part + figure.replace("open/", f"{name}_open/", 1)] = value
        return results

    def trained_entries(self) -> dict[str, Any]:
        """The entries of a checkpoint that the stage changes, as the training left them."""
        saved = super().get_save_dict()  # type: ignore[misc]
        entries = {
            key: {name: tensor.detach().clone() for name, tensor in saved[key].items()}
            for key in ("model", "ema_model")
        }
        entries |= {key: saved[key] for key in ("optimizer", "scheduler") if key in saved}
        return entries | copy.deepcopy(pair_state(self))

    def get_save_dict(self) -> dict[str, Any]:
        """The base's entries, those of the stage as the training left them, and the stage's own beside them."""
        saved: dict[str, Any] = super().get_save_dict()  # type: ignore[misc]
        if self.stage is not None:
            return {**saved, **self.trained, "spl": self.stage.state()}
        return saved if self.resumed_stage is None else {**saved, "spl": self.resumed_stage}

    def load_model(self, load_path: str) -> Any:
        """Load the base's entries, and keep those of the stage for :meth:`finetune`."""
        checkpoint = super().load_model(load_path)  # type: ignore[misc]
        if checkpoint is not None:
            self.resumed_stage = checkpoint.get("spl")
        return checkpoint

    def save_latest(self) -> None:
        """Save the stage's state."""
        self.save_on_main("latest_model.pth")

    def save_on_main(self, name: str) -> None:
        """Save a checkpoint from the first process, and let the others wait for it."""
        if self.is_main:
            self.save_model(name, self.run_directory)  # type: ignore[attr-defined]
        if self.distributed:  # type: ignore[attr-defined]
            torch.distributed.barrier()

    @property
    def is_main(self) -> bool:
        """Whether this process writes."""
        return not self.distributed or self.rank == 0  # type: ignore[attr-defined, no-any-return]

    @property
    def run_directory(self) -> str:
        """The run's folder."""
        return os.path.join(self.save_dir, self.save_name)  # type: ignore[attr-defined]
