"""Values that no run can have. Each is one :class:`ConfigError` line, before anything is built or written."""

from __future__ import annotations

from argparse import Namespace
from collections.abc import Collection

from usb_negsamp.data.memory import check_fits
from usb_negsamp.errors import ConfigError, expected, quoted, unknown
from usb_negsamp.known_classes import check_number_of_classes
from usb_negsamp.media import TEXT, check_medium, medium_of
from usb_negsamp.run.configuration import choices
from usb_negsamp.run.configuration.data_checks import check_data, check_own
from usb_negsamp.run.configuration.derived_keys import ADAPTATION_KEYS
from usb_negsamp.run.configuration.keys import checked_keys
from usb_negsamp.run.configuration.processes import Process
from usb_negsamp.run.configuration.tracker_checks import check_trackers

BYTES_OF_FLOAT = 4
BYTES_OF_INDEX = 48
"""Of the host's sampler: the permutations, their concatenation, and the list of Python's numbers that it becomes."""
# Sources whose labeled part is a given list, so that num_labels does not cut it. Our own sources check it themselves.
FIXED_LABELED_PART = ("semi_aves", "semi_aves_out", "fsdnoisy")


def check(args: Namespace, process: Process, given: Collection[str] = ()) -> None:
    """Raise :class:`ConfigError` for the first value that cannot be.

    Args:
        args: the resolved configuration, ``batch_size`` being the global one.
        process: which process of how many this is.
        given: the keys that the user gave; a range is not asked of a default that an algorithm brings itself.
    """
    _check_names(args)
    check_own(args)
    _check_classes(args)
    check_medium(args, given)
    check_data(args, given)
    _check_iterations(args)
    _check_schedule(args, given)
    _check_wrappers(args)
    _check_unread(args, given)
    _check_memory(args)
    check_trackers(args)
    if args.batch_size % process.world_size:
        raise ConfigError(
            f"batch_size: expected a multiple of the {process.world_size} processes, but got {args.batch_size}"
        )
    _check_device(args, process)


def _check_names(args: Namespace) -> None:
    for key in checked_keys():
        value = getattr(args, key.name, None)
        if value is not None:
            key.check(value)
    if args.optim not in choices.optimizers():
        raise unknown("optimizer", args.optim, choices.optimizers())
    if args.train_sampler not in choices.samplers():
        raise unknown("train_sampler", args.train_sampler, choices.samplers())
    if args.dataset not in choices.datasets():
        raise unknown("dataset", args.dataset, choices.datasets())
    choices.check_net(args.net, args.net_from_name)


def _check_classes(args: Namespace) -> None:
    if getattr(args, "seen_classes", None) is None:
        check_number_of_classes(args.dataset, args.num_classes)
    adapted = any(getattr(args, key, None) for key in ADAPTATION_KEYS)
    fixed = args.dataset in (*FIXED_LABELED_PART, *choices.own_datasets())
    balanced = args.lb_imb_ratio == 1 and not fixed and not adapted
    if balanced and args.num_labels is not None and args.num_labels % args.num_classes:
        near = _nearest_multiple(args.num_labels, args.num_classes)
        raise ConfigError(
            f"num_labels: expected a multiple of num_classes, but got {args.num_labels} labels for "
            f"{args.num_classes} classes; nearest: {near}"
        )


def _check_iterations(args: Namespace) -> None:
    if args.num_train_iter % args.epoch:
        near = _nearest_multiple(args.num_train_iter, args.epoch)
        raise ConfigError(
            f"num_train_iter: expected a multiple of epoch, but got {args.num_train_iter} and {args.epoch}; "
            f"nearest num_train_iter: {near}"
        )
    if args.num_warmup_iter > args.num_train_iter:
        raise ConfigError(
            f"num_warmup_iter: expected at most num_train_iter = {args.num_train_iter}, but got {args.num_warmup_iter}"
        )


def _check_schedule(args: Namespace, given: Collection[str]) -> None:
    if args.lr_schedule != "step" and args.lr_decay_iters is not None and "lr_decay_iters" in given:
        raise expected("lr_decay_iters", f"none with lr_schedule {args.lr_schedule}", f"{args.lr_decay_iters}")
    if args.lr_schedule == "step" and args.lr_decay_iters is None:
        raise ConfigError("lr_decay_iters: expected a value for lr_schedule step, e.g. [130000], but got none")


def _check_wrappers(args: Namespace) -> None:
    """Let each wrapper look at its own keys, and refuse those that read images alone where there are none."""
    from usb_negsamp.host import ALGORITHMS

    medium = medium_of(args.dataset)
    for part in ALGORITHMS[args.algorithm].__mro__:
        if "settings_class" in vars(part):
            if medium is not None and not getattr(part, "takes_texts_and_sounds", False):
                raise expected(
                    "algorithm",
                    f"one of the host's, alone or with ns3l, dnll or spl, with dataset {args.dataset}, whose samples "
                    f"are {medium.samples}",
                    f"{args.algorithm}, which reads images",
                )
            part.settings_class.from_arguments(args)


def _check_unread(args: Namespace, given: Collection[str]) -> None:
    """Refuse what nothing would read, or nothing could carry out."""
    if "pretrain_path" in given and args.pretrain_path and not args.use_pretrain and "use_pretrain" not in given:
        raise expected("pretrain_path", "none without use_pretrain true", f"{args.pretrain_path}")
    if "amp_dtype" in given and args.amp_dtype is not None and not args.amp:
        raise expected("amp_dtype", "none without amp true", quoted(args.amp_dtype))
    if getattr(args, "vat_embed", False) and medium_of(args.dataset) is not TEXT:
        raise expected("vat_embed", f"false with dataset {args.dataset}, whose samples are no texts", "true")


def _check_memory(args: Namespace) -> None:
    """Refuse steps and epochs that no memory holds, which would end in a hang or be killed."""
    num_images = args.batch_size * (1 + args.uratio)
    check_fits(
        num_images * 3 * args.img_size**2 * BYTES_OF_FLOAT,
        "batch_size, uratio and img_size",
        f"{num_images} images of {args.img_size} x {args.img_size} pixels a step",
    )
    num_indices = num_images * (args.num_train_iter // args.epoch)
    check_fits(
        num_indices * BYTES_OF_INDEX,
        "num_train_iter, epoch, batch_size and uratio",
        f"an order of {num_indices} images, drawn for each epoch",
        "; a larger epoch makes it shorter",
    )


def _check_device(args: Namespace, process: Process) -> None:
    import torch

    gpus = torch.cuda.device_count() if torch.cuda.is_available() else 0
    if args.device == "cuda" and not gpus:
        raise ConfigError("device: expected cpu or auto here, where PyTorch finds no GPU, but got cuda")
    if args.device == "cpu" or not gpus:
        return
    # The same on every process of the machine, so that none waits for one that has left.
    if process.distributed and process.local_world_size > gpus:
        raise ConfigError(
            f"LOCAL_WORLD_SIZE: expected no more processes on a machine than it has GPUs, {gpus}, but got "
            f"{process.local_world_size}; start fewer (torchrun --nproc_per_node), or train by --device cpu"
        )
    if not process.distributed and args.gpu is not None and args.gpu >= gpus:
        raise ConfigError(f"gpu: expected a number below that of the GPUs, {gpus}, but got {args.gpu}")


def _nearest_multiple(value: int, divisor: int) -> int:
    return max(divisor, round(value / divisor) * divisor)
