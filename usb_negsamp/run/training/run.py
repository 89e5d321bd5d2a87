"""``usb-negsamp train``: the stages of the host's own launcher, with a run that can be stopped, resumed and cited."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager, nullcontext
from pathlib import Path
from typing import Any

from usb_negsamp.errors import ConfigError
from usb_negsamp.run.configuration import resolution as configuration
from usb_negsamp.run.configuration.processes import Process, describe, from_environment
from usb_negsamp.run.records.directory import (
    CURVE,
    LATEST,
    MANIFEST,
    METRICS,
    RESULTS,
    TENSORBOARD,
    alone,
    check_directory,
    prepare_directory,
    run_directory,
)
from usb_negsamp.run.training.console import Console
from usb_negsamp.run.training.process_group import joined, wait_for_all


def train(argv: Sequence[str]) -> int:
    """Train as the command line asks; return the exit code.

    Returns:
        0 when finished; 128 + the signal's number when SIGINT or SIGTERM ended it, with a checkpoint saved.

    Raises:
        ConfigError: the request cannot be carried out.
    """
    process = from_environment()
    sources = configuration.read_sources(argv)

    import usb_negsamp

    usb_negsamp.register()
    resolved = configuration.resolve(sources)
    args = resolved.args

    from usb_negsamp.host import device as host_device
    from usb_negsamp.run.configuration.checks import check
    from usb_negsamp.run.training.determinism import determinism
    from usb_negsamp.run.training.run_log import run_log
    from usb_negsamp.run.training.signals import watching

    check(args, process, resolved.given)
    checkpoint = check_directory(args)
    console = Console(active=process.is_main)
    for note in resolved.notes:
        console.line(f"usb-negsamp: {note}")
    device = host_device.select(args.device)
    describe(args, process, device.type)
    with ExitStack() as stack:
        flag = stack.enter_context(watching())
        stack.enter_context(joined(process, device.type))
        stack.enter_context(determinism(args.deterministic, device.type))
        log = stack.enter_context(run_log(console))
        run = _Run(resolved.mapping, argv, args, process, console, log, flag, checkpoint)
        return run.execute()


class _Run:
    """One session of one run, from the build to the summary."""

    def __init__(
        self,
        config: dict[str, Any],
        argv: Sequence[str],
        args: Any,
        process: Process,
        console: Console,
        log: Any,
        flag: Any,
        checkpoint: Path | None,
    ) -> None:
        from usb_negsamp.run.training.tensorboard import TensorBoardLog

        self.config, self.argv, self.args = config, argv, args
        self.process, self.console, self.log, self.flag = process, console, log, flag
        self.checkpoint = checkpoint
        self.directory = run_directory(args)
        self.tensorboard = TensorBoardLog()
        self.iterations_done = 0

    def execute(self) -> int:
        from usb_negsamp.host import build
        from usb_negsamp.run.training.determinism import seed_everything

        seed_everything(self.args.seed)
        algorithm = build.build_algorithm(self.args, self.log.logger, self.tensorboard)
        self.config["num_labels"] = self.args.num_labels  # the data set counts them where all are labeled
        self._leave_if_asked()
        self._resume(algorithm)
        self._check_source()
        build.check_network(algorithm)
        with self._alone():
            self._open(algorithm)
            with self._recorded(algorithm):
                self._stages(algorithm)
        return self.exit_code

    def _alone(self) -> AbstractContextManager[None]:
        """Keep a second process that would write the same files out of the run's folder."""
        if not self.process.is_main:
            return nullcontext()
        self.directory.mkdir(parents=True, exist_ok=True)
        return alone(self.directory, "run")

    def _check_source(self) -> None:
        """Refuse to learn SPL's mask on images whose labels the run that it starts from has trained on."""
        from usb_negsamp.run.records.split_file import check_held_out

        source, record = getattr(self.args, "spl_from", None), getattr(self.args, "split_record", None)
        if source is not None and record is not None:
            check_held_out(Path(source), record, getattr(self.args, "data_digest", None))

    def _resume(self, algorithm: Any) -> None:
        """Load the checkpoint before anything in the directory is touched, so that a wrong one changes nothing."""
        if self.checkpoint is None:
            return
        from usb_negsamp.host.checkpoints import resume as checkpoint
        from usb_negsamp.run.records.manifest import difference, read_manifest
        from usb_negsamp.run.records.split_file import check_same_split

        manifest = read_manifest(self.directory / MANIFEST)
        other = difference(manifest.get("config") or {}, self.config, affecting=("result",))
        if other is not None and self.checkpoint.parent.resolve() == self.directory.resolve():
            raise ConfigError(
                f"--resume goes on with the same configuration, but the run in {self.directory} has {other}; "
                "give that, or another --save_name with --load_path"
            )
        check_same_split(self.checkpoint, getattr(self.args, "split_digest", None))
        checkpoint.resume(algorithm, str(self.checkpoint))
        if algorithm.it > algorithm.num_train_iter:
            raise ConfigError(
                f"num_train_iter: expected at least the {algorithm.it} iterations of {self.checkpoint}, "
                f"but got {algorithm.num_train_iter}"
            )
        if manifest.get("exit_reason") == "finished" and algorithm.it >= algorithm.num_train_iter:
            raise ConfigError(
                f"nothing to resume: the run in {self.directory} has finished all {algorithm.num_train_iter} iterations"
            )

    def _open(self, algorithm: Any) -> None:
        from usb_negsamp.run.records.manifest import Manifest
        from usb_negsamp.run.records.split_file import write_split
        from usb_negsamp.run.records.versions import device_name
        from usb_negsamp.run.training.summary import what_is_done

        device = next(algorithm.model.parameters()).device
        self.iterations_done = algorithm.it
        what = what_is_done(self.config, self.config["num_train_iter"])
        self.console.line(
            f"usb-negsamp: {self.config['algorithm']} on {self.config['dataset']}, {what} on {device_name(device)}, "
            f"into {self.directory}"
            + (f", from iteration {algorithm.it} of {self.checkpoint}" if self.checkpoint else "")
        )
        record = getattr(self.args, "split_record", None)
        for line in () if record is None else record.lines:
            self.console.line(f"usb-negsamp: {line}")
        if self.process.is_main:
            prepare_directory(self.directory, self.args.overwrite)
            if record is not None:
                write_split(self.directory, record)
            self.log.open(self.directory)
            if self.args.use_tensorboard:
                self.tensorboard.open(self.directory / TENSORBOARD, algorithm.it)
            self.manifest = Manifest(
                self.directory / MANIFEST,
                config=self.config,
                argv=self.argv,
                args=self.args,
                device=device,
                world_size=self.process.world_size,
                resumed_from=self.checkpoint,
            )
            self.manifest.write()
            self.log.logger.info("configuration: %s", self.config)
        wait_for_all(self.process)
        self._register_hooks(algorithm)

    def _register_hooks(self, algorithm: Any) -> None:
        """Add our hooks, after the resume, so that nothing of theirs is taken from a checkpoint."""
        from usb_negsamp.host.checkpoints.resume import save_now
        from usb_negsamp.run.records.metrics import MetricsHook
        from usb_negsamp.run.training.progress import ProgressHook
        from usb_negsamp.run.training.signals import InterruptionHook
        from usb_negsamp.run.training.spl_stage import StageHook

        self.progress = ProgressHook(self.console)
        algorithm.register_hook(self.progress, None, "LOWEST")
        if self.process.is_main:
            algorithm.register_hook(MetricsHook(self.directory / METRICS), None, "LOWEST")
        algorithm.register_hook(InterruptionHook(self.flag, self.process, save_now), None, "LOWEST")
        stage_hook = StageHook(self.directory / METRICS, self.console, self.flag, self.process, save_now)
        algorithm.register_hook(stage_hook, None, "LOWEST")

    def _stages(self, algorithm: Any) -> None:
        from usb_negsamp.run.training.signals import Interrupted, agreed_signal

        if hasattr(algorithm, "warmup"):
            self.log.logger.info("warmup stage")
            algorithm.warmup()
        algorithm.train()
        self.iterations_done = algorithm.it
        for name, value in algorithm.results_dict.items():
            self.log.logger.info("result - %s : %s", name, value)
        if hasattr(algorithm, "finetune"):
            signum = agreed_signal(self.flag, self.process, algorithm)
            if signum:
                raise Interrupted(signum, algorithm.it)
            self.log.logger.info("finetune stage")
            before = dict(algorithm.results_dict)
            algorithm.finetune()
            for name, value in algorithm.results_dict.items():
                if name not in before:
                    self.log.logger.info("result - %s : %s", name, value)
        wait_for_all(self.process)

    @contextmanager
    def _recorded(self, algorithm: Any) -> Iterator[None]:
        """Whatever ends the block, the manifest says so."""
        from usb_negsamp.run.training.signals import Interrupted

        try:
            yield
        except Interrupted as interrupted:
            self.exit_code = 128 + interrupted.signum
            self._end(str(interrupted), interrupted.iterations_done)
            self.console.line(
                f"usb-negsamp: {interrupted} after iteration {interrupted.iterations_done}; saved "
                f"{self.directory / LATEST}, --resume goes on from there"
            )
        except BaseException as error:
            reason = " ".join(f"{type(error).__name__}: {error}".split())
            self._end(f"error: {reason}", algorithm.it)
            raise
        else:
            self.exit_code = 0
            self._end("finished", self.iterations_done)
            self._report(algorithm.results_dict)

    def _end(self, reason: str, iterations_done: int) -> None:
        self.progress.close()
        self.tensorboard.close()
        if self.process.is_main:
            self.manifest.end(reason, iterations_done)

    def _report(self, results: dict[str, Any]) -> None:
        if not self.process.is_main:
            return
        from usb_negsamp.run.records.results import append_row, result_row
        from usb_negsamp.run.training.summary import summary

        seconds = self.manifest.total_seconds
        append_row(self.directory / RESULTS, result_row(results, self.manifest.content, seconds))
        if self.args.curve:
            self._draw()
        print(summary(results, self.manifest.content, self.directory, seconds))
        sys.stdout.flush()

    def _draw(self) -> None:
        from usb_negsamp.run.figures.negatives_curve import draw_negatives_of
        from usb_negsamp.run.figures.training_curve import draw_curve
        from usb_negsamp.run.records.metrics import read_metrics

        title = f"{self.config['algorithm']} on {self.config['dataset']}, {self.config['num_labels']} labels"
        try:
            draw_curve(read_metrics(self.directory / METRICS), self.directory / CURVE, title)
            draw_negatives_of(self.directory, self.config)
        except Exception as error:  # a picture must not cost a finished run its results
            self.console.line(f"usb-negsamp: no picture: {type(error).__name__}: {error}")

    def _leave_if_asked(self) -> None:
        """A signal that came during the build ends the run here: there is nothing to save yet."""
        if self.flag.signum and not self.process.distributed:
            raise StoppedBeforeTraining(self.flag.signum)


class StoppedBeforeTraining(Exception):
    """A signal came while the run was being built."""

    def __init__(self, signum: int) -> None:
        super().__init__(signum)
        self.signum = signum
