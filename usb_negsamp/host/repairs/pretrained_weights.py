"""Pretrained weights of the host's networks come from a file that is read without running it, and fit.

What is wrong: ``nets/utils.py`` ``load_checkpoint`` unpickles the file of ``pretrain_path`` whole, which before PyTorch
2.6 runs whatever it holds, and takes what has the right names from it, were that nothing. How it shows: code of the
file is run; a file that is missing or of another network ends in a traceback, or in a training from random weights.
How it is mended: the file is read as every other checkpoint, and a parameter that it lacks, heads aside, is a one-line
error. When it may go: when the host loads with ``weights_only`` and reads what ``load_state_dict`` returns.
"""

from __future__ import annotations

from typing import Any

from semilearn.nets import utils
from torch import Tensor, nn

from usb_negsamp.errors import ConfigError, expected
from usb_negsamp.host.checkpoints.fit import unlike
from usb_negsamp.host.checkpoints.form import are_named, kind_of
from usb_negsamp.host.patching import replace_everywhere
from usb_negsamp.tensor_file import is_plain, read_tensors

_HEADS = ("fc", "classifier", "mlp", "head")
_POSITIONS = "pos_embed"


def load_checkpoint(model: nn.Module, checkpoint_path: str | None) -> nn.Module:
    """Give ``model`` the weights of a file ``{"model": state_dict}``, all but its heads; returns it.

    Raises:
        ConfigError: no path, no such file, not a checkpoint, or not of this network.
    """
    if not checkpoint_path:
        raise expected("pretrain_path", f"a checkpoint of {type(model).__name__} with use_pretrain true", "none")
    checkpoint = read_tensors(checkpoint_path)
    state = checkpoint.get("model") if isinstance(checkpoint, dict) else None
    if not are_named(state, is_plain):
        came = kind_of(checkpoint if state is None else state)
        raise expected(f"pretrain_path: {checkpoint_path}", "{'model': tensors by their names}", came)
    state = {name.removeprefix("module."): value for name, value in state.items()}
    state = {name: value for name, value in state.items() if not name.startswith(_HEADS)}
    if _POSITIONS in state and hasattr(model, _POSITIONS):
        state[_POSITIONS] = _resized(state[_POSITIONS], model.pos_embed, checkpoint_path)
    parameters = {name: value for name, value in model.named_parameters() if not name.startswith(_HEADS)}
    buffers = {name: value for name, value in model.named_buffers() if name in state}
    reason = unlike({**parameters, **buffers}, state)
    if reason:
        raise ConfigError(
            f"pretrain_path: expected a checkpoint of {type(model).__name__} at {checkpoint_path}, but {reason}"
        )
    model.load_state_dict(state, strict=False)
    return model


def _resized(positions: Tensor, here: Any, path: str) -> Tensor:
    """The host's embedding of positions for another number of patches."""
    try:
        resized: Tensor = utils.resize_pos_embed_vit(positions, here.data)
    except (IndexError, RuntimeError) as error:
        came = f"{kind_of(positions)} for {tuple(here.shape)}"
        raise expected(f"pretrain_path: {path}: {_POSITIONS}", "an embedding of positions on a square", came) from error
    return resized


def apply() -> None:
    """Replace ``load_checkpoint``."""
    replace_everywhere(utils.load_checkpoint, load_checkpoint)
