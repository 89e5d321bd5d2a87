"""Two networks under one algorithm: a second, complete instance of the base algorithm beside the first.

The wrapped algorithm is the first network, and what the host's launchers, evaluation and checkpoints see. ``peer`` is
another instance of the same base: own network (independently initialized), average of weights, optimizer, schedule and
state of the base's hooks; data sets, loaders and unlabeled batches are shared. In each step both run the base's
``train_step``; a :class:`PairHook` may add a loss to both before either is updated. The peer draws from generators of
its own, so that the first network alone is, bit for bit, the base algorithm's.
"""

from __future__ import annotations

import copy
import os
import tempfile
from collections import OrderedDict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, ClassVar

import torch
from semilearn.core import AlgorithmBase
from semilearn.core.hooks import Hook
from semilearn.core.utils import misc

from usb_negsamp.errors import ConfigError
from usb_negsamp.host.checkpoints.file import write_checkpoint
from usb_negsamp.host.checkpoints.run_state import restore_run_state
from usb_negsamp.host.datasets.renamed_view import RenamedView, renamed
from usb_negsamp.host.randomness import generator_states, keyed_randomness, mix
from usb_negsamp.host.wrapping.iteration import step_number
from usb_negsamp.host.wrapping.paired_scaler import FirstScaler, pair_scalers
from usb_negsamp.host.wrapping.wrapper import Wrapper
from usb_negsamp.key import SEED
from usb_negsamp.settings import setting

PEER_VIEW = "x_lb_1"
"""The labeled weak view of the second network."""
_STREAM = 0x9EE2
_WARM_UP = -1

# Hooks that act on the run as a whole, by the names the host registers them under.
RUN_HOOKS = frozenset(
    {
        "EvaluationHook",
        "CheckpointHook",
        "DistSamplerSeedHook",
        "TimerHook",
        "LoggingHook",
        "WANDBHook",
        "AimHook",
        "OpenSetEvaluationHook",
    }
)


class Peer(Wrapper):
    """The second network with all that the base algorithm has beside it, on the data of the first.

    Args:
        first: the algorithm whose peer this is.
    """

    wrapper_name = "peer"
    hooks_dict: OrderedDict[str, Any]
    warmup: Callable[[], None]
    """Of a base that has such a stage."""

    def __init__(self, args: Any, *rest: Any, first: PairWrapper, **kwargs: Any) -> None:
        self.first = first
        super().__init__(args, *rest, **kwargs)
        self._said = first._said
        # What couples the two reads the same views of both.
        self.unlabeled_views = first.unlabeled_views

    @property
    def seed_of_draws(self) -> int:
        """The second network's own."""
        return int(self.first.peer_seed)

    def set_dataset(self) -> Any:
        """The first network's data sets."""
        return self.first.dataset_dict

    def set_data_loader(self) -> Any:
        """The first network's loaders, the labeled one with the second view."""
        loaders = self.first.loader_dict
        if loaders is None:
            return None
        return {**loaders, "train_lb": RenamedView(loaders["train_lb"], PEER_VIEW, "x_lb")}

    def set_hooks(self) -> None:
        """Register the base's hooks, and drop those that act on the run as a whole."""
        super().set_hooks()
        self._hooks: list[Hook] = [hook for hook in self.hooks_dict.values() if hook.name not in RUN_HOOKS]
        self.hooks_dict = OrderedDict((hook.name, hook) for hook in self._hooks)

    def load(self, saved: dict[str, Any]) -> None:
        """Take over what :meth:`get_save_dict` gave."""
        # The base algorithms read their own entries from a file.
        with tempfile.TemporaryDirectory() as folder:
            path = os.path.join(folder, "peer.pth")
            write_checkpoint(saved, path)
            self.load_model(path)
        restore_run_state(self, saved["run_state"])


