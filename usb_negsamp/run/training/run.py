"""One run: the stages of the host's own launcher, with a run that can be stopped, resumed and cited."""

from __future__ import annotations

import gc
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from usb_negsamp.errors import ConfigError
from usb_negsamp.host.algorithm import HostAlgorithm
from usb_negsamp.host.build import build_algorithm, check_network
from usb_negsamp.host.datasets.built_data import BuiltData
from usb_negsamp.host.datasets.seeded_loading import let_workers_go
from usb_negsamp.run.configuration.checks import check
from usb_negsamp.run.configuration.processes import Process
from usb_negsamp.run.configuration.resolution import Resolved
from usb_negsamp.run.records.directory import (
    LATEST,
    MANIFEST,
    METRICS,
    TENSORBOARD,
    check_directory,
    prepare_directory,
    remove_files_of_start,
    written_files,
)
from usb_negsamp.run.records.manifest import Manifest
from usb_negsamp.run.records.metrics import MetricsHook, save_after_metrics
from usb_negsamp.run.records.split_file import write_split
from usb_negsamp.run.records.versions import device_name
from usb_negsamp.run.training.console import Console
from usb_negsamp.run.training.determinism import seed_everything
from usb_negsamp.run.training.interruption import Interrupted, InterruptionHook, agreed_signal
from usb_negsamp.run.training.outcome import report_outcome
from usb_negsamp.run.training.process_group import wait_for_all, while_all_are_there
from usb_negsamp.run.training.progress import ProgressHook
from usb_negsamp.run.training.resume import bring_best_model, check_same_configuration, check_source, go_on_from
from usb_negsamp.run.training.session import Session, choose_device, open_session
from usb_negsamp.run.training.spl_stage import StageHook
from usb_negsamp.run.training.summary import of_iteration, what_is_done
from usb_negsamp.run.training.tensorboard import TensorBoardHook


def carry_out(resolved: Resolved, argv: Sequence[str], process: Process) -> int:
    """Check what is asked, and train; return the exit code.

    Args:
        resolved: the configuration; its ``args`` are told of the device and of the processes.
        argv: the command line, for the manifest.
        process: which process of how many this is.

    Raises:
        ConfigError: the request cannot be carried out.
    """
    args = resolved.args
    check(args, process, resolved.given)
    checkpoint = check_directory(args)
    console = Console(active=process.is_main)
    for note in resolved.notes:
        console.line(f"usb-negsamp: {note}")
    device = choose_device(args, process)
    with open_session(args, process, console, device.type) as session:
        return _Run(session, resolved, argv, checkpoint).execute()


