"""The table of configuration keys: what validation, documentation, resume, sweeps and listings read.

``OWN_KEYS`` are ours for every run. A wrapper's keys are the fields of its settings (``algorithms/*/settings.py``), an
option's those of its own (``host/options``). Type, default and meaning of the host's keys come from the host's parser
(:mod:`usb_negsamp.host.arguments`); :mod:`usb_negsamp.run.configuration.host_keys` adds what it does not say.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from usb_negsamp.key import (
    LARGEST,
    NOT_NEGATIVE,
    POSITIVE,
    SEED,
    SHARE,
    SHARE_ABOVE_0,
    Affects,
    Key,
    Range,
    by_name,
    with_present_names,
)
from usb_negsamp.run.configuration.host_keys import HOST_KEYS
from usb_negsamp.run.markdown_table import format_table
from usb_negsamp.value_types import class_list, images_or_auto, labels_or_all, name_list, whole_numbers

OWN_KEYS: tuple[Key, ...] = (
    Key(
        "preset",
        str,
        None,
        "values of a paper's protocol for the keys that neither the file nor the command line gives: oliver, ns3l, "
        "ns3l-mixmatch, ns3l-fmnist, dnll-wrn, dnll-cnn13, dual-student, temporal-ensembling, uasd, ds3l, cl, mtc, "
        "openmatch, iomatch or classic-cv; lengths in iterations follow num_train_iter",
    ),
    Key(
        "plugin",
        name_list,
        None,
        "functions that add algorithms, data sets or networks of your own, as module:function or file.py:function, "
        "between commas; the working directory is looked in",
        expected="module:function or file.py:function, between commas",
    ),
    Key(
        "device",
        str,
        "auto",
        "where to train: auto takes a GPU if there is one",
        choices=("auto", "cpu", "cuda"),
        affects="session",
    ),
    Key(
        "num_labels",
        labels_or_all,
        400,
        "labeled images over all classes; of image_folder any number, what is left of equal shares going to the "
        "largest classes, or all: every image that has a label and is not held out",
        "images",
        "m",
        range=POSITIVE,
        expected="a whole number above 0, or all",
    ),
    Key("split_seed", int, None, "seed of the labeled/unlabeled/validation split; none: the value of seed", range=SEED),
    Key(
        "validation_size",
        images_or_auto,
        0,
        "training images held out to choose the best model by, where the source has no validation part; 0: none, the "
        "test images choose it, as everywhere in the host (of labeled_dataset, if there is one); auto, of image_folder "
        "alone: one for every four labels, and at least one for each class",
        "images",
        range=NOT_NEGATIVE,
        expected="a whole number of at least 0, or auto",
    ),
    Key(
        "validation_shares",
        str,
        "proportional",
        "shares of the classes in the images that validation_size holds out, by their size or the same for all",
        choices=("proportional", "equal"),
    ),
    Key(
        "labels_csv",
        str,
        None,
        "image_folder: a file with the columns file,label that names the labeled pictures below data_dir; the others "
        "are unlabeled, and all in its folders val and test must be named; none: folders are classes",
        affects="session",
    ),
    Key(
        "skip_bad",
        bool,
        False,
        "image_folder: leave out files that cannot be decoded, which log.txt then names; else they are an error",
        affects="session",
    ),
    Key(
        "lazy_images",
        bool,
        None,
        "image_folder: decode pictures each time they are asked for instead of keeping them in memory, with the same "
        "numbers; none: where they would take more than half of the machine's memory",
        affects="session",
    ),
    Key(
        "decoded_dir",
        str,
        None,
        "image_folder: a folder, made where it is missing, that keeps decoded pictures, so that later runs on the same "
        "ones need not decode them; none: each run decodes its own",
        affects="session",
    ),
    Key(
        "seen_classes",
        class_list,
        None,
        "classes with labels: indices or names, or the number S of the first classes; the unlabeled images hold the "
        "others, too; none: all classes, and no unseen ones",
        expected="a number of classes, or classes between commas, e.g. 0,1,2 or cat,dog",
    ),
    Key(
        "class_order",
        str,
        "label",
        "what the first classes are where seen_classes is a number: by index, or superclass by superclass of CIFAR-100",
        choices=("label", "superclass"),
    ),
    Key(
        "mismatch_ratio",
        float,
        None,
        "share of the unlabeled images that are of unseen classes (class_swap: of the classes)",
        symbol="delta",
        range=SHARE,
    ),
    Key(
        "mismatch_protocol",
        str,
        "fixed_total",
        "what the unlabeled images are: num_unlabeled in all; num_unlabeled of seen classes, and unseen ones added; "
        "all images of a fixed number of classes; or all training images",
        choices=("fixed_total", "fixed_seen", "class_swap", "whole_pool"),
    ),
    Key(
        "num_unlabeled",
        int,
        None,
        "size of the unlabeled part under seen_classes; fixed_seen: of its images of seen classes",
        "images",
        "n",
        range=POSITIVE,
    ),
    Key(
        "ood_data",
        name_list,
        None,
        "other data sets, or folders of pictures, that the evaluation under seen_classes sets against the seen classes",
        expected="names between commas",
    ),
    Key(
        "open_reject",
        str,
        "none",
        "how a method without a rejection of its own rejects test images in the accuracy over K + 1 classes: not at "
        "all, or where the maximum softmax is below what keeps 95% of the validation images of seen classes",
        choices=("none", "threshold"),
    ),
    Key(
        "open_eval_images",
        int,
        10000,
        "unlabeled images, evenly spaced, and images of each of ood_data that an evaluation under seen_classes looks "
        "at, at most; 0: all",
        "images",
        range=NOT_NEGATIVE,
    ),
    Key("labeled_dataset", str, None, "domain adaptation: where the labeled images come from; none: dataset"),
    Key(
        "unlabeled_dataset",
        str,
        None,
        "domain adaptation: where the unlabeled images and the test images come from; none: dataset",
    ),
    Key("labeled_dir", str, None, "folder of labeled_dataset; none: data_dir", affects="session"),
    Key("unlabeled_dir", str, None, "folder of unlabeled_dataset; none: data_dir", affects="session"),
    Key("horizontal_flip", bool, None, "mirror images in the augmentation; none: the source's own choice"),
    Key(
        "preprocessing",
        str,
        None,
        "what is done to all images first; gcn_zca is global contrast normalization and ZCA whitening; none: mean_std, "
        "by the host's own loader where it has one",
        choices=("mean_std", "minus_one_to_one", "gcn_zca"),
    ),
    Key(
        "augmentation",
        str,
        None,
        "weak views: the host's crop and flip; oliver's flip, shift of 2 pixels and noise of 0.15; or mixmatch's flip "
        "and shift of 4. DNLL's: the image itself, and as the strong view the same (identity), the image with noise of "
        "0.15 (noise) or with a sideways shift of up to 2 pixels (horizontal_shift); or the host's, with color_jitter "
        "in the strong view",
        choices=("host", "oliver", "mixmatch", "identity", "noise", "horizontal_shift", "color_jitter"),
    ),
    Key(
        "bn_batches",
        int,
        0,
        "batches that re-estimate the batch-norm statistics before each evaluation; 0: as the host, never",
        "batches",
        range=NOT_NEGATIVE,
    ),
    Key(
        "bn_update",
        str,
        "host",
        "the forward passes of a step that update the batch-norm running statistics: the host's choice, the labeled "
        "batch's, that and the first unlabeled one's, or all",
        choices=("host", "labeled", "joint", "all"),
    ),
    Key(
        "channels_last",
        bool,
        False,
        "lay images and convolutions out with the channels of a pixel side by side, which is faster; the numbers are "
        "those of the host up to rounding",
    ),
    Key(
        "amp_dtype",
        str,
        None,
        "half precision of a step under amp: float16 needs a loss scaler and is slow on a CPU; none: float16 on a GPU, "
        "bfloat16 on a CPU",
        choices=("float16", "bfloat16"),
    ),
    Key(
        "accelerate",
        str,
        "none",
        "fastest sets the options together that make a step fastest on the device of the run, those apart that are "
        "given: channels_last, amp and amp_dtype bfloat16",
        choices=("none", "fastest"),
        affects="session",
    ),
    Key(
        "accelerate_graph",
        bool,
        False,
        "give a GPU each training pass at once, as a CUDA graph: faster where launching kernels takes the time, with "
        "the same numbers, and memory that is kept for each pass; on one GPU alone",
        affects="session",
    ),
    Key(
        "accelerate_views",
        str,
        "host",
        "where the views of a training batch are made: by the loader on the host, or where the network computes, of "
        "images that lie there and of the host's draws; the same views",
        choices=("host", "device"),
        affects="session",
    ),
    Key(
        "lr_schedule",
        str,
        "cosine",
        "how the learning rate falls: the host's cosine ends at 0.195 of it; step multiplies it by lr_decay_factor at "
        "each of lr_decay_iters; rise_and_fall ramps up over 80/300 of the training and down over the last 50/300",
        choices=("cosine", "step", "constant", "cosine_to_zero", "rise_and_fall"),
    ),
    Key(
        "lr_decay_iters",
        whole_numbers,
        None,
        "when lr_schedule step drops, e.g. [130000]",
        "iterations",
        range=Range(lambda value: len(value) > 0 and min(value) > 0 and max(value) <= LARGEST[int], "each above 0"),
        expected="whole numbers above 0 between commas, e.g. 100,200",
    ),
    Key(
        "lr_decay_factor",
        float,
        0.2,
        "what each drop of lr_schedule step multiplies the learning rate by",
        range=SHARE_ABOVE_0,
    ),
    Key(
        "unsup_ramp",
        str,
        "linear",
        "shape of the unlabeled loss's warm-up over unsup_warm_up; sigmoid is exp(-5 (1 - t)^2)",
        choices=("linear", "sigmoid"),
    ),
    Key(
        "num_last_evaluations",
        int,
        0,
        "also report the median accuracy over the last so many evaluations, for which the test images are evaluated "
        "too where there are validation images; 0: none",
        "evaluations",
        range=NOT_NEGATIVE,
    ),
    Key("curve", bool, True, "draw curve.png at the end of the run", affects="session"),
    Key(
        "deterministic",
        bool,
        None,
        "same numbers from the same seed on the same machine; none: true on CPU, where it costs nothing, and false on "
        "a GPU, where cuDNN then picks the fastest kernels",
        affects="session",
    ),
)

# Values that our launcher chooses itself, so that the host's defaults for them do not apply.
DEFAULTS: dict[str, Any] = {"save_name": None, "overwrite": False, "resume": False}

RUN_STATE_KEYS: dict[str, str] = {
    "resume": "give --resume on the command line",
    "overwrite": "give --overwrite on the command line",
    "load_path": "give --resume --load_path on the command line",
}

LAUNCHER_KEYS: dict[str, str] = {
    "world_size": "torchrun sets it",
    "rank": "torchrun sets it",
    "dist_url": "torchrun sets it",
    "dist_backend": "nccl on a GPU, gloo elsewhere",
    "multiprocessing_distributed": "torchrun starts several processes",
}

INERT_HOST_KEYS: dict[str, str] = {
    "clip": "did you mean clip_grad?",
    "simis_la": "no part of the host reads it",
    "dist_align_target": "no part of the host reads it",
    "use_epass": "only the host's git main reads it",
    "use_refix": "no part of the host reads it",
}


def own_key(name: str) -> Key | None:
    """Return our key of that name that every run has, if there is one."""
    return next((key for key in OWN_KEYS if key.name == name), None)


def keys_of_methods() -> tuple[Key, ...]:
    """Our keys that only some algorithms read: those of the wrappers, of Dual Student, and of options."""
    from usb_negsamp.algorithms import method_keys
    from usb_negsamp.host.options import option_keys

    return (*method_keys(), *option_keys())


def described(definitions: Mapping[str, Key]) -> dict[str, Key]:
    """Return the host's ``definitions``, those of methods among them, with what our table says about each.

    Default and meaning stay those of the definition: an algorithm may bring its own.
    """
    of_host, of_methods = by_name(HOST_KEYS), by_name(keys_of_methods())
    table = {}
    for name, key in definitions.items():
        if name in of_methods:
            key = of_methods[name].with_default(key.default)
        elif name in of_host:
            key = key.as_in(of_host[name])
        table[name] = key
    return table


def checked_keys() -> tuple[Key, ...]:
    """Every key that has a row in our table."""
    return (*OWN_KEYS, *HOST_KEYS, *keys_of_methods())


def of_earlier_version(config: Mapping[str, Any]) -> dict[str, Any]:
    """Return the configuration that a run of an earlier version left, as it is spelled today."""
    return with_present_names(config, checked_keys())


def affects_of(name: str) -> Affects:
    """What another value of the key ``name`` changes."""
    key = by_name(checked_keys()).get(name)
    return key.affects if key else "result"


def markdown_table(keys: Iterable[Key] = OWN_KEYS) -> str:
    """Return the keys as a table for the README.

    >>> print(markdown_table([Key("curve", bool, True, "draw it")]))
    | key | default | unit | paper | meaning |
    |-|-|-|-|-|
    | `curve` | true |  |  | draw it |
    """
    rows = []
    for key in keys:
        default = "none" if key.default is None else str(key.default).lower()
        meaning = f"{key.meaning} ({', '.join(key.choices)})" if key.choices else key.meaning
        rows.append([f"`{key.name}`", default, key.unit, key.symbol, meaning])
    return format_table(["key", "default", "unit", "paper", "meaning"], rows, ["-"] * 5)