class PairHook(Hook):
    """Runs the peer's step between the first network's passes and its update (priority HIGHEST)."""

    settings_only = True

    def couple(self, first: PairWrapper, peer: Peer) -> None:
        """Change the losses ``out_dict["loss"]`` of both before the updates. Here: not at all."""

    def before_run(self, algorithm: PairWrapper) -> None:
        """Make the peer ready to train."""
        algorithm.place_peer()
        with algorithm.turn_of_peer() as peer:
            peer.resume = algorithm.resume
            peer.model.train()
            peer.call_hook("before_run")

    def before_train_epoch(self, algorithm: PairWrapper) -> None:
        """Let the peer's hooks know."""
        with algorithm.turn_of_peer() as peer:
            peer.call_hook("before_train_epoch")

    def after_train_epoch(self, algorithm: PairWrapper) -> None:
        """Let the peer's hooks know."""
        with algorithm.turn_of_peer() as peer:
            peer.call_hook("after_train_epoch")

    def after_run(self, algorithm: PairWrapper) -> None:
        """Let the peer's hooks know."""
        with algorithm.turn_of_peer() as peer:
            peer.call_hook("after_run")

    def after_train_step(self, algorithm: PairWrapper) -> None:
        """The peer's passes, what couples the two, and the peer's update.

        With a loss scaler the update is left to that of the first network, which waits for the GPU once for both.
        """
        with algorithm.turn_of_peer() as peer:
            peer.call_hook("before_train_step")
            peer.out_dict, peer.log_dict = peer.train_step(**peer.process_batch(**algorithm.batch_of_peer()))
            self.couple(algorithm, peer)
            if not (algorithm.use_amp and isinstance(algorithm.loss_scaler, FirstScaler)):
                peer.call_hook("after_train_step")
                return
            states = generator_states()

        def update() -> None:
            with algorithm.turn_of_peer() as peer:
                states.restore()
                peer.call_hook("after_train_step")

        algorithm.loss_scaler.update_of_second = update


def peer_seed_setting() -> Any:
    """The field of a pair's settings that holds the seed of its second network."""
    return setting(
        int, None, "seed of the second network, another than seed; none, one that follows from seed", range=SEED
    )


