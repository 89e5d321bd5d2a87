"""The host's quick-start notebook, line by line, with algorithms of its own and wrapped ones."""

from __future__ import annotations

from argparse import Namespace
from pathlib import Path
from typing import Any

import pytest
import torch
from semilearn import Trainer, get_algorithm, get_config, get_data_loader, get_dataset, get_net_builder
from semilearn.datasets.cv_datasets.datasetbase import BasicDataset

import usb_negsamp
from usb_negsamp import ConfigError
from usb_negsamp.host.patching import undone

CONFIG: dict[str, Any] = {
    "net": "small_cnn", "dataset": "digits", "num_labels": 40, "num_classes": 10, "img_size": 32, "crop_ratio": 0.875,
    "data_dir": "data", "epoch": 1, "num_train_iter": 4, "num_eval_iter": 2, "num_log_iter": 2, "batch_size": 8,
    "eval_batch_size": 50, "uratio": 1, "optim": "SGD", "lr": 0.05, "num_workers": 0, "seed": 0, "world_size": 1,
    "distributed": False, "validation_size": 100, "spl_rounds": 1, "spl_inner_steps": 1, "spl_outer_steps": 1,
    "spl_mismatch": 0.1, "num_wu_iter": 2,
}  # fmt: skip
"""Of the notebook; SPL needs validation images."""


@pytest.fixture
def quick_start(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """The notebook's lines up to the trainer."""
    usb_negsamp.register()
    monkeypatch.chdir(tmp_path)

    def lines(algorithm: str, data_first: bool = False, **more: Any) -> Namespace:
        config = get_config({**CONFIG, "algorithm": algorithm, "save_dir": str(tmp_path), "save_name": "run", **more})
        made: dict[str, Any] = {}
        steps = {
            "algorithm": lambda: get_algorithm(
                config, get_net_builder(config.net, from_name=False), tb_log=None, logger=None
            ),
            "data": lambda: get_dataset(
                config, config.algorithm, config.dataset, config.num_labels, config.num_classes,
                data_dir=config.data_dir, include_lb_to_ulb=config.include_lb_to_ulb,
            ),
        }  # fmt: skip
        for name in ("data", "algorithm") if data_first else ("algorithm", "data"):
            made[name] = steps[name]()
        built, data = made["algorithm"], made["data"]
        labeled = get_data_loader(config, data["train_lb"], config.batch_size)
        unlabeled = get_data_loader(config, data["train_ulb"], int(config.batch_size * config.uratio))
        evaluated = get_data_loader(config, data["eval"], config.eval_batch_size)
        return Namespace(
            algorithm=built, data=data, loaders=(labeled, unlabeled, evaluated), trainer=Trainer(config, built)
        )

    return lines


@pytest.mark.parametrize(
    "name",
    ["fixmatch", "dash", "mixmatch_ns3l", "remixmatch_ns3l", "comatch_ns3l", "dnll", "fixmatch_dnll", "openmatch",
     "dualstudent", "vat_ns3l_spl"],
)  # fmt: skip
def test_the_notebook_trains(quick_start: Any, name: str) -> None:
    run = quick_start(name)
    before = [parameter.detach().clone() for parameter in run.algorithm.model.parameters()]
    run.trainer.fit(*run.loaders)
    after = run.algorithm.model.parameters()
    assert any(not torch.equal(one, other) for one, other in zip(before, after, strict=True))
    assert run.algorithm.it == 4
    assert set(run.trainer.evaluate(run.loaders[2])) == {"acc", "precision", "recall", "f1"}
    predicted, probabilities = run.trainer.predict(run.loaders[2])
    assert predicted.shape == (100,)
    assert probabilities.shape == (100, 10)


@pytest.mark.parametrize("name", ["openmatch", "dualstudent", "fixmatch_dnll", "mixmatch_ns3l"])
def test_the_data_sets_may_be_built_before_the_algorithm(quick_start: Any, name: str) -> None:
    run = quick_start(name, data_first=True)
    run.trainer.fit(*run.loaders)
    assert run.algorithm.it == 4
    own = run.algorithm.dataset_dict
    assert all(run.data[part][0].keys() == own[part][0].keys() for part in ("train_lb", "train_ulb"))


@pytest.mark.parametrize(("name", "view"), [("openmatch", "x_lb_w_1"), ("dualstudent", "x_lb_1")])
def test_a_loader_without_a_labeled_view_that_is_read_is_one_line(quick_start: Any, name: str, view: str) -> None:
    run = quick_start(name)
    plain = get_data_loader(run.trainer.config, run.data["train_lb"].dataset, 8)
    with pytest.raises(ConfigError, match=f"^expected a loader whose samples have {view}, which the algorithm reads"):
        run.trainer.fit(plain, *run.loaders[1:])


@pytest.mark.parametrize("name", ["mixmatch", "pimodel", "meanteacher", "remixmatch", "vat"])
def test_a_wrapped_algorithm_has_the_views_of_its_base(quick_start: Any, name: str) -> None:
    samples = []
    for algorithm in (name, f"{name}_ns3l"):
        data = quick_start(algorithm).data["train_ulb"]
        torch.manual_seed(3)
        samples.append(data[0])
        assert data.alg == name
    assert set(samples[0]) == set(samples[1])


def test_a_data_set_of_ones_own_has_the_views_of_the_base_too() -> None:
    usb_negsamp.register()
    assert BasicDataset("mixmatch_ns3l", [], is_ulb=True, strong_transform=len).alg == "mixmatch"


def test_a_loader_without_a_view_that_is_read_is_one_line(quick_start: Any) -> None:
    run = quick_start("fixmatch_ns3l", ns3l_passes=2)
    plain = run.data["train_ulb"].dataset
    labeled, _, evaluated = run.loaders
    with pytest.raises(ConfigError, match="expected a loader whose samples have x_ulb_w_1, which the algorithm reads"):
        run.trainer.fit(labeled, get_data_loader(run.trainer.config, plain, 8), evaluated)


def test_the_stage_after_the_training_is_gone_through_and_shown(quick_start: Any, capsys: Any) -> None:
    run = quick_start("vat_spl")
    points: dict[str, float] = {}
    run.algorithm.tb_log = Namespace(update=lambda figures, it: points.update(figures))
    run.trainer.fit(*run.loaders)
    figure = run.algorithm.results_dict["eval/spl_acc"]
    assert f"Model result - eval/spl_acc : {figure}" in capsys.readouterr().out.splitlines()
    assert points["eval/spl_acc"] == figure


def test_the_host_leaves_the_stage_out(quick_start: Any) -> None:
    run = quick_start("vat_spl")
    with undone("lighting_config"):
        run.trainer.fit(*run.loaders)
    assert "eval/spl_acc" not in getattr(run.algorithm, "results_dict", {})
