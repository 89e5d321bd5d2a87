"""Fix-A-Step around any algorithm: mixed labeled images, and no step against the labeled gradient."""

from __future__ import annotations

from types import MappingProxyType
from typing import Any

from usb_negsamp.algorithms.fixastep.hook import FixAStepHook
from usb_negsamp.algorithms.fixastep.mixing import VIEWS
from usb_negsamp.algorithms.fixastep.settings import FixAStepSettings
from usb_negsamp.errors import ConfigError
from usb_negsamp.host import ALGORITHMS
from usb_negsamp.host.wrapping.hook_order import insert_hook
from usb_negsamp.host.wrapping.wrapper import Wrapper

UNSHARPENED = ("vat", "pimodel")
"""Around these guessed labels are sharpened less, as in the paper."""


class FixAStepWrapper(Wrapper):
    """Mends the steps of the algorithm it wraps. Its keys: :class:`FixAStepSettings`.

    Around an algorithm that mixes labels itself (MixMatch, ReMixMatch, MTC) it is the gradient test alone. An algorithm
    says so by ``mixes_labeled_images = True``, and by ``separates_labeled_loss = False`` that no part of its loss is
    that of the labels alone. Steps of which its property ``is_without_labeled_loss`` is true are left as they are.
    """

    wrapper_name = "fixastep"
    paper = "Huang, Sidhom, Wessler, Hughes, AISTATS 2023"
    settings_class = FixAStepSettings
    switched_off = MappingProxyType({"fixastep_mix": False, "fixastep_gradient_test": False})

    def __init__(self, args: Any, *rest: Any, **kwargs: Any) -> None:
        settings = FixAStepSettings.from_arguments(args)
        if settings.changes_steps and not getattr(self, "separates_labeled_loss", True):
            raise ConfigError(
                f"algorithm: expected one with a loss of its labeled images alone for fixastep, but {args.algorithm} "
                "has one of labeled and selected images together"
            )
        super().__init__(args, *rest, **kwargs)

    @classmethod
    def _mixes_itself(cls) -> bool:
        of_host = tuple(ALGORITHMS[name] for name in ("mixmatch", "remixmatch"))
        return issubclass(cls, of_host) or bool(getattr(cls, "mixes_labeled_images", False))

    @property
    def mixes_labels(self) -> bool:
        """Whether the algorithm inside mixes its labeled images."""
        return self._mixes_itself()

    @classmethod
    def views_needed(cls, args: Any) -> tuple[str, ...]:
        """Those of what is inside and, where images are mixed, two weak views."""
        inside = super().views_needed(args)
        return (*inside, *VIEWS) if args.fixastep_mix and not cls._mixes_itself() else inside

    def set_hooks(self) -> None:
        """Register the hooks of what is inside, and Fix-A-Step's right before the update of the weights."""
        super().set_hooks()
        settings = FixAStepSettings.from_arguments(self.args)
        if not settings.changes_steps:
            return
        if settings.mix and self.mixes_labels:
            self.print_fn(
                "fixastep: the algorithm inside mixes its labeled images itself; the gradient test alone is added"
            )
        usual = 0.95 if self.base_name in UNSHARPENED else 0.5
        hook = FixAStepHook(
            settings, mixes=settings.mix and not self.mixes_labels, temperature=settings.temperature or usual
        )
        insert_hook(self, hook, "FixAStepHook", before="ParamUpdateHook")