class PairWrapper(Wrapper):
    """Base of wrappers with two networks. The first is the algorithm itself, the second its ``peer``.

    The peer's whole state is the entry ``peer`` of the checkpoint; ``model`` is the first network alone.
    """

    peer: Peer
    peer_seed_key: ClassVar[str]
    """Key of the seed of the peer's network and draws; none there: one that follows from the run's seed."""

    def __init__(self, args: Any, *rest: Any, **kwargs: Any) -> None:
        if getattr(args, "imb_algorithm", None) is not None:
            raise ConfigError(
                f"imb_algorithm: expected none with {self.wrapper_name}, whose second network it would not reach, "
                f"but got {args.imb_algorithm}"
            )
        self.peer_seed = self._checked_peer_seed(args)
        self._offered: dict[str, Any] = {}
        self._peer_is_placed = False
        super().__init__(args, *rest, **kwargs)
        peer_class = type(f"{type(self).__name__}Peer", (Peer, *self._bases_inside()), {"base_name": self.base_name})
        with keyed_randomness(self.peer_seed):
            self.peer = peer_class(copy.copy(args), *rest, first=self, **kwargs)
        pair_scalers(self, self.peer)
        self._check_independence()

    def _checked_peer_seed(self, args: Any) -> int:
        seed = getattr(args, self.peer_seed_key, None)
        if seed is None:
            return mix(args.seed, _STREAM)
        if seed == args.seed:
            raise ConfigError(
                f"{self.peer_seed_key}: expected another seed than the first network's, seed = {args.seed}, "
                "because equal networks cannot teach each other"
            )
        return int(seed)

    def _check_independence(self) -> None:
        other = dict(self.peer.model.named_parameters())
        if all(torch.equal(parameter, other[name]) for name, parameter in self.model.named_parameters()):
            raise ConfigError(
                f"{self.wrapper_name}: expected two independently initialized networks, but net {self.args.net!r} "
                "starts from the same weights each time it is built"
            )

    @classmethod
    def _bases_inside(cls) -> tuple[type[Any], ...]:
        """What the wrapper was put around: the base algorithm, with the wrappers inside."""
        for composed in cls.__mro__:
            outermost, *inside = composed.__bases__ or (object,)
            if issubclass(outermost, PairWrapper) and not issubclass(outermost, AlgorithmBase) and inside:
                return tuple(inside)
        raise ConfigError(f"{cls.__name__} is not composed of a wrapper and an algorithm of the host")

    @classmethod
    def inside(cls) -> type[Any]:
        """The algorithm of each of the two networks."""
        return cls._bases_inside()[-1]

    @classmethod
    def labeled_views_needed(cls, args: Any) -> tuple[str, ...]:
        """Those of the wrappers inside, and the peer's."""
        return (*super().labeled_views_needed(args), PEER_VIEW)

    def process_batch(self, input_args: Any = None, **kwargs: Any) -> dict[str, Any]:
        """Prepare the host's batch, and keep all that was offered for the peer."""
        self._offered = kwargs
        return super().process_batch(input_args, **kwargs)

    def batch_of_peer(self) -> dict[str, Any]:
        """The present step's batch for the peer: its own labeled view, the very unlabeled views of the first."""
        if PEER_VIEW not in self._offered:
            raise ConfigError(
                f"{self.wrapper_name} reads a second weak view of labeled images: expected {PEER_VIEW!r} in the "
                f"batches of train_lb, but got {', '.join(self._offered)}"
            )
        return renamed({**self._offered, **self.batch}, PEER_VIEW, "x_lb")

    @contextmanager
    def turn_of_peer(self, stage: int | None = None) -> Iterator[Peer]:
        """Inside the block the peer is where the first network is, and draws are keyed by (seed, iteration)."""
        self.peer.it, self.peer.epoch = getattr(self, "it", 0), getattr(self, "epoch", 0)
        self.peer.steps_after_training = self.steps_after_training
        with keyed_randomness(mix(self.peer_seed, step_number(self.peer) if stage is None else stage)):
            yield self.peer

    def place_peer(self) -> None:
        """Send the peer's networks to where the host sends the first one's. Once."""
        if not self._peer_is_placed:
            self._peer_is_placed = True
            self.peer.model = misc.send_model_cuda(self.args, self.peer.model, clip_batch=False)
            self.peer.ema_model = misc.send_model_cuda(self.args, self.peer.ema_model, clip_batch=False)

    @property
    def warmup(self) -> Callable[[], None]:
        """The base's warm-up stage, for both networks. Where the base has none, there is no such attribute."""
        warm_up: Callable[[], None] = super().warmup  # type: ignore[misc]  # some of the host's have it

        def both() -> None:
            warm_up()
            self.place_peer()
            with self.turn_of_peer(_WARM_UP) as peer:
                peer.it = 0
                peer.warmup()

        return both

    def get_save_dict(self) -> dict[str, Any]:
        """The base's entries for the first network, and those of :meth:`pair_state` beside them."""
        return {**super().get_save_dict(), **self.pair_state()}

    def load_model(self, load_path: str) -> dict[str, Any]:
        """Load both networks."""
        checkpoint: dict[str, Any] = super().load_model(load_path)
        self.load_pair_state(checkpoint)
        return checkpoint

    def pair_state(self) -> dict[str, Any]:
        """What a pair has beside its first network: all of the peer's as ``peer``."""
        with self.turn_of_peer() as peer:
            return {"peer": peer.get_save_dict()}

    def load_pair_state(self, saved: dict[str, Any]) -> None:
        """Go back to what :meth:`pair_state` gave."""
        self.place_peer()
        with self.turn_of_peer() as peer:
            peer.load(saved["peer"])
