"""What one step asks of a GPU: passes, kernels, copies, and waits of the host. Counted, not timed.

    python pretend_cuda.py benchmarks/device_work.py --out benchmarks/device_work.csv

pretend_cuda.py is the program that the tests marked ``pretend_cuda`` run under: it pretends a GPU in the host's memory
and counts what is asked of it. A kernel is an operator that a GPU computes; some are several launches. A wait is where
the host stands still until the GPU has done all that it was given. Counted is a step whose figures are not logged,
with its batch's copies and the average of the weights, on ``small_cnn`` (3 convolutions).
"""

from __future__ import annotations

import argparse
import tempfile
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from torch import nn

import usb_negsamp
from usb_negsamp.host import ALGORITHMS, Hook, device
from usb_negsamp.host.wrapping.among_processes import network_of
from usb_negsamp.run.records.csv_file import write_csv
from usb_negsamp.testing import tiny_arguments
from usb_negsamp.testing.tiny import build_from

COLUMNS = (
    *("method", "step", "precision", "forward_passes", "backward_passes", "kernels"),
    *("copies_to_gpu", "copies_to_host", "pageable_copies", "waits", "torch"),
)
PLAIN = (
    *("supervised", "pimodel", "pseudolabel", "meanteacher", "vat", "mixmatch", "remixmatch", "uda", "fixmatch"),
    *("flexmatch", "freematch", "softmatch", "adamatch", "dash", "comatch", "crmatch", "simmatch", "defixmatch"),
)
METHODS = (
    *(f"{name}{wrapper}" for name in PLAIN for wrapper in ("", "_ns3l", "_dnll")),
    *("ns3l", "dnll", "dualstudent", "vat_spl", "softmatch:per_class"),
    *("fixmatch_ns3l:gate", "vat_ns3l:gate", "fixmatch_ns3l:density_gate", "vat_ns3l:density_gate"),
)
_KEYS: dict[str, dict[str, Any]] = {
    "per_class": {"per_class": True},
    "gate": {"ns3l_gate": "neighbors"},
    "density_gate": {"ns3l_gate": "density_ratio"},
}
"""What a method that is not as it is by default has after its name and a colon, and the keys that are meant."""
_COUNTED = 3
"""Which step is counted: the first ones make what a run keeps."""
_NEVER = 10**6
_RUN = {"device": "cuda", "epoch": 1, "num_train_iter": _COUNTED + 2, "num_log_iter": _NEVER, "num_eval_iter": _NEVER}
_STAGE = {"spl_mismatch": 0.5, "spl_rounds": 1, "spl_inner_steps": 3, "spl_outer_steps": 3, "spl_patience": 0}


class Work:
    """Counts so far, by the names of the columns."""

    def __init__(self, algorithm: Any) -> None:
        self.algorithm = algorithm
        self.passes: Counter[str] = Counter()

    def so_far(self) -> Counter[str]:
        """All counts until now."""
        import pretend_cuda

        found = Counter(self.passes)
        for (kind, what, _), times in pretend_cuda.COUNT.snapshot().items():
            column = {"kernel": "kernels", "wait": "waits"}.get(kind) or {
                "host to device": "copies_to_gpu",
                "device to host": "copies_to_host",
            }.get(kind)
            if column is not None:
                found[column] += times
            found["pageable_copies"] += times * (what == "pageable")
        return found

    @contextmanager
    def listening(self) -> Iterator[None]:
        """Count the passes of the algorithm's networks inside the block."""

        def forward(module: nn.Module, inputs: Any) -> None:
            owners = [owner for owner in (self.algorithm, getattr(self.algorithm, "peer", None)) if owner is not None]
            networks = [network_of(model) for owner in owners for model in (owner.model, owner.ema_model)]
            self.passes["forward_passes"] += any(module is network for network in networks)

        def counted(name: str) -> Any:
            original = getattr(torch.autograd, name)

            def call(*args: Any, **kwargs: Any) -> Any:
                self.passes["backward_passes"] += 1
                return original(*args, **kwargs)

            return original, call

        originals = {name: counted(name) for name in ("backward", "grad")}
        handle = nn.modules.module.register_module_forward_pre_hook(forward)
        for name, (_, call) in originals.items():
            setattr(torch.autograd, name, call)
        try:
            yield
        finally:
            handle.remove()
            for name, (original, _) in originals.items():
                setattr(torch.autograd, name, original)


class Watch(Hook):
    """Keeps the counts at the beginning of each training step, and at the end of each step of SPL's stage."""

    settings_only = True

    def __init__(self, work: Work) -> None:
        self.work = work
        self.training: list[Counter[str]] = []
        self.stage: list[tuple[str, Counter[str]]] = []

    def before_train_step(self, algorithm: Any) -> None:
        if not self.stage:
            self.training.append(self.work.so_far())

    def after_spl_step(self, algorithm: Any) -> None:
        stage = algorithm.stage
        self.stage.append((stage.settings.phases[stage.phase][0], self.work.so_far()))


def work_of(method: str, amp: bool) -> list[dict[str, Any]]:
    """The rows of a method: one, or for SPL one for each kind of step of its stage.

    Args:
        method: a registered name, or ``name:other`` with one of ``_KEYS`` where it is not as it is by default.
        amp: whether it trains in mixed precision.
    """
    usb_negsamp.register()
    with tempfile.TemporaryDirectory() as folder:
        name, *others = method.split(":")
        keys = {key: value for other in others for key, value in _KEYS[other].items()}
        args = tiny_arguments(name, folder, amp=amp, **_RUN, **(_STAGE if name.endswith("_spl") else {}), **keys)
        algorithm = build_from(args)
        # From PyTorch's first scale on the first steps of a run overflow, and leave the weights alone.
        for network in filter(None, (algorithm, getattr(algorithm, "peer", None))):
            network.loss_scaler.load_state_dict({**network.loss_scaler.state_dict(), "scale": 1.0})
        work = Work(algorithm)
        watch = Watch(work)
        algorithm.register_hook(watch, None, "HIGHEST")
        with work.listening():
            for stage in ("warmup", "train", "finetune"):
                getattr(algorithm, stage, lambda: None)()
    kinds = {"training": (watch.training[_COUNTED], watch.training[_COUNTED + 1])}
    if watch.stage:
        names = [name for name, _ in watch.stage]
        counts = [count for _, count in watch.stage]
        last = {name: max(place for place, other in enumerate(names) if other == name) for name in names}
        kinds = {f"spl {name}": (counts[place - 1], counts[place]) for name, place in last.items()}
    rows = []
    for step, (before, after) in kinds.items():
        counted = {column: after[column] - before[column] for column in COLUMNS[3:-1]}
        named = {"method": method, "step": step, "precision": "float16" if amp else "float32"}
        rows.append({**named, **counted, "torch": torch.__version__})
    return rows


def main(argv: Sequence[str] | None = None) -> None:
    """Count and write the CSV file."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--methods", nargs="+", default=METHODS)
    parser.add_argument("--out", type=Path, required=True)
    options = parser.parse_args(argv)
    usb_negsamp.register()
    known = [method for method in options.methods if method.split(":")[0] in ALGORITHMS]
    rows = []
    for method in known:
        for amp in (False, True):
            rows += work_of(method, amp)
            print(rows[-1], flush=True)
    device.select("cpu")
    write_csv(options.out, COLUMNS, rows)


if __name__ == "__main__":
    main()
