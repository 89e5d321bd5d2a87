"""A loss around any algorithm of the host, without an edit of it and without an extra forward pass.

``type(name, (SomeWrapper, HostAlgorithm), {...})`` is the host's algorithm with one or more hooks. Its ``train_step``
stays the host's own, so that the host's look-up of the step's signature picks the right batch keys.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, nullcontext
from typing import TYPE_CHECKING, Any, ClassVar

import torch
from semilearn.core import AlgorithmBase
from semilearn.core.hooks import Hook
from torch import Tensor
from torch.nn.parallel import DistributedDataParallel

from usb_negsamp.errors import ConfigError
from usb_negsamp.host.algorithm import HostAlgorithm
from usb_negsamp.host.datasets.texts_and_sounds.further_views import add_labeled_views, add_views
from usb_negsamp.host.own_arguments import host_argument
from usb_negsamp.host.wrapping.passes.logits_tape import LogitsTape, View, evaluated_logits
from usb_negsamp.key import Key
from usb_negsamp.settings import Settings

# A wrapper is composed with an algorithm of the host, and calls it by ``super()``.
if TYPE_CHECKING:
    AroundAlgorithm = AlgorithmBase
else:
    AroundAlgorithm = object


class LogitsTapeHook(Hook):
    """Starts the tape before each step and lets go of it once the weights are updated (priority VERY_HIGH)."""

    listens_to_passes = True

    def before_run(self, algorithm: Wrapper) -> None:
        algorithm.logits_tape.attach(algorithm.model)

    def before_train_step(self, algorithm: Wrapper) -> None:
        # CReST builds a new model in each generation.
        algorithm.logits_tape.attach(algorithm.model)
        algorithm.logits_tape.start()

    def after_train_step(self, algorithm: Wrapper) -> None:
        algorithm.logits_tape.stop()


class Batch(dict[str, Any]):
    """A step's batch by its keys; one that a wrapper reads and the loader does not give is one line."""

    def __missing__(self, key: str) -> Any:
        raise ConfigError(
            f"expected a loader whose samples have {key}, which the algorithm reads, but got one of "
            f"{', '.join(sorted(self))}: build its data by get_dataset(config, config.algorithm, ...)"
        )


class Wrapper(AroundAlgorithm):
    """Base of our wrappers: keeps the batch, listens to the model, and is to its base algorithm what it was.

    A subclass registers its own hooks at ``"HIGHEST"`` in ``set_hooks`` before it calls ``super().set_hooks()``: they
    then run between the host's ``train_step`` and its update of the weights.
    """

    base_name: ClassVar[str]
    wrapper_name: ClassVar[str]
    takes_texts_and_sounds: ClassVar[bool] = False
    """Whether it works on batches that are dictionaries of tokens, or of waves of any length."""
    paper: ClassVar[str] = ""
    """Authors, and where it appeared."""
    settings_class: ClassVar[type[Settings]]
    """Holds the wrapper's keys. The launcher builds it once before anything else, so that a wrong value ends there."""

    switched_off: ClassVar[Mapping[str, Any]] = {}
    """Values of keys beside those ending in ``_weight`` with which the wrapper does nothing; those are 0 then."""

    batch: dict[str, Any]
    """The step's batch: views of images, labels and indices by their keys."""
    steps_after_training: int = 0
    """How many steps a stage after the training has taken, in which ``it`` stands still."""

    def __init__(self, args: Any, *rest: Any, **kwargs: Any) -> None:
        self.logits_tape = LogitsTape(self._has_averaged_weights)
        self.logits_tape.read_heads = functools.partial(evaluated_logits, self)
        self.batch = {}
        self._said: set[str] = set()
        self.unlabeled_views = tuple(dict.fromkeys(self.views_needed(args)))
        taken = inspect.signature(self.train_step).parameters
        self._labeled_views_of_step = frozenset(self.labeled_views_needed(args)).intersection(taken)
        self._views_of_step = self._labeled_views_of_step.union(set(self.unlabeled_views).intersection(taken))
        super().__init__(args, *rest, **kwargs)

    @classmethod
    def own_keys(cls) -> tuple[Key, ...]:
        """The keys that this wrapper adds to those of its base algorithm."""
        return cls.settings_class.all_keys()

    @classmethod
    def views_needed(cls, args: Any) -> tuple[str, ...]:
        """Batch keys of unlabeled views that this wrapper, and those inside, read."""
        return ()

    @classmethod
    def labeled_views_needed(cls, args: Any) -> tuple[str, ...]:
        """Batch keys of labeled views beside the host's one that this wrapper, and those inside, read."""
        return ()

    def set_dataset(self) -> Any:
        """The host's data sets; labeled samples carry the views that wrappers read, too."""
        dataset_dict = super().set_dataset()
        add_labeled_views(dataset_dict, self.labeled_views_needed(self.args))
        return dataset_dict

    def set_data_loader(self) -> Any:
        """The host's loaders; unlabeled samples carry the views that wrappers read, too."""
        # Here, not where the data sets are built: CReST builds its own without the base's set_dataset.
        add_views(self.dataset_dict, self.unlabeled_views)
        return super().set_data_loader()

    def _has_averaged_weights(self) -> bool:
        """Whether ``model`` carries the moving averages just now, as it does in a teacher's pass."""
        ema = getattr(self, "ema", None)
        return ema is not None and bool(ema.backup)

    @property
    def seed_of_draws(self) -> int:
        """What, with the step's number, decides the draws of a hook."""
        return int(self.args.seed)

    @property
    def algorithm(self) -> str:
        """The base algorithm's name: the host's data sets choose the views of a sample by it."""
        return self.base_name

    @algorithm.setter
    def algorithm(self, name: str) -> None:
        """The host sets its own name here; the base's is kept."""

    def set_hooks(self) -> None:
        """Register the tape's hook, then the base algorithm's hooks."""
        if "TapeHook" not in self.hooks_dict:
            self.register_hook(LogitsTapeHook(), "TapeHook", "VERY_HIGH")
        super().set_hooks()

    def process_batch(self, input_args: Any = None, **kwargs: Any) -> dict[str, Any]:
        """Prepare the host's batch, and keep the unlabeled views beside it.

        Raises:
            ConfigError: the loaders do not give a view that the step takes because a wrapper asked for it.
        """
        step_input = super().process_batch(input_args, **kwargs)
        if input_args is None:
            self._check_offered(kwargs)
        wanted = [key for key in self.unlabeled_views if key not in step_input and key in kwargs]
        extra = super().process_batch(wanted, **kwargs) if wanted else {}
        self.batch = Batch({**step_input, **extra})
        return step_input

    def _check_offered(self, offered: Mapping[str, Any]) -> None:
        # Stages of labeled batches alone, as Dash's warm-up, have no unlabeled view to miss.
        for view in self._views_of_step if "x_ulb_w" in offered else self._labeled_views_of_step:
            if view not in offered:
                _ = Batch(offered)[view]

    def logits_of(self, view: str, *, with_grad: bool = True) -> Tensor:
        """Logits (N, K) of the batch's ``view`` by the network's own weights.

        From the host's passes, or from one more where none carried it, which leaves running statistics alone. Without
        ``with_grad`` they carry no gradient.
        """
        rows = self.logits_tape.rows(self.batch[view], view, with_grad=with_grad)
        if rows is not None:
            return rows if with_grad else rows.detach()
        if view not in self._said:
            self._said.add(view)
            gradient = " with a gradient" if with_grad else ""
            self.print_fn(
                f"{type(self).__name__}: no pass of {self.base_name} carries {view}{gradient}; "
                "one more forward pass a step is taken for it"
            )
        with nullcontext() if with_grad else torch.no_grad():
            return self.logits_of_extra_pass(view)

    def logits_of_extra_pass(self, view: str) -> Tensor:
        """Logits (N, K) of the batch's ``view`` from a pass of its own; running statistics are left alone."""
        return self.logits_of_images(self.batch[view])

    def logits_of_images(self, images: View) -> Tensor:
        """Logits (N, K) of ``images`` from a forward pass of their own; running statistics are left alone."""
        model = self.model
        with frozen_running_statistics(self), self.amp_cm():
            # A second pass through DDP that leaves parameters unused would end the step; its module shares the
            # parameters, and their gradients are still summed over the processes.
            network = model.module if isinstance(model, DistributedDataParallel) else model
            return evaluated_logits(self, images, network(images)["logits"])


