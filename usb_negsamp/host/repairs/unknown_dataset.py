"""Which data sets there are, and what happens when one cannot be had (V19).

What is wrong: ``core/utils/build.py`` ``get_dataset`` returns None for a name it does not know, among them ``food101``,
which ships with the host, and lets every error of a failed download through. How it shows: ``'NoneType' object is not
subscriptable`` somewhere later; thirty lines of urllib. How it is mended: a name is looked up in ``EXTRA_DATASETS``,
then given to the host; an unknown one, data that are not there, and another number of classes
than the data have, are one-line errors. The dictionary that is
returned carries what a run records of its data. When it may go: when the host has a registry of data sets.

The host's ``lighting.Trainer`` is given its loaders by the user, whatever ``config.dataset`` says; for arguments made
by its ``get_config`` (they carry ``own_loaders``) an unknown name stays None, as its notebook on custom data needs. Who
has built an algorithm with them gets its data sets, with the views that it reads; there the name of the algorithm is
the registered one, and a wrapped algorithm has its base's views.
"""

from __future__ import annotations

import functools
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, cast

import numpy as np
from semilearn.core.utils import build

from usb_negsamp.data.sources.empty_folders import no_empty_folders_left
from usb_negsamp.errors import ConfigError, unknown
from usb_negsamp.host.datasets.built_data import BuiltData, DatasetDict
from usb_negsamp.host.datasets.drawn_splits import noted_splits
from usb_negsamp.host.datasets.extra_views import OF_ALGORITHM, labeled_views_read, name_of_views, views_read
from usb_negsamp.host.datasets.registry import EXTRA_DATASETS, known_names
from usb_negsamp.host.datasets.texts_and_sounds.further_views import add_labeled_views, add_views
from usb_negsamp.host.patching import replace_everywhere
from usb_negsamp.known_classes import CLASSES_OF_SOURCE, check_number_of_classes

DOWNLOADED = frozenset({"cifar10", "cifar100", "eurosat", "food101", "stl10", "svhn", "tissuemnist"})
FOLDERS = {
    "aclImdb": "aclImdb",
    "semi_aves": "semi_fgvc",
    "semi_aves_out": "semi_fgvc",
    "semi_inat": "semi_fgvc",
    "tissuemnist": os.path.join("medmnist", "tissuemnist"),
}
"""Where in ``data_dir`` the host looks for a data set whose folder is not its name in lower case."""
# What torchvision and the host's own data sets say in a plain RuntimeError.
FAILED_DOWNLOAD = ("not found or corrupted", "Dataset not found", "download", "Failed to setup", "Found 0 files")


def _cannot_be_had(error: Exception) -> bool:
    # URLError, HTTPError, ConnectionError, TimeoutError and FileNotFoundError are all OSErrors.
    if isinstance(error, OSError):
        return True
    return isinstance(error, RuntimeError) and any(text in str(error) for text in FAILED_DOWNLOAD)


def _folder_of(dataset: str, data_dir: str) -> Path:
    return Path(data_dir, FOLDERS.get(dataset, dataset.lower())).absolute()


def _not_there(dataset: str, data_dir: str, error: Exception) -> ConfigError:
    folder = _folder_of(dataset, data_dir)
    reason = " ".join(f"{type(error).__name__}: {error}".split())
    download = "the download failed" if dataset in DOWNLOADED else "the host does not download it"
    return ConfigError(f"data set {dataset!r} is not complete in {folder} and {download} ({reason})")


def _check_labels(parts: Mapping[str, Any], dataset: str, num_classes: int) -> None:
    """Raise ConfigError where a labeled, validation or test sample is of a class that the network does not have.

    Also where the network has more than all classes of the data set; one of which some are there may be used.
    """
    labels = [getattr(parts.get(name), "targets", None) for name in ("train_lb", "eval", "test")]
    highest = max((int(np.max(found)) for found in labels if found is not None and len(found)), default=-1)
    if highest >= num_classes or highest + 1 == CLASSES_OF_SOURCE.get(dataset):
        check_number_of_classes(dataset, num_classes)
    if highest >= num_classes:
        raise ConfigError(
            f"num_classes: expected at least {highest + 1} for dataset {dataset}, which has a label {highest}, "
            f"but got {num_classes}"
        )


def _of(args: Any) -> tuple[Any, Any]:
    return getattr(args, "algorithm", None), getattr(args, "dataset", None)


def apply() -> None:
    """Replace ``get_dataset``."""
    original = build.get_dataset

    @functools.wraps(original)
    def get_dataset(
        args: Any,
        algorithm: str,
        dataset: str,
        num_labels: int,
        num_classes: int,
        data_dir: str = "./data",
        include_lb_to_ulb: bool = True,
    ) -> DatasetDict | None:
        own = vars(args).get(OF_ALGORITHM) if (algorithm, dataset) == _of(args) else None
        if own is not None:
            return cast(DatasetDict, own)
        load = EXTRA_DATASETS.get(dataset, original)
        all_classes = getattr(args, "seen_classes", None) is None
        try:
            with no_empty_folders_left(_folder_of(dataset, data_dir)), noted_splits() as digests:
                loaded = load(
                    args, name_of_views(algorithm), dataset, num_labels, num_classes, data_dir, include_lb_to_ulb
                )
        except (OSError, RuntimeError) as error:
            if not _cannot_be_had(error):
                raise
            raise _not_there(dataset, data_dir, error) from error
        except ConfigError:
            raise
        except (AssertionError, LookupError, ValueError):
            if all_classes:
                check_number_of_classes(dataset, num_classes)
            raise
        if loaded is None:
            if getattr(args, "own_loaders", False):
                return None
            raise unknown("dataset", dataset, known_names())
        if all_classes:
            _check_labels(loaded, dataset, num_classes)
        if not isinstance(loaded, DatasetDict):
            loaded = DatasetDict(loaded, BuiltData(num_labels, split_digest=digests[-1] if digests else None))
        if getattr(args, "own_loaders", False):
            add_views(loaded, views_read(algorithm, args))
            add_labeled_views(loaded, labeled_views_read(algorithm, args))
        return loaded

    replace_everywhere(original, get_dataset)
