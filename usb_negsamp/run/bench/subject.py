"""One variant in the state of a training loop: it takes steps, evaluates, and says where the time of a step goes."""

from __future__ import annotations

import resource
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Any

import torch

from usb_negsamp.data.sources.registry import load_source
from usb_negsamp.host.bare_host import bare_host, build_bare_algorithm
from usb_negsamp.host.build import build_algorithm
from usb_negsamp.host.freed_memory import keep_freed_memory
from usb_negsamp.run.bench.cases import Variant
from usb_negsamp.run.bench.memory import PeaksOfStage, peak_of
from usb_negsamp.run.bench.stopwatch import Phases, synchronize
from usb_negsamp.run.configuration.checks import check
from usb_negsamp.run.configuration.processes import Process
from usb_negsamp.run.configuration.resolution import Sources, resolve
from usb_negsamp.run.training.determinism import determinism, seed_everything
from usb_negsamp.run.training.session import choose_device

PHASES = ("data", "forward", "backward", "optimizer", "hooks")
"""Making and fetching a batch; the algorithm's step up to its loss; its gradient; the optimizer; all other hooks."""
# The samplers of the host draw an epoch at once: a longer one would fill the memory that is measured.
_ENDLESS = {"epoch": 1, "num_train_iter": 10_000, "num_eval_iter": 10_000, "num_log_iter": 100}


class Subject:
    """A variant, built and in training.

    Args:
        variant: which one.
        folder: where its run's files would go.

    Raises:
        ConfigError: the configuration cannot be carried out.
    """

    def __init__(self, variant: Variant, folder: Path) -> None:
        keys = {**variant.keys, **_ENDLESS, "save_dir": str(folder), "save_name": "bench", "use_tensorboard": False}
        resolved = resolve(Sources(None, keys, {}))
        args = resolved.args
        process = Process()
        check(args, process, resolved.given)
        device = choose_device(args, process)
        self.args = args
        self._host: AbstractContextManager[None] = bare_host() if variant.bare else nullcontext()
        self._host.__enter__()
        if variant.bare:
            torch.backends.cudnn.deterministic = torch.backends.cudnn.benchmark = True  # as its launcher does
        else:
            determinism(args.deterministic, device.type).__enter__()
            if device.type == "cpu":
                keep_freed_memory()
        seed_everything(args.seed)
        if variant.bare:
            source = load_source(args.dataset, data_dir=args.data_dir, img_size=args.img_size)
            self.algorithm: Any = build_bare_algorithm(args, source)
        else:
            self.algorithm = build_algorithm(args).algorithm
        self.algorithm.print_fn = _silent
        self.algorithm.epoch = 0
        self.algorithm.model.train()
        self.algorithm.call_hook("before_run")
        self.algorithm.call_hook("before_train_epoch")
        self._batches = self._endless_batches()
        self.batches_ahead = 1 + max(_batches_ahead(self.algorithm.loader_dict[name]) for name in _TRAINING_LOADERS)

    def _endless_batches(self) -> Iterator[dict[str, Any]]:
        labeled, unlabeled = (self.algorithm.loader_dict[name] for name in _TRAINING_LOADERS)
        while True:
            for data_lb, data_ulb in zip(labeled, unlabeled):  # noqa: B905 (as the host's loop)
                yield {**data_lb, **data_ulb}

    def step(self) -> None:
        """Take one training step, as the host's loop does."""
        batch = next(self._batches)
        algorithm = self.algorithm
        algorithm.call_hook("before_train_step")
        algorithm.out_dict, algorithm.log_dict = algorithm.train_step(**algorithm.process_batch(**batch))
        algorithm.call_hook("after_train_step")
        algorithm.it += 1

    def seconds_per_step(self, steps: int, clock: Callable[[], float]) -> float:
        """Return the seconds a step, after as many untimed ones as the loaders' workers have made batches ahead."""
        for _ in range(self.batches_ahead):
            self.step()
        synchronize()
        start = clock()
        for _ in range(steps):
            self.step()
        synchronize()
        return (clock() - start) / steps

    def seconds_of_evaluation(self, clock: Callable[[], float]) -> float:
        """Return the seconds in which the images of evaluation are evaluated once."""
        synchronize()
        start = clock()
        self.algorithm.evaluate("eval")
        synchronize()
        return clock() - start

    def shares(self, steps: int) -> dict[str, float]:
        """Return the share of each of ``PHASES`` in the wall clock's seconds of ``steps`` steps."""
        phases = Phases()
        algorithm, originals = self.algorithm, (torch.Tensor.backward, self.algorithm.optimizer.step)
        for _ in range(self.batches_ahead):
            self.step()
        torch.Tensor.backward = phases.timed("backward", originals[0])  # type: ignore[method-assign]
        algorithm.optimizer.step = phases.timed("optimizer", originals[1])
        try:
            for _ in range(steps):
                with phases("data"):
                    batch = next(self._batches)
                with phases("hooks"):
                    algorithm.call_hook("before_train_step")
                with phases("forward"):
                    algorithm.out_dict, algorithm.log_dict = algorithm.train_step(**algorithm.process_batch(**batch))
                with phases("hooks"):
                    algorithm.call_hook("after_train_step")
                algorithm.it += 1
        finally:
            torch.Tensor.backward = originals[0]  # type: ignore[method-assign]
            algorithm.optimizer.step = originals[1]
        total = sum(phases.seconds.values())
        return {name: phases.seconds[name] / total for name in PHASES}

    def peak_mebibytes(self) -> float:
        """Return the most memory so far: the device's that PyTorch has given out, or this process's on a CPU."""
        if next(self.algorithm.model.parameters()).is_cuda:
            return torch.cuda.max_memory_allocated() / 2**20
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**10

    def step_mebibytes(self) -> float:
        """Return the most memory that the tensors of a training step take, those that stay between steps included."""
        return peak_of(self.step, next(self.algorithm.model.parameters()).device)

    def inner_step_mebibytes(self) -> float:
        """Return the same of an inner step of SPL's stage, which is gone through."""
        self.algorithm.results_dict = {}  # as the end of a training leaves it
        with PeaksOfStage(next(self.algorithm.model.parameters()).device) as stage:
            self.step()  # so that all that stays between steps is known
            self.algorithm.register_hook(stage, None, "LOWEST")
            self.algorithm.finetune()
        return stage.peaks[1]  # the first step makes what the later ones keep

    def circumstances(self) -> Mapping[str, Any]:
        """Return what of the configuration a row says."""
        args = self.args
        return {
            "net": args.net,
            "img_size": args.img_size,
            "batch": f"{args.batch_size} + {args.uratio * args.batch_size}",
            "num_workers": args.num_workers,
            "images_evaluated": len(self.algorithm.dataset_dict["eval"]),
        }


_TRAINING_LOADERS = ("train_lb", "train_ulb")


def _batches_ahead(loader: Any) -> int:
    """How many batches the workers of a loader make before they are asked for."""
    return int(getattr(loader, "num_workers", 0)) * int(getattr(loader, "prefetch_factor", None) or 0)


def _silent(*_: Any) -> None:
    """Print nothing: the host prints a confusion matrix at each evaluation."""
