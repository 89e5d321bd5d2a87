"""The trained network of a finished run, built again without its data."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from usb_negsamp.errors import ConfigError
from usb_negsamp.run.finished_runs.models import model_of
from usb_negsamp.run.records.manifest import config_of

if TYPE_CHECKING:
    from usb_negsamp.data import ImageFormat
    from usb_negsamp.host.evaluation.judge import Judge
    from usb_negsamp.host.evaluation.plain_network import PlainNetwork


class LoadedNetwork(NamedTuple):
    """A network, and what its use needs.

    Attributes:
        network: raw images to logits, in evaluation mode, on the CPU.
        judge: tells images of no class.
        images: what they are to the network.
        file: the checkpoint.
        batch_size: of the run's evaluation.
        open_set: whether the run has classes that its labels do not.
    """

    network: PlainNetwork
    judge: Judge
    images: ImageFormat
    file: Path
    batch_size: int
    open_set: bool


def load_network(run: Path, which: str = "best", data_dir: str | None = None) -> LoadedNetwork:
    """Build the network of a run, with the weights that the run was evaluated with.

    The data are read only where they are asked for: with ``data_dir``, or where the run's evaluation takes batch
    statistics of them (``bn_batches``).

    Args:
        run: the run's folder.
        which: ``best`` on validation, ``last``, or what SPL has left, ``spl``.
        data_dir: the folder of the run's data.

    Raises:
        ConfigError: no run, or none with that model; weights of another network; a checkpoint that does not say how
            images are preprocessed, and no ``data_dir``.
    """
    file = model_of(run, which)

    from usb_negsamp.host.checkpoints.file import read_checkpoint
    from usb_negsamp.host.evaluation.use import saved_format, saved_rejection

    saved = read_checkpoint(file)
    config = config_of(run)
    if config.get("imb_algorithm") is not None:
        raise ConfigError(
            f"{run} was evaluated by a head of imb_algorithm {config['imb_algorithm']}: expected a run without one for "
            "the use of its network by itself"
        )
    images, rejection = saved_format(saved, str(file)), saved_rejection(saved, str(file))
    takes_statistics = (config.get("bn_batches") or 0) > 0 and "masks" not in saved
    if data_dir is not None or takes_statistics:
        return _on_its_data(run, file, saved, data_dir)
    if images is None:
        raise ConfigError(
            f"{file} does not say how images were preprocessed (it was written by an earlier version, or the host's "
            "loader read other data than pictures): give --data_dir DIR, the folder of the run's data, to read it there"
        )

    from usb_negsamp.host.evaluation.judge import Judge
    from usb_negsamp.host.evaluation.network_alone import algorithm_of_network
    from usb_negsamp.host.evaluation.plain_network import network_of_checkpoint

    algorithm = algorithm_of_network(_arguments(run, config))
    network = network_of_checkpoint(algorithm, saved, images, str(file))
    batch_size = int(config.get("eval_batch_size") or 16)
    return LoadedNetwork(network, Judge(algorithm, rejection), images, file, batch_size, rejection is not None)


def _arguments(run: Path, config: dict[str, Any]) -> Any:
    """The run's arguments; plugins that they name are loaded."""
    from usb_negsamp.run.configuration.catalog import register_and_keep
    from usb_negsamp.run.configuration.resolution import Sources, resolve

    register_and_keep()
    return resolve(Sources(None, config, {}, run=run)).args


def _on_its_data(run: Path, file: Path, saved: dict[str, Any], data_dir: str | None) -> LoadedNetwork:
    from usb_negsamp.run.finished_runs.global_state import global_state_kept
    from usb_negsamp.run.finished_runs.rebuild import build_again

    with global_state_kept():
        algorithm = build_again(run, {"device": "cpu", **({} if data_dir is None else {"data_dir": data_dir})})

        from usb_negsamp.host.datasets.built_data import built_data_of
        from usb_negsamp.host.evaluation.judge import Judge
        from usb_negsamp.host.evaluation.open_set import open_set_of, rejects_by_itself
        from usb_negsamp.host.evaluation.plain_network import network_on_its_data
        from usb_negsamp.host.evaluation.use import Rejection

        images = built_data_of(algorithm).images
        if images is None:
            raise ConfigError(
                f"dataset {algorithm.args.dataset}: expected pictures that are resized and normalized for evaluation, "
                f"but those of {run} are evaluated otherwise"
            )
        network, threshold = network_on_its_data(algorithm, saved, images, str(file))
    rejection = None
    if open_set_of(algorithm) is not None:
        rejection = Rejection("own") if rejects_by_itself(algorithm) else Rejection("max_softmax", threshold)
    batch_size = int(algorithm.args.eval_batch_size)
    return LoadedNetwork(network, Judge(algorithm, rejection), images, file, batch_size, rejection is not None)
