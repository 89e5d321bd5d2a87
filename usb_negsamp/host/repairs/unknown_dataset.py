"""Which data sets there are, and what happens when one cannot be had (V19).

What is wrong: ``core/utils/build.py`` ``get_dataset`` returns None for a name it does not know, among them ``food101``,
which ships with the host, and lets every error of a failed download through. How it shows: ``'NoneType' object is not
subscriptable`` somewhere later; thirty lines of urllib. How it is mended: a name is looked up in ``EXTRA_DATASETS``,
then given to the host; an unknown one, and data that are not there, are one-line errors. The dictionary that is
returned carries what a run records of its data. When it may go: when the host has a registry of data sets.

The host's ``lighting.Trainer`` is given its loaders by the user, whatever ``config.dataset`` says; for arguments made
by its ``get_config`` (they carry ``own_loaders``) an unknown name stays None, as its notebook on custom data needs. Who
has built an algorithm with them gets its data sets, with the views that it reads; there the name of the algorithm is
the registered one, and a wrapped algorithm has its base's views.
"""

from __future__ import annotations

import functools
import os
from pathlib import Path
from typing import Any, cast

from semilearn.core.utils import build

from usb_negsamp.data.sources.empty_folders import no_empty_folders_left
from usb_negsamp.errors import ConfigError, unknown
from usb_negsamp.host.datasets.built_data import BuiltData, DatasetDict
from usb_negsamp.host.datasets.drawn_splits import noted_splits
from usb_negsamp.host.datasets.extra_views import OF_ALGORITHM, labeled_views_read, name_of_views, views_read
from usb_negsamp.host.datasets.registry import EXTRA_DATASETS, known_names
from usb_negsamp.host.datasets.texts_and_sounds.further_views import add_labeled_views, add_views
from usb_negsamp.host.patching import replace_everywhere

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
        try:
            with no_empty_folders_left(_folder_of(dataset, data_dir)), noted_splits() as digests:
                loaded = load(
                    args, name_of_views(algorithm), dataset, num_labels, num_classes, data_dir, include_lb_to_ulb
                )
        except (OSError, RuntimeError) as error:
            if not _cannot_be_had(error):
                raise
            raise _not_there(dataset, data_dir, error) from error
        if loaded is None:
            if getattr(args, "own_loaders", False):
                return None
            raise unknown("dataset", dataset, known_names())
        if not isinstance(loaded, DatasetDict):
            loaded = DatasetDict(loaded, BuiltData(num_labels, split_digest=digests[-1] if digests else None))
        if getattr(args, "own_loaders", False):
            add_views(loaded, views_read(algorithm, args))
            add_labeled_views(loaded, labeled_views_read(algorithm, args))
        return loaded

    replace_everywhere(original, get_dataset)
