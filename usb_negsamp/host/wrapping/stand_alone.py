"""Base of the algorithms of ours that are no wrapper around one of the host's."""

from __future__ import annotations

from typing import Any, ClassVar

import torch
from semilearn.core import AlgorithmBase
from torch import Tensor

from usb_negsamp.errors import ConfigError
from usb_negsamp.host.algorithm import HostAlgorithm
from usb_negsamp.host.own_arguments import host_argument
from usb_negsamp.settings import Settings


class StandAlone(AlgorithmBase):
    """An algorithm with keys of its own, on the views that the host's data sets make for one of the host's."""

    base_name: ClassVar[str]
    """The host's algorithm whose views of a sample are read; the host's data sets choose them by name."""
    settings_class: ClassVar[type[Settings]]
    paper: ClassVar[str]
    """Authors, and where it appeared."""

    def __init__(self, args: Any, *rest: Any, **kwargs: Any) -> None:
        if getattr(args, "imb_algorithm", None) is not None:
            # By now the arguments have the name of the views.
            own = next(part for part in type(self).__mro__ if issubclass(part, StandAlone) and "paper" in vars(part))
            raise ConfigError(
                f"imb_algorithm: expected none with {own.__name__}, whose own loss it would not reach, but got "
                f"{args.imb_algorithm}"
            )
        super().__init__(args, *rest, **kwargs)

    @property
    def algorithm(self) -> str:
        """The name that the host's data sets choose the views of a sample by."""
        return self.base_name

    @algorithm.setter
    def algorithm(self, name: str) -> None:
        """The host sets the registered name here; that of the views is kept."""

    @property
    def seed_of_draws(self) -> int:
        """What decides draws that are not those of the data."""
        return int(self.args.seed)

    @classmethod
    def get_argument(cls) -> list[Any]:
        """The algorithm's keys."""
        return [host_argument(key) for key in cls.settings_class.all_keys()]

    def passed(self, *batches: Tensor) -> list[dict[str, Tensor]]:
        """Logits (N, K) and features of each batch, as ``logits`` and ``feat``.

        From one pass over all of them, by whose statistics batch norms normalize; without ``use_cat``, and for a single
        batch, from one pass each.
        """
        if not self.use_cat or len(batches) == 1:
            return [self.model(batch) for batch in batches]
        sizes = [len(batch) for batch in batches]
        outputs = self.model(torch.cat(batches))
        parts = zip(*(outputs[key].split(sizes) for key in ("logits", "feat")), strict=True)
        return [{"logits": logits, "feat": features} for logits, features in parts]

    def supervised_step(self, x_lb: Tensor, y_lb: Tensor) -> tuple[dict[str, Any], dict[str, Any]]:
        """What a step returns that learns from the labeled images alone: the host's supervised training, bit for bit.

        Args:
            x_lb: labeled images (B, C, H, W).
            y_lb: their labels (B,).
        """
        with self.amp_cm():
            outputs = self.model(x_lb)
            loss = self.ce_loss(outputs["logits"], y_lb, reduction="mean")
        figures = {"sup_loss": loss.detach(), "total_loss": loss.detach()}
        return self.process_out_dict(loss=loss, feat={"x_lb": outputs["feat"]}), self.process_log_dict(**figures)


def outputs_of_views(algorithm: HostAlgorithm, *views: Tensor) -> list[dict[str, Any]]:
    """What the network makes of each of the views (N_i, C, H, W): every entry of its output, by its rows.

    From one joint pass with ``use_cat``, whose batch statistics are those of all views, or from one pass each.
    """
    if not algorithm.use_cat:
        return [algorithm.model(view) for view in views]
    sizes = [len(view) for view in views]
    parts = {name: entry.split(sizes) for name, entry in algorithm.model(torch.cat(views)).items()}
    return [{name: rows[number] for name, rows in parts.items()} for number in range(len(views))]
