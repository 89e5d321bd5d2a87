"""A finished run from Python: what it left, its network, and what the commands do with it."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from usb_negsamp.errors import ConfigError
from usb_negsamp.run.finished_runs.models import model_of
from usb_negsamp.run.records.directory import MANIFEST, METRICS, RESULTS
from usb_negsamp.run.records.manifest import config_of, read_manifest
from usb_negsamp.run.records.results import read_rows

if TYPE_CHECKING:
    from usb_negsamp.host.evaluation.plain_network import PlainNetwork
    from usb_negsamp.run.finished_runs.predicted import PredictedImages

TEXTS = frozenset(
    (
        "save_name",
        "algorithm",
        "imb_algorithm",
        "dataset",
        "labeled_dataset",
        "unlabeled_dataset",
        "net",
        "preset",
        "seen_classes",
        "class_order",
        "mismatch_protocol",
        "selection",
        "device",
        "torch",
        "host_version",
        "host_sha256",
        "version",
        "commit",
        "data_digest",
        "split_digest",
        "start",
        "end",
    )
)
"""Columns of results.csv that hold no numbers, even where one looks like a number."""


class Run:
    """The run in a folder. Nothing heavy is loaded before its network is asked for.

    Args:
        path: the run's folder, save_dir/save_name.

    Attributes:
        path: the same.

    Raises:
        ConfigError: the folder holds no run.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.path = Path(path)
        self.config  # noqa: B018  # a folder that holds no run is refused here

    def __repr__(self) -> str:
        return f"Run({str(self.path)!r})"

    @property
    def manifest(self) -> dict[str, Any]:
        """What the run was asked, with what it ran, and how it ended."""
        return read_manifest(self.path / MANIFEST)

    @property
    def config(self) -> dict[str, Any]:
        """The configuration, as it is spelled today."""
        return config_of(self.path)

    @property
    def results(self) -> dict[str, Any]:
        """The row of results.csv: numbers as numbers, what is empty as None.

        Raises:
            ConfigError: the run has not finished.
        """
        if not (self.path / RESULTS).is_file():
            raise ConfigError(f"{self.path} holds no {RESULTS}: its run has not finished")
        row = read_rows(self.path / RESULTS)[-1]
        return {name: (text or None) if name in TEXTS else _value(text) for name, text in row.items()}

    @property
    def metrics(self) -> dict[str, np.ndarray]:
        """The columns of metrics.jsonl, a value for each logged iteration; NaN where a line does not have one.

        ``it`` (int64) counts finished iterations, from 1.
        """
        from usb_negsamp.run.records.metrics import read_metrics

        records = read_metrics(self.path / METRICS)
        names = dict.fromkeys(name for record in records for name in record)
        columns = {name: np.array([_number(record.get(name)) for record in records]) for name in names}
        return {name: column.astype(np.int64) if name == "it" else column for name, column in columns.items()}

    def network(self, which: str = "best", data_dir: str | os.PathLike[str] | None = None) -> PlainNetwork:
        """The trained network as a plain module with its preprocessing inside, on the CPU, in evaluation mode.

        It takes images (N, 3, S, S), in uint8 or in floating point in [0, 1], and returns logits (N, K), those that
        the run was evaluated by: of the averaged weights, and of both networks where the run averages two
        (``dnll_evaluate``). ``classes`` names the outputs; ``img_size`` is S.

        Args:
            which: ``best`` on validation, ``last``, or what SPL has left, ``spl``.
            data_dir: the folder of the run's data, for a checkpoint that does not say how images are preprocessed.

        Raises:
            ConfigError: there is no such model, or it does not say how images are preprocessed.
        """
        from usb_negsamp.run.finished_runs.network import load_network

        return load_network(self.path, which, _text_or_none(data_dir)).network

    def predict(
        self,
        images: Any,
        which: str = "best",
        *,
        data_dir: str | os.PathLike[str] | None = None,
        device: str = "auto",
        progress: bool = True,
    ) -> PredictedImages:
        """What the network says of images: classes, probabilities, outlier scores, and which it rejects.

        Args:
            images: a folder (with all folders in it), a file, a sequence of files, PIL images or arrays in uint8, all
                of any size; or a tensor as :meth:`network` takes it.
            which: ``best`` on validation, ``last``, or what SPL has left, ``spl``.
            data_dir: as of :meth:`network`.
            device: ``auto`` takes a GPU where there is one; ``cpu``, ``cuda``.
            progress: whether a bar, or a line now and then, is shown on standard error.

        Raises:
            ConfigError: as of :meth:`network`; nothing is there to look at.
        """
        from usb_negsamp.run.finished_runs.network import load_network
        from usb_negsamp.run.finished_runs.predict import predict
        from usb_negsamp.run.training.console import Console

        loaded = load_network(self.path, which, _text_or_none(data_dir))
        return predict(loaded, images, device, Console() if progress else None)

    def export(self, *formats: str, which: str = "best", data_dir: str | os.PathLike[str] | None = None) -> list[Path]:
        """Write the network into ``export`` in the run's folder, in forms that are used without this package.

        Args:
            formats: ``safetensors``, ``pt2``, ``torchscript``, ``onnx``; none: the first two.
            which: ``best`` on validation, ``last``, or what SPL has left, ``spl``.
            data_dir: as of :meth:`network`.

        Returns:
            the files, of which the last says what their input and their outputs are.

        Raises:
            ConfigError: as of :meth:`network`; no such format, or its packages are not installed.
        """
        from usb_negsamp.run.finished_runs.export import DEFAULT, export

        return export(self.path, formats or DEFAULT, which, _text_or_none(data_dir))

    def evaluate(self, which: str = "best", **keys: Any) -> dict[str, float | None]:
        """The figures of a model on the run's own validation and test images, which are read again.

        Args:
            which: ``best`` on validation, ``last``, or what SPL has left, ``spl``.
            keys: keys that no trained weight depends on, as ``usb-negsamp eval`` takes them: ``data_dir`` ...

        Raises:
            ConfigError: no such model or key, or other data than the run's.
        """
        from usb_negsamp.run.configuration.command_line import from_python
        from usb_negsamp.run.finished_runs.evaluate import check_keys, figures_of
        from usb_negsamp.run.finished_runs.global_state import global_state_kept

        check_keys(keys)
        file = model_of(self.path, which)
        with global_state_kept():
            return figures_of(self.path, file, from_python(None, keys).given)

    def report(self, out: str | os.PathLike[str] | None = None, *, from_files: bool = False) -> Path:
        """Write the page of the run, as ``usb-negsamp report`` does: one file of HTML that needs no network.

        The run need not have finished: its page says how far it is, or why it ended.

        Args:
            out: the file; None, ``report.html`` in the run's folder.
            from_files: whether the page says only what the run's files say; else data and network are read for more.

        Returns:
            the file.

        Raises:
            ConfigError: another file is there that is no such page, or it cannot be written.
        """
        from usb_negsamp.run.finished_runs.global_state import global_state_kept
        from usb_negsamp.run.report.page.write import destination, write_page

        path = destination([self.path], None if out is None else Path(out))
        with global_state_kept():
            write_page([self.path], path, with_network=not from_files)
        return path


def _value(text: str) -> Any:
    for kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            continue
    return {"": None, "True": True, "False": False}.get(text, text)


def _number(value: Any) -> float:
    return float(value) if isinstance(value, (int, float)) else np.nan


def _text_or_none(path: str | os.PathLike[str] | None) -> str | None:
    return None if path is None else os.fspath(path)