@contextmanager
def frozen_running_statistics(algorithm: HostAlgorithm) -> Iterator[None]:
    """Normalize by batch statistics inside the block without updating the running ones."""
    algorithm.bn_controller.freeze_bn(algorithm.model)
    try:
        yield
    finally:
        algorithm.bn_controller.unfreeze_bn(algorithm.model)


class UnlabeledLoop(AroundAlgorithm):
    """For a base whose own loop draws no unlabeled data (the host's supervised baselines): draws them too.

    An algorithm that is one of these has a loop of its own, which a wrapper around it leaves as it is.
    """

    def train(self) -> None:
        """The host's common loop, which takes a labeled and an unlabeled batch a step."""
        AlgorithmBase.train(self)


def compose(base: type[Any], name: str, base_name: str, wrapper: type[Wrapper]) -> type[Any]:
    """Return ``wrapper`` around ``base`` as a class named after ``name``.

    Args:
        base: the host's algorithm, or one already wrapped.
        name: the registered name of the result.
        base_name: the registered name of the host's algorithm inside.
        wrapper: subclass of :class:`Wrapper`.

    Raises:
        ConfigError: ``base`` is no algorithm of the host, or carries this wrapper already.
    """
    if not (inspect.isclass(base) and issubclass(base, AlgorithmBase)):
        raise ConfigError(f"expected a subclass of the host's AlgorithmBase to wrap, but got {base!r}")
    if issubclass(base, wrapper):
        raise ConfigError(f"{base.__name__} carries the wrapper {wrapper.wrapper_name!r} already")
    step: Any = base.train_step
    draws_unlabeled = any("ulb" in key for key in inspect.signature(step).parameters)
    loop = () if draws_unlabeled or issubclass(base, UnlabeledLoop) else (UnlabeledLoop,)

    def get_argument() -> list[Any]:
        return [*(base.get_argument() or []), *(host_argument(key) for key in wrapper.own_keys())]

    members = {
        "base_name": base_name,
        "__doc__": f"{base.__name__} of the host with {wrapper.wrapper_name.upper()} around it.",
        "__module__": wrapper.__module__,
        "get_argument": staticmethod(get_argument),
    }
    return type("".join(part.capitalize() for part in name.split("_")), (wrapper, *loop, base), members)
