"""B15: the order of the samples and their augmentation follow from the seed."""

import multiprocessing
import time
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from semilearn.core.utils import get_data_loader
from torch.utils.data import Dataset

from usb_negsamp.host import device, patching
from usb_negsamp.host.datasets import seeded_loading
from usb_negsamp.host.datasets.batches.whole import Whole
from usb_negsamp.host.datasets.seeded_loading import skip_to
from usb_negsamp.host.randomness import mix, mix_with_each
from usb_negsamp.testing import build_tiny


class Numbers(Dataset):
    """Samples whose three random draws stand for augmentation by torch, NumPy and Python."""

    data = torch.arange(12)

    def __len__(self):
        return 12

    def __getitem__(self, index):
        import random

        return {"index": index, "draws": torch.tensor([torch.rand(1).item(), np.random.rand(), random.random()])}


def loader(seed=0, num_workers=0, args=None, batch_size=4, rank=None):
    args = args or SimpleNamespace(seed=seed, net="small_cnn", epoch=2, num_train_iter=6)
    return get_data_loader(args, Numbers(), batch_size, num_iters=6, num_epochs=2, num_workers=num_workers)


def epoch_of(data_loader, epoch=0):
    data_loader.sampler.set_epoch(epoch)
    batches = list(data_loader)
    return torch.cat([b["index"] for b in batches]), torch.cat([b["draws"] for b in batches])


def test_another_seed_gives_another_order_which_the_host_does_not():
    assert not torch.equal(epoch_of(loader(0))[0], epoch_of(loader(1))[0])
    with patching.undone("seeded_loading"):
        assert torch.equal(epoch_of(loader_of_host(0))[0], epoch_of(loader_of_host(1))[0])


def loader_of_host(seed):
    from semilearn.core.utils import build

    args = SimpleNamespace(seed=seed, net="small_cnn", epoch=2, num_train_iter=6)
    return build.get_data_loader(args, Numbers(), 4, num_iters=6, num_epochs=2, num_workers=0)


def test_labeled_and_unlabeled_loaders_of_one_length_differ():
    args = SimpleNamespace(seed=0, net="small_cnn", epoch=2, num_train_iter=6)
    assert not torch.equal(epoch_of(loader(args=args))[0], epoch_of(loader(args=args))[0])


def test_augmentation_does_not_depend_on_the_number_of_workers():
    alone, by_workers = epoch_of(loader(num_workers=0)), epoch_of(loader(num_workers=2))
    assert torch.equal(alone[0], by_workers[0])
    assert torch.equal(alone[1], by_workers[1])


def test_loading_leaves_the_global_generators_alone():
    torch.manual_seed(3)
    np.random.seed(3)
    expected = torch.rand(2), np.random.rand(2)
    torch.manual_seed(3)
    np.random.seed(3)
    epoch_of(loader())
    assert torch.equal(torch.rand(2), expected[0])
    assert np.array_equal(np.random.rand(2), expected[1])


def test_every_epoch_draws_anew():
    data_loader = loader()
    first, second = epoch_of(data_loader, 0), epoch_of(data_loader, 1)
    assert sorted(first[0].tolist()) == sorted(second[0].tolist()) == list(range(12))
    assert not torch.equal(first[0], second[0])
    assert not torch.equal(first[1], second[1])


def test_skipping_goes_on_with_the_batch_that_would_have_come():
    whole = [b["draws"] for epoch in (0, 1) for b in batches_of(loader(), epoch)]
    data_loader = loader()
    skip_to(SimpleNamespace(num_iter_per_epoch=3, loader_dict={"train_lb": data_loader}), 4)
    rest = [b["draws"] for b in data_loader]
    assert len(rest) == 2
    assert all(torch.equal(a, b) for a, b in zip(rest, whole[4:], strict=True))
    # The epoch after the one resumed in is a whole one again.
    data_loader.sampler.set_epoch(2)
    assert len(list(data_loader)) == 3


def batches_of(data_loader, epoch):
    data_loader.sampler.set_epoch(epoch)
    return list(data_loader)


def test_two_processes_share_the_batches_of_one():
    one = loader()
    halves = [loader(batch_size=2), loader(batch_size=2)]
    for rank, half in enumerate(halves):
        sampler = half.sampler.sampler
        sampler.num_replicas, sampler.rank, sampler.total_size, sampler.num_samples = 2, rank, 12, 6
    for whole, *parts in zip(batches_of(one, 0), *(batches_of(h, 0) for h in halves), strict=True):
        joined = torch.cat([part["index"] for part in parts])
        draws = torch.cat([part["draws"] for part in parts])
        order, order_whole = joined.argsort(), whole["index"].argsort()
        assert torch.equal(joined[order], whole["index"][order_whole])
        assert torch.equal(draws[order], whole["draws"][order_whole])