class _Run:
    """One session of one run, from the build to the summary.

    Args:
        session: the means.
        resolved: the configuration.
        argv: the command line, for the manifest.
        checkpoint: what to go on from; None for a new run.
    """

    def __init__(self, session: Session, resolved: Resolved, argv: Sequence[str], checkpoint: Path | None) -> None:
        self.session, self.resolved, self.argv, self.checkpoint = session, resolved, argv, checkpoint
        self.progress = ProgressHook(session.console)
        self.has_begun = False

    def execute(self) -> int:
        """Carry the run out and return the exit code; a start that fails before the first step leaves no trace."""
        self.before = written_files(self.session.directory)
        try:
            return self._execute()
        finally:
            let_workers_go()
            # An iterator of a loader that is left in a circle would lose its workers to the interpreter's exit, which
            # PyTorch reports as their failure.
            gc.collect()
            if not self.has_begun and self.checkpoint is None and self.session.process.is_main:
                remove_files_of_start(self.session.directory, self.before)

    def _execute(self) -> int:
        """Build, resume, open the folder, train, fine-tune, report; return the exit code."""
        session, args = self.session, self.resolved.args
        seed_everything(args.seed)
        with while_all_are_there(session.process):
            algorithm, data = build_algorithm(args, session.log.logger, session.tensorboard)
        # The data set counts the labels where all images are labeled.
        config = data.counted(self.resolved.mapping)
        if session.signals.signum and not session.process.distributed:
            # It came during the build: there is nothing to save yet.
            return 128 + session.signals.signum
        if self.checkpoint is not None:
            go_on_from(self.checkpoint, algorithm, session.directory, config, data)
        elif args.resume:
            check_same_configuration(session.directory, config)
        check_source(args, data)
        with while_all_are_there(session.process):
            check_network(algorithm)
            # Nothing is written where one fails alone.
            wait_for_all(session.process)
        with ExitStack() as held:
            held.enter_context(session.alone_in_directory())
            if session.process.is_main:
                # Who writes is not ended in the middle of it; the others are as long as they wait for it.
                held.enter_context(session.catching_signals())
            self._announce(algorithm, data, config)
            manifest = self._open_directory(algorithm, data, config)
            with while_all_are_there(session.process):
                wait_for_all(session.process)
            if not session.process.is_main:
                held.enter_context(session.catching_signals())
            self._register_hooks(algorithm, data, config)
            return self._train(algorithm, manifest)

    def _announce(self, algorithm: HostAlgorithm, data: BuiltData, config: Mapping[str, Any]) -> None:
        what = what_is_done(config, config["num_train_iter"])
        device = device_name(next(algorithm.model.parameters()).device)
        self.session.console.line(
            f"usb-negsamp: {config['algorithm']} on {config['dataset']}, {what} on {device}, "
            f"into {self.session.directory}"
            + (f", from {of_iteration(config, algorithm.it)}{self.checkpoint}" if self.checkpoint else "")
        )
        if self.checkpoint == self.session.directory / LATEST and not (self.session.directory / MANIFEST).is_file():
            # The host's own script writes none; a run of ours has lost what a resume is compared with.
            self.session.console.line(
                f"usb-negsamp: {self.session.directory} holds no {MANIFEST}: it is not known whether its run was asked "
                "the same"
            )
        for line in data.lines:
            self.session.console.line(f"usb-negsamp: {line}")

    def _open_directory(self, algorithm: HostAlgorithm, data: BuiltData, config: Mapping[str, Any]) -> Manifest | None:
        """Begin the files of the run, in the first process; return its manifest."""
        session, args = self.session, self.resolved.args
        if not session.process.is_main:
            return None
        prepare_directory(session.directory, stale=self.before if self.checkpoint is None else {})
        manifest = Manifest(
            session.directory / MANIFEST,
            config=config,
            argv=self.argv,
            data=data,
            device=next(algorithm.model.parameters()).device,
            world_size=session.process.world_size,
            resumed_from=self.checkpoint,
        )
        # First of all: what has a manifest can be gone on with.
        manifest.write()
        if self.checkpoint is not None:
            bring_best_model(self.checkpoint, session.directory, algorithm)
        if data.split is not None:
            write_split(session.directory, data.split)
        session.log.open(session.directory)
        if args.use_tensorboard:
            session.tensorboard.open(session.directory / TENSORBOARD, algorithm.it)
        session.log.logger.info("configuration: %s", config)
        for line in data.log:
            session.log.logger.info("%s", line)
        return manifest

    def _register_hooks(self, algorithm: HostAlgorithm, data: BuiltData, config: Mapping[str, Any]) -> None:
        """Add our hooks, after the resume, so that nothing of theirs is taken from a checkpoint."""
        algorithm.register_hook(self.progress, None, "LOWEST")
        if self.session.process.is_main:
            algorithm.register_hook(MetricsHook(self.session.directory / METRICS), None, "LOWEST")
            if self.resolved.args.use_tensorboard:
                figures = data.figures or {}
                classes = figures.get("seen_classes") or figures.get("classes") or ()
                hook = TensorBoardHook(self.session.tensorboard, config, classes)
                algorithm.register_hook(hook, None, "LOWEST")
        save_after_metrics(algorithm)
        algorithm.register_hook(InterruptionHook(self.session), None, "LOWEST")
        algorithm.register_hook(StageHook(self.session), None, "LOWEST")

    def _train(self, algorithm: HostAlgorithm, manifest: Manifest | None) -> int:
        """Go through the stages; whatever ends them, the manifest says so. Return the exit code."""
        session = self.session
        try:
            iterations_done = self._go_through_stages(algorithm)
        except Interrupted as interrupted:
            self.has_begun = True
            self._end(manifest, str(interrupted), interrupted.iterations_done)
            session.console.line(
                f"usb-negsamp: {interrupted}; saved {of_iteration(self.resolved.mapping, interrupted.iterations_done)}"
                f"{session.directory / LATEST}, `usb-negsamp train --resume {session.directory}` goes on from there"
            )
            return 128 + interrupted.signum
        except BaseException as error:
            self.has_begun = algorithm.it > 0 or not isinstance(error, ConfigError)
            reason = " ".join(f"{type(error).__name__}: {error}".split())
            self._end(manifest, f"error: {reason}", algorithm.it)
            raise
        self.has_begun = True
        self._close()
        if manifest is not None:
            manifest.close("finished", iterations_done)
            report_outcome(
                algorithm.results_dict, manifest, session.directory, session.console, self.resolved.args.curve
            )
        return 0

    def _go_through_stages(self, algorithm: HostAlgorithm) -> int:
        """Warm up, train and fine-tune, as far as the algorithm does; return the iterations of the training."""
        session, info = self.session, self.session.log.logger.info
        if hasattr(algorithm, "warmup"):
            info("warmup stage")
            algorithm.warmup()
        algorithm.train()
        iterations_done: int = algorithm.it
        for name, value in algorithm.results_dict.items():
            info("result - %s : %s", name, value)
        if hasattr(algorithm, "finetune"):
            signum = agreed_signal(session, algorithm)
            if signum:
                raise Interrupted(signum, algorithm.it)
            info("finetune stage")
            before = dict(algorithm.results_dict)
            algorithm.finetune()
            for name, value in algorithm.results_dict.items():
                if name not in before:
                    info("result - %s : %s", name, value)
        wait_for_all(session.process)
        return iterations_done

    def _end(self, manifest: Manifest | None, reason: str, iterations_done: int) -> None:
        self._close()
        if manifest is not None:
            manifest.close(reason, iterations_done)
            manifest.write()

    def _close(self) -> None:
        self.progress.close()
        self.session.tensorboard.close()
