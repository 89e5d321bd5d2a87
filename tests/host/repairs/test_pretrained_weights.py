"""Weights of the host's networks from a file."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import semilearn.nets
import torch
from semilearn.nets.vit import vit
from torch import nn

from usb_negsamp import ConfigError
from usb_negsamp.host.patching import undone


def wide(path: Path | str | None = None, **keys: Any) -> nn.Module:
    found: nn.Module = semilearn.nets.wrn_28_2(
        pretrained=path is not None, pretrained_path=None if path is None else str(path), num_classes=10, **keys
    )
    return found


@pytest.fixture
def state() -> dict[str, torch.Tensor]:
    return dict(wide().state_dict())


def write(path: Path, content: Any) -> Path:
    torch.save(content, path)
    return path


@pytest.mark.parametrize("prefix", ["", "module."])
def test_all_but_the_head_comes_from_the_file(prefix: str, state: dict[str, torch.Tensor], tmp_path: Path) -> None:
    path = write(tmp_path / "a.pth", {"model": {f"{prefix}{name}": tensor for name, tensor in state.items()}})
    torch.manual_seed(1)
    found = wide(path).state_dict()
    same = {name for name, tensor in state.items() if torch.equal(found[name], tensor)}
    assert {name for name in state if not name.startswith("classifier.")} <= same
    assert "classifier.weight" not in same


def test_positions_are_resized_as_the_host_does(tmp_path: Path) -> None:
    small = {"img_size": 16, "patch_size": 4, "embed_dim": 8, "depth": 1, "num_heads": 1, "num_classes": 3}
    source = vit.VisionTransformer(**{**small, "img_size": 32})
    path = str(write(tmp_path / "a.pth", {"model": source.state_dict()}))
    ours, hosts = vit.VisionTransformer(**small), vit.VisionTransformer(**small)
    vit.load_checkpoint(ours, path)
    with undone("pretrained_weights"):
        vit.load_checkpoint(hosts, path)
    assert ours.pos_embed.shape == (1, 17, 8)
    assert torch.equal(ours.pos_embed, hosts.pos_embed)
    write(tmp_path / "a.pth", {"model": {**source.state_dict(), "pos_embed": torch.zeros(3)}})
    with pytest.raises(ConfigError, match="pos_embed: expected an embedding of positions on a square, but"):
        vit.load_checkpoint(ours, path)


def test_the_host_takes_the_file_of_another_network_and_random_weights_stay(tmp_path: Path) -> None:
    path = write(tmp_path / "other.pth", {"model": {"other.weight": torch.zeros(3)}})
    with undone("pretrained_weights"):
        wide(path)
    with pytest.raises(ConfigError, match=r"expected a checkpoint of WideResNet at .*, but it has no conv1"):
        wide(path)


def test_the_host_runs_what_the_file_holds(
    state: dict[str, torch.Tensor], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Payload:
        def __reduce__(self) -> tuple[Any, tuple[str]]:
            return Path.mkdir, (tmp_path / "mark",)  # type: ignore[return-value]

    path = write(tmp_path / "evil.pth", {"model": state, "more": Payload()})
    with pytest.raises(ConfigError, match="cannot be read"):
        wide(path)
    assert not (tmp_path / "mark").exists()
    # As PyTorch before 2.6 does by itself.
    monkeypatch.setenv("TORCH_FORCE_NO_WEIGHTS_ONLY_LOAD", "1")
    with pytest.raises(ConfigError, match="cannot be read"):
        wide(path)
    assert not (tmp_path / "mark").exists()
    with undone("pretrained_weights"):
        wide(path)
    assert (tmp_path / "mark").exists()


@pytest.mark.parametrize(
    ("content", "line"),
    [
        (3, "{'model': tensors by their names}, but got 3"),
        ({"model": 3}, "but got 3"),
        ({"model": {"conv1.weight": "abc"}}, "but got a dict of 1 entry"),
        ({"weights": {}}, "but got a dict of 1 entry"),
    ],
)
def test_what_is_no_checkpoint_is_one_line(content: Any, line: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"pretrain_path: .*a\.pth: expected") as caught:
        wide(write(tmp_path / "a.pth", content))
    assert line in str(caught.value)


def test_a_tensor_of_another_shape_or_kind_is_named(state: dict[str, torch.Tensor], tmp_path: Path) -> None:
    name = "conv1.weight"
    for wrong, line in (
        (torch.zeros(2, 3), f"{name} is (2, 3) there and (16, 3, 3, 3) here"),
        (state[name].long(), f"{name} is of torch.int64 there and of torch.float32 here"),
    ):
        with pytest.raises(ConfigError) as caught:
            wide(write(tmp_path / "a.pth", {"model": {**state, name: wrong}}))
        assert line in str(caught.value)


def test_a_missing_path_or_file_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="pretrain_path: expected a checkpoint of WideResNet with use_pretrain true"):
        wide("")
    with pytest.raises(ConfigError, match="there is no such file"):
        wide(tmp_path / "absent.pth")