def test_a_key_depends_on_every_number_and_their_order():
    keys = {mix(*numbers) for numbers in [(0,), (1,), (0, 0), (0, 1), (1, 0), (2, 3, 4), (4, 3, 2)]}
    assert len(keys) == 7
    assert all(0 <= key < 2**63 for key in keys)


def test_mixing_with_many_is_mixing_with_each():
    each = np.array([0, 1, 5, 2**40, 2**62])
    assert mix_with_each(3, 1, 0, each=each).tolist() == [mix(3, 1, 0, int(one)) for one in each]
    assert mix_with_each(each=each).tolist() == [mix(int(one)) for one in each]


def test_every_position_has_its_own_key(monkeypatch):
    monkeypatch.setattr(seeded_loading, "KEYS_AT_ONCE", 5)
    sampler = loader(seed=7).sampler
    sampler.set_epoch(1)
    whole = list(sampler)
    assert [key for key, _ in whole] == [mix(7, 1, 1, position) for position in range(12)]
    assert [index for _, index in whole] == list(sampler.sampler)
    sampler.start = 7
    assert list(sampler) == whole[7:]
    assert list(sampler) == whole
    sampler.sampler.num_replicas, sampler.sampler.rank, sampler.sampler.num_samples = 2, 1, 6
    assert [key for key, _ in sampler] == [mix(7, 1, 1, position) for position in range(1, 12, 2)]


@pytest.mark.parametrize("batch_size", [8, 64])
@pytest.mark.parametrize("algorithm", ["fixmatch", "vat"])
def test_images_do_not_depend_on_the_workers(tmp_path, algorithm, batch_size):
    """Large batches of strong views are made by workers; others in the process itself, whatever is asked for."""
    keys = {"batch_size": batch_size, "num_train_iter": 4}
    alone, asked = (build_tiny(algorithm, tmp_path, num_workers=number, **keys).loader_dict for number in (0, 1))
    assert asked["train_lb"].num_workers == asked["eval"].num_workers == 0
    assert asked["train_ulb"].num_workers == (2 if algorithm == "fixmatch" and batch_size == 64 else 0)
    for name in ("train_lb", "train_ulb", "eval"):
        for one, other in zip(alone[name], asked[name], strict=True):
            assert one.keys() == other.keys()
            assert all(torch.equal(one[key], other[key]) for key in one)


def test_a_gpu_is_not_kept_waiting(tmp_path, monkeypatch):
    """Beside a GPU workers make all strong views in training, and few weak ones are made in the process."""
    loaders = build_tiny("fixmatch", tmp_path, num_workers=1).loader_dict
    monkeypatch.setattr(device, "selected", lambda: torch.device("cuda"))
    args = SimpleNamespace(seed=0, net="small_cnn", epoch=2, num_train_iter=6)
    numbers = {}
    for name, sampler in (("train_lb", "RandomSampler"), ("train_ulb", "RandomSampler"), ("eval", None)):
        dataset = loaders[name].dataset.dataset
        made = get_data_loader(args, dataset, 32, num_workers=1, data_sampler=sampler, num_iters=6, num_epochs=2)
        numbers[name] = made.num_workers
    assert numbers == {"train_lb": 0, "train_ulb": 1, "eval": 0}


def test_images_go_on_where_a_run_stopped(tmp_path):
    algorithm = build_tiny("fixmatch_ns3l", tmp_path)
    whole = [batch["x_ulb_s"] for batch in algorithm.loader_dict["train_ulb"]]
    skip_to(algorithm, 3)
    rest = [batch["x_ulb_s"] for batch in algorithm.loader_dict["train_ulb"]]
    assert len(whole) == 5
    assert all(torch.equal(one, other) for one, other in zip(rest, whole[3:], strict=True))


def test_evaluated_images_are_made_at_once_and_draw_nothing(tmp_path):
    loader_of_run = build_tiny("fixmatch", tmp_path).loader_dict["eval"]
    dataset = loader_of_run.dataset
    state = torch.get_rng_state()
    made = dataset.__getitems__(list(range(len(dataset))))
    assert isinstance(made, Whole)
    found = dataset.collated(made)
    assert torch.equal(torch.get_rng_state(), state)
    one_by_one = torch.utils.data.default_collate([dataset[index] for index in range(len(dataset))])
    assert found.keys() == one_by_one.keys()
    assert all(torch.equal(found[key], one_by_one[key]) for key in found)


def test_workers_are_let_go_at_once_and_come_again_when_the_loader_is_read():
    data_loader = loader(num_workers=2)
    before = epoch_of(data_loader)
    workers = multiprocessing.active_children()
    assert len(workers) == 2
    began = time.monotonic()
    seeded_loading.let_workers_go()
    assert not any(worker.is_alive() for worker in workers)
    assert time.monotonic() - began < 4, "they waited for PyTorch's five seconds"
    assert all(torch.equal(*pair) for pair in zip(before, epoch_of(data_loader), strict=True))
    seeded_loading.let_workers_go()
