"""What each of two coupled networks gives: its logits of a view."""

from __future__ import annotations

import torch
from torch import Tensor

from usb_negsamp.host.wrapping import Wrapper


class Member(Wrapper):
    """One of two networks."""

    def own_logits(self, view: str, *, with_grad: bool) -> Tensor:
        """Logits (N, K) of the batch's ``view`` by the network's own weights.

        From the base's passes, or from one more, which leaves running statistics alone. Without ``with_grad`` they
        carry no gradient.
        """
        rows = self.tape.rows(self.batch[view], view, with_grad=with_grad)
        with torch.set_grad_enabled(with_grad):
            logits = self.logits_of_extra_pass(view) if rows is None else rows
        return logits if with_grad else logits.detach()
