"""Batch normalization over several CPU processes: PyTorch's ``SyncBatchNorm`` refuses tensors outside a GPU.

With it, N processes with 1/N of the batch each normalize by the statistics of the whole batch, as one process does.
"""

from __future__ import annotations

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.distributed.nn.functional import all_reduce
from torch.nn.modules.batchnorm import _BatchNorm


def _summed(values: Tensor) -> Tensor:
    """``values`` summed over the process group, with their gradient."""
    total: Tensor = all_reduce(values)  # type: ignore[no-untyped-call]
    return total


class CPUSyncBatchNorm(_BatchNorm):
    """Batch normalization whose batch statistics are summed over the process group, gradients included.

    Equal to ``torch.nn.BatchNorm`` of the joined batch. Takes (N, C, ...) tensors.
    """

    def _check_input_dim(self, input: Tensor) -> None:
        if input.dim() < 2:
            raise ValueError(f"expected at least 2D input (got {input.dim()}D input)")

    def forward(self, input: Tensor) -> Tensor:
        """Normalize by the statistics of all processes in training, by the running ones in evaluation."""
        if not self.training or not dist.is_initialized() or dist.get_world_size() == 1:
            return super().forward(input)
        axes = [axis for axis in range(input.dim()) if axis != 1]
        shape = [1, -1] + [1] * (input.dim() - 2)
        count = input.numel() / input.shape[1]
        sums = torch.cat([input.sum(axes), input.new_tensor([count])])
        total, total_count = torch.split(_summed(sums), [input.shape[1], 1])
        mean = total / total_count
        centered = input - mean.view(shape)
        # Of the centered values: the difference of two large squares would lose a small variance.
        variance = _summed(centered.square().sum(axes)) / total_count
        if self.track_running_stats and self.running_mean is not None and self.running_var is not None:
            with torch.no_grad():
                tracked = self.num_batches_tracked
                assert tracked is not None
                tracked.add_(1)
                factor = 1.0 / tracked.item() if self.momentum is None else self.momentum
                self.running_mean.lerp_(mean.detach(), factor)
                self.running_var.lerp_(variance.detach() * total_count / (total_count - 1), factor)
        output = centered * torch.rsqrt(variance.view(shape) + self.eps)
        if self.weight is not None:
            output = output * self.weight.view(shape) + self.bias.view(shape)
        return output


def convert_sync_batch_norm(module: nn.Module) -> nn.Module:
    """Return ``module`` with every batch normalization replaced by :class:`CPUSyncBatchNorm`; all tensors are kept."""
    converted = module
    if isinstance(module, _BatchNorm) and not isinstance(module, CPUSyncBatchNorm):
        converted = CPUSyncBatchNorm(
            module.num_features, module.eps, module.momentum, module.affine, module.track_running_stats
        )
        # The very tensors, not copies: an optimizer holds them already.
        for name, tensor in (*module._parameters.items(), *module._buffers.items()):
            setattr(converted, name, tensor)
        converted.training = module.training
    for name, child in module.named_children():
        converted.add_module(name, convert_sync_batch_norm(child))
    return converted
