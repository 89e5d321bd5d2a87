"""What an algorithm asks of every unlabeled image while it trains."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor

from usb_negsamp.host.evaluation import pool
from usb_negsamp.host.evaluation.pool import values_of_pool
from usb_negsamp.testing import train_tiny


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Any:
    directory = tmp_path_factory.mktemp("run")
    return train_tiny("fixmatch", directory, num_train_iter=4, num_eval_iter=4, epoch=1, ema_m=0.5, eval_batch_size=64)


def largest(output: dict[str, Tensor]) -> Tensor:
    return output["logits"].amax(1)


def expected(algorithm: Any) -> Tensor:
    """By the averaged network, all images at once, under the transform of the test images."""
    dataset, transform = algorithm.dataset_dict["train_ulb"], algorithm.dataset_dict["eval"].transform
    from PIL import Image

    images = torch.stack([transform(Image.fromarray(image)) for image in dataset.data])
    algorithm.ema_model.eval()
    with torch.no_grad():
        logits: Tensor = algorithm.ema_model(images)["logits"]
    return logits.amax(1)


def test_each_image_is_looked_at_without_augmentation_by_the_averaged_weights(trained: Any) -> None:
    found = values_of_pool(trained, largest)
    assert found.shape == (len(trained.dataset_dict["train_ulb"]),)
    torch.testing.assert_close(found, expected(trained))
    rows = values_of_pool(trained, lambda output: output["logits"][:, :3])
    assert rows.shape == (len(found), 3)


def test_training_does_not_notice(trained: Any) -> None:
    trained.model.train()
    before = {name: tensor.clone() for name, tensor in trained.model.state_dict().items()}
    state = torch.get_rng_state()
    values_of_pool(trained, largest)
    assert trained.model.training
    assert torch.equal(torch.get_rng_state(), state)
    assert all(torch.equal(before[name], tensor) for name, tensor in trained.model.state_dict().items())


@pytest.mark.parametrize("size", [None, 1])
def test_processes_share_the_images(trained: Any, monkeypatch: pytest.MonkeyPatch, size: int | None) -> None:
    whole = values_of_pool(trained, largest)[:size]
    shares = []
    dataset = trained.dataset_dict["train_ulb"]
    if size is not None:
        monkeypatch.setattr(type(dataset), "__len__", lambda self: size)
    monkeypatch.setattr(pool, "summed", lambda values, algorithm: values)
    for rank in range(2):
        monkeypatch.setattr(pool, "share_of", lambda algorithm, rank=rank: (rank, 2))
        shares.append(values_of_pool(trained, largest))
    assert not shares[0][1::2].any()
    torch.testing.assert_close(shares[0] + shares[1], whole)
