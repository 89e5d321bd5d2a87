"""The host's training loop for an algorithm that changes what it trains on, or its network, in the midst of a run."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from usb_negsamp.host.datasets.seeded_loading import skip_to
from usb_negsamp.host.wrapping.wrapper import UnlabeledLoop, Wrapper


class LoopInParts(UnlabeledLoop):
    """Base of an algorithm whose training is of parts, each of which begins with loaders that begin anew.

    In front of the host's algorithm among the bases. Within a part it is the host's loop, which a wrapper around it
    leaves as it is.
    """

    reads_unlabeled_batches = True
    """Whether its own step takes an unlabeled batch; a wrapper around it is given one in any case."""

    def begin_part(self) -> int:
        """Do what is due at iteration ``it``, also of a resumed run; returns the iteration that the part ends before.

        Nothing that was done before the iteration was saved may be done again.
        """
        raise NotImplementedError

    def train(self) -> None:
        """The host's loop, part by part."""
        self.model.train()
        self.call_hook("before_run")
        while self.it < self.num_train_iter:
            end_of_part = self.begin_part()
            self.epoch = self.it // self.num_iter_per_epoch
            end = min(end_of_part, (self.epoch + 1) * self.num_iter_per_epoch, self.num_train_iter)
            skip_to(self, self.it)
            self.call_hook("before_train_epoch")
            for batch in self._batches():
                self.call_hook("before_train_step")
                self.out_dict, self.log_dict = self.train_step(**self.process_batch(**batch))
                self.call_hook("after_train_step")
                self.it += 1
                if self.it >= end:
                    break
            self.call_hook("after_train_epoch")
        self.call_hook("after_run")

    def _batches(self) -> Iterator[dict[str, Any]]:
        loaders = self.loader_dict
        if not (self.reads_unlabeled_batches or isinstance(self, Wrapper)):
            yield from loaders["train_lb"]
            return
        for labeled, unlabeled in zip(loaders["train_lb"], loaders["train_ulb"], strict=False):
            yield {**labeled, **unlabeled}
