"""Stages of SPL on a small trained run, for the tests of it."""

import os

import torch

import usb_negsamp
from usb_negsamp.host import Hook
from usb_negsamp.host.checkpoints.resume import save_now
from usb_negsamp.testing import build_tiny, train_tiny

usb_negsamp.register()

SHORT = {"spl_rounds": 2, "spl_inner_steps": 3, "spl_outer_steps": 3, "spl_patience": 0, "spl_mismatch": 0.5}


def trained_run(directory):
    """The folder of a finished run that stages start from."""
    algorithm = train_tiny("pseudolabel", directory, lr=0.03, num_train_iter=20)
    return os.path.join(directory, algorithm.save_name)


def run(directory, source, name="pseudolabel_spl", hooks=(), **overrides):
    """The stage alone, from the run at ``source``; without one, with the training before it."""
    algorithm = build_tiny(name, directory, **{**SHORT, "spl_from": source, **overrides})
    for hook in hooks:
        algorithm.register_hook(hook, None, "LOWEST")
    algorithm.train()
    algorithm.finetune()
    return algorithm


class Cut(Exception):
    pass


class CutHook(Hook):
    """Saves after so many steps of the stage and stops the run, as a signal would."""

    settings_only = True

    def __init__(self, steps):
        self.steps = steps

    def after_spl_step(self, algorithm):
        self.steps -= 1
        if self.steps == 0:
            save_now(algorithm)
            raise Cut


class Watch(Hook):
    """Keeps what each step of the stage leaves: its kind, the masks, the scores, the parameters."""

    settings_only = True

    def __init__(self):
        self.steps = []
        self.rounds = []

    def look(self, algorithm, kind):
        stage = algorithm.stage
        return {
            "kind": kind,
            "masks": {path: mask.mask.clone() for path, mask in stage.masks.items()},
            "scores": {path: mask.scores.clone() for path, mask in stage.masks.items()},
            "parameters": {name: p.detach().clone() for name, p in stage.network.named_parameters()},
            "buffers": {name: b.clone() for name, b in stage.network.named_buffers() if "running" in name},
        }

    def before_spl_stage(self, algorithm):
        self.steps.append(self.look(algorithm, "start"))

    def after_spl_step(self, algorithm):
        stage = algorithm.stage
        self.steps.append(self.look(algorithm, stage.settings.phases[stage.phase][0]))

    def after_spl_round(self, algorithm):
        self.rounds.append(logits_of(algorithm))

    def pairs(self, kind):
        found = [(a, b) for a, b in zip(self.steps, self.steps[1:], strict=False) if b["kind"] == kind]
        assert found, kind
        return found


def logits_of(algorithm, model=None):
    model = algorithm.model if model is None else model
    was_training = model.training
    model.eval()
    with torch.no_grad():
        logits = torch.cat([model(batch["x_lb"])["logits"] for batch in algorithm.loader_dict["test"]])
    model.train(was_training)
    return logits


def equal(first, second):
    assert first.keys() == second.keys()
    return all(torch.equal(first[name], second[name]) for name in first)
