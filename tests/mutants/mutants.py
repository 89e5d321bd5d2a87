"""Changes of the method code that a test must notice, one a row."""

from __future__ import annotations

from typing import NamedTuple


class Mutant(NamedTuple):
    """One change.

    Attributes:
        file: from the root of the clone.
        old: a text that stands in it once.
        new: what takes its place.
        tests: what is run for it: files, or single tests.
        why: what is wrong with it.
        survives: why no test can notice it; empty where one does.
    """

    file: str
    old: str
    new: str
    tests: tuple[str, ...]
    why: str
    survives: str = ""


_F = "usb_negsamp/functional"
_H = "usb_negsamp/host"
_S = "usb_negsamp/data/splits"
_NS3L_LOSS = ("tests/functional/test_ns3l_loss.py",)
_RULES = ("tests/functional/test_negative_rules.py",)
_PSEUDO = ("tests/functional/test_pseudo_negatives.py",)
_SAFE = ("tests/functional/test_safe_parameters.py",)
_RAMPS = ("tests/functional/test_ramps.py", f"{_F}/ramps.py")
_MISMATCH = ("tests/functional/test_mismatch.py",)
_STUDENT = ("tests/functional/test_dual_student.py",)
_MIXUP = ("tests/functional/test_mixup.py",)
_OPEN_SET = ("tests/data/splits/test_open_set.py",)
_SPLITS = ("tests/data/splits/test_splits.py",)
_CHECKPOINTS = "tests/host/checkpoints/test_checkpoints.py"
_STAGE = "tests/algorithms/test_spl_stage.py"
_MASKS = "tests/algorithms/test_spl_masks.py"
_RESUMED = (f"{_CHECKPOINTS}::test_a_resumed_run_ends_with_the_same_bits[vat_ns3l-7]",)
_BEST = (
    f"{_STAGE}::test_the_round_that_was_best_on_v2_is_kept",
    f"{_STAGE}::test_rounds_without_a_better_validation_end_the_stage",
)
_DNLL = "tests/algorithms/test_dnll.py"
_ENSEMBLING = "tests/functional/test_temporal_ensembling_formulas.py"
_UASD = "tests/algorithms/test_uasd.py"
_DS3L = "tests/algorithms/test_ds3l.py"
_ONE_VS_ALL = ("tests/functional/test_one_vs_all.py",)
_FIXASTEP = "tests/algorithms/test_fixastep.py"
_OPENMATCH = "tests/algorithms/test_openmatch.py"
_CURRICULUM = ("tests/functional/test_curriculum.py",)
_ROUNDS = ("tests/algorithms/test_cl_rounds.py",)
_OTSU = ("tests/functional/test_otsu.py",)
_MTC = "tests/algorithms/test_mtc.py"
_TAPE = ("tests/host/wrapping/passes/test_logits_tape.py",)

MUTANTS: tuple[Mutant, ...] = (
    Mutant(
        f"{_F}/ns3l.py",
        "hidden = negatives > negatives.all(dim=1, keepdim=True)",
        "hidden = negatives",
        _NS3L_LOSS,
        "the loss of a row whose classes are all negative is not finite",
    ),
    Mutant(
        f"{_F}/ns3l.py",
        "hidden_mass_loss(z, F.log_softmax(z.detach(), dim=1), hidden)",
        "hidden_mass_loss(z, F.log_softmax(z.detach(), dim=1), ~hidden)",
        _NS3L_LOSS,
        "what is hidden is the mass of the other classes",
    ),
    Mutant(
        f"{_F}/negatives.py",
        "at_least_float32(probs) < threshold",
        "at_least_float32(probs) <= threshold",
        _RULES,
        "a class at the threshold is a negative",
    ),
    Mutant(
        f"{_F}/negatives.py",
        "return top_classes(distances, num_negatives)",
        "return top_classes(-distances, num_negatives)",
        _RULES,
        "the furthest class is the nearest",
    ),
    Mutant(
        f"{_F}/negatives.py",
        "top_classes(keys.masked_fill(excluded, -1.0), num_negatives)",
        "top_classes(keys, num_negatives)",
        _RULES,
        "excluded classes are drawn",
    ),
    Mutant(
        f"{_F}/pseudo_negatives.py",
        "keys.masked_fill(one_class(pseudo_labels, num_classes), -1.0)",
        "keys",
        _PSEUDO,
        "the pseudo label is drawn as a negative",
    ),
    Mutant(
        f"{_F}/pseudo_negatives.py",
        "keys = w / exponential_keys(w, generator)",
        "keys = w * exponential_keys(w, generator)",
        _PSEUDO,
        "draws are not in proportion to the weights",
    ),
    Mutant(
        f"{_F}/pseudo_negatives.py",
        "started = 1.0 - self.momentum ** self.updates.double()",
        "started = torch.ones_like(self.updates)",
        _PSEUDO,
        "the average's start at 0 is not taken away",
    ),
    Mutant(
        f"{_F}/pseudo_negatives.py",
        "confidence * (predicted != labels)",
        "confidence",
        _PSEUDO,
        "right predictions count as errors",
    ),
    Mutant(
        f"{_F}/pseudo_negatives.py",
        'self.error_sums().masked_fill(own, float("-inf")).softmax(dim=1)',
        "self.error_sums().softmax(dim=1)",
        _PSEUDO,
        "a class is a negative of its own",
    ),
    Mutant(
        f"{_F}/safe_parameters.py",
        "1.0 - mismatch * (1.0 - min(labeled_ratio, 1.0))",
        "1.0 - mismatch",
        _SAFE,
        "the ratio does not know how many images are labeled",
    ),
    Mutant(
        f"{_F}/safe_parameters.py",
        "magnitudes = torch.cat([at_least_float32(weight.detach()).abs().flatten()",
        "magnitudes = torch.cat([at_least_float32(weight.detach()).flatten()",
        _SAFE,
        "large negative weights are small",
    ),
    Mutant(
        f"{_F}/safe_parameters.py",
        "        return grad, None",
        "        return torch.zeros_like(grad), None",
        _SAFE,
        "no gradient goes through the hard mask",
    ),
    Mutant(
        f"{_F}/safe_parameters.py",
        "(scores <= 0) & (grad > 0)",
        "scores <= 0",
        _SAFE,
        "a weight once dropped by the soft mask never returns",
    ),
    Mutant(
        f"{_F}/safe_parameters.py",
        "above | (equal & (equal.cumsum(0) <= count - above.sum()))",
        "above | equal",
        _SAFE,
        "of equal magnitudes all are kept",
    ),
    Mutant(
        f"{_F}/ramps.py",
        "math.exp(-5.0 * (1.0 - linear_ramp(t)) ** 2)",
        "math.exp(-5.0 * (1.0 - linear_ramp(t)))",
        _RAMPS,
        "the exponent is not squared",
    ),
    Mutant(
        f"{_F}/ramps.py",
        " - (1.0 - share) ** 2))",
        "))",
        _RAMPS,
        "the truncated ramp does not end at 1",
    ),
    Mutant(
        f"{_F}/open_set/mismatch.py",
        "(variance + bias**2).argmin()",
        "variance.argmin()",
        _MISMATCH,
        "the threshold is chosen without its bias",
    ),
    Mutant(
        f"{_F}/dual_student.py",
        "_probs(logits) - _probs(targets.detach())",
        "_probs(logits) - _probs(targets)",
        _STUDENT,
        "the teacher learns from its student",
    ),
    Mutant(
        f"{_F}/dual_student.py",
        "error.detach() >= teacher_error.detach()",
        "error.detach() > teacher_error.detach()",
        _STUDENT,
        "of two that are equally stable neither learns",
    ),
    Mutant(
        f"{_F}/open_set/curriculum.py",
        "share * own + (1.0 - share) * cross_entropy(labels[partners])",
        "(1.0 - share) * own + share * cross_entropy(labels[partners])",
        _CURRICULUM,
        "a mixed image counts as its partner",
    ),
    Mutant(
        f"{_F}/open_set/curriculum.py",
        "torch.where(counts > 0, weights, torch.zeros_like(weights))",
        "weights",
        _CURRICULUM,
        "a class without an image weighs most",
    ),
    Mutant(
        "algorithms/cl/curriculum.py",
        "confidence.double() >= threshold",
        "confidence.double() > threshold",
        _ROUNDS,
        "the last round leaves out the least sure image",
    ),
    Mutant(
        f"{_F}/open_set/curriculum.py",
        "(below * above * apart.square()).argmax()",
        "apart.square().argmax()",
        _OTSU,
        "a single outlier is a part of its own",
    ),
    Mutant(
        f"{_F}/open_set/curriculum.py",
        "labeled_share * of_labeled + (1.0 - labeled_share) * of_unlabeled",
        "(of_labeled + of_unlabeled) / 2",
        _OTSU,
        "labeled images count as often as unlabeled ones",
    ),
    Mutant(
        "algorithms/mtc/hook.py",
        "self.epochs += 1",
        "self.epochs, self.latest = self.epochs + 1, torch.zeros_like(self.latest)",
        (f"{_MTC}::test_an_image_that_an_epoch_does_not_visit_keeps_its_score",),
        "an image that an epoch did not visit counts as unseen",
    ),
    Mutant(
        f"{_F}/mixup.py",
        "torch.lerp(values[partners], values, weights)",
        "torch.lerp(values, values[partners], weights)",
        _MIXUP,
        "a mixed sample is nearer to its partner",
    ),
    Mutant(
        "algorithms/ns3l/hook.py",
        'torch.add(algorithm.out_dict["loss"], loss, alpha=weight)',
        'torch.add(algorithm.out_dict["loss"], loss)',
        ("tests/algorithms/test_ns3l.py::test_the_added_loss_is_the_papers_formula_times_weight_and_ramp",),
        "the loss has neither weight nor ramp",
    ),
    Mutant(
        "algorithms/ns3l/hook.py",
        "ns3l_loss(logits, negatives, weights=counts)",
        "ns3l_loss(logits, negatives)",
        ("tests/algorithms/test_ns3l_gate.py::test_weights_of_one_are_no_gate_bit_for_bit[ns3l-neighbors]",),
        "the gate changes nothing",
    ),
    Mutant(
        "algorithms/ns3l/plain_features.py",
        "return _output(algorithm, network_of(algorithm.ema_model), images)",
        "return _output(algorithm, network_of(algorithm.model), images)",
        ("tests/algorithms/test_ns3l_gate.py::test_weights_are_those_of_plain_images_by_the_averaged_network[vat_ns3l-neighbors]",),
        "the gate asks the network that trains",
    ),
    Mutant(
        f"{_F}/density_ratio_gate.py",
        "own == torch.arange(bank.shape[0], device=own.device)",
        "own == torch.arange(1, bank.shape[0] + 1, device=own.device)",
        ("tests/functional/test_density_ratio_gate.py::test_it_is_the_share_of_labeled_images_in_no_larger_ratio[11-9-2.0-0.2-0]",),
        "an image counts itself among the pool's",
    ),
    Mutant(
        "algorithms/ns3l/density_ratio_gate.py",
        'Images("train_ulb", self.chosen.tolist())',
        'Images("train_ulb", range(len(self.chosen)))',
        (
            "tests/algorithms/test_ns3l_gate.py::"
            "test_weights_are_those_of_plain_images_by_the_averaged_network[fixmatch_ns3l-density_ratio]",
        ),
        "the gate looks at other images of the pool than it says",
    ),
    Mutant(
        f"{_F}/gate.py",
        "cosines.diagonal(start).fill_(-torch.inf)",
        "cosines.diagonal().fill_(-torch.inf)",
        ("tests/functional/test_gate.py::test_blocks_give_what_the_whole_gives",),
        "a labeled image of a later block is its own neighbor",
    ),
    Mutant(
        "algorithms/dnll/hook.py",
        '("cross", self.settings.weight, negatives[1 - i])',
        '("cross", self.settings.weight, negatives[i])',
        (f"{_DNLL}::test_the_added_losses_are_the_papers_formula_times_weight_and_ramp",),
        "a network learns the negatives that it has made itself",
    ),
    Mutant(
        "algorithms/dnll/hook.py",
        "receiver = 1 - sender if self.settings.weight > 0.0 else sender",
        "receiver = sender",
        (f"{_DNLL}::test_negatives_are_drawn_by_the_row_of_the_network_that_learns_them",),
        "negatives are drawn by the errors of the network that makes them",
    ),
    Mutant(
        "algorithms/dnll/hook.py",
        "with_grad=False).argmax(dim=1)",
        "with_grad=False).argmin(dim=1)",
        (f"{_DNLL}::test_the_added_losses_are_the_papers_formula_times_weight_and_ramp",),
        "the pseudo label is the least likely class",
    ),
    Mutant(
        "algorithms/spl/steps.py",
        "target = parts[1].detach().softmax(1)",
        "target = parts[1].softmax(1)",
        ("tests/algorithms/test_spl_outer_loss.py",),
        "the clean side of equation 6 gets a gradient",
    ),
    Mutant(
        "algorithms/spl/steps.py",
        "tensor.copy_(torch.where(mask.kept, tensor, before))",
        "pass",
        (f"{_MASKS}::test_momentum_and_decay_leave_harmful_weights_where_they_are",),
        "momentum and decay move harmful weights",
    ),
    Mutant(
        "algorithms/spl/steps.py",
        "mask.scores.sub_(gradient, alpha=lr)",
        "mask.scores.add_(gradient, alpha=lr)",
        (f"{_MASKS}::test_a_soft_mask_lets_a_weight_go_and_return",),
        "scores climb the loss",
    ),
    Mutant(
        "algorithms/spl/stage.py",
        "        if not self.is_inert:\n            reestimate_batch_norm(self.algorithm)\n",
        "",
        (f"{_STAGE}::test_every_round_has_the_batch_statistics_of_its_own_weights",),
        "a round is measured with the batch statistics of other weights",
    ),
    Mutant(
        "algorithms/spl/stage.py",
        "if self.round > 0 and (not self.best or",
        "if (not self.best or",
        _BEST,
        "the network as identified, which has learned nothing, may be the best",
    ),
    Mutant(
        "algorithms/spl/stage.py",
        "self.optimizer.state.clear()",
        "pass",
        (f"{_STAGE}::test_no_momentum_goes_from_one_mask_to_the_next",),
        "the momentum of another mask moves weights that are safe again",
    ),
    Mutant(
        "algorithms/spl/identification.py",
        "return safe_ratio(mismatch, labeled_ratio(dataset_dict))",
        "return safe_ratio(mismatch, 0.0)",
        ("tests/algorithms/test_spl.py::test_the_paper_s_ratio_and_the_one_that_a_run_keeps",),
        "the ratio of a run does not know how many images are labeled",
    ),
    Mutant(
        f"{_H}/wrapping/passes/logits_tape.py",
        "[p for p in self.passes if p.with_grad or not with_grad]",
        "list(self.passes)",
        _TAPE,
        "logits without a gradient are learned from",
    ),
    Mutant(
        f"{_H}/wrapping/passes/logits_tape.py",
        "self._logits(recorded)[offset : offset + len(view)]",
        "self._logits(recorded)[: len(view)]",
        _TAPE,
        "the rows of another view are taken",
    ),
    Mutant(
        f"{_H}/wrapping/running_statistics.py",
        "            if not passes[layer]:\n",
        "            if layer is not None:\n",
        ("tests/host/wrapping/test_running_statistics.py",),
        "batch statistics stay those of before",
    ),
    Mutant(
        f"{_H}/repairs/moving_average.py",
        "        algorithm.ema.update()\n",
        "        algorithm.ema.update()\n        algorithm.ema.update()\n",
        ("tests/host/repairs/test_moving_average.py",),
        "the average moves twice a step",
    ),
    Mutant(
        f"{_H}/checkpoints/file.py",
        "with replacing(path) as file:",
        'with open(path, "wb") as file:',
        (f"{_CHECKPOINTS}::test_a_failed_write_leaves_the_old_checkpoint",),
        "a checkpoint is written in place",
    ),
    Mutant(
        "usb_negsamp/tensor_file.py",
        'torch.load(place, map_location="cpu", weights_only=True)',
        'torch.load(place, map_location="cpu", weights_only=False)',
        ("tests/test_tensor_file.py",),
        "a checkpoint runs what it holds",
    ),
    Mutant(
        "usb_negsamp/tensor_file.py",
        'load_state_dict_from_url(place, map_location="cpu", weights_only=True)',
        'load_state_dict_from_url(place, map_location="cpu", weights_only=False)',
        ("tests/test_tensor_file.py",),
        "a checkpoint from the net runs what it holds",
    ),
    Mutant(
        f"{_H}/checkpoints/fit.py",
        "    if there.shape != here.shape:\n",
        "    if there.dim() != here.dim():\n",
        ("tests/host/checkpoints/test_fit.py",),
        "tensors of other sizes are loaded",
    ),
    Mutant(
        f"{_H}/checkpoints/run_state.py",
        '    torch.set_rng_state(state["torch_rng"])\n',
        "",
        _RESUMED,
        "a resumed run draws other numbers",
    ),
    Mutant(
        f"{_H}/repairs/checkpoints.py",
        "self.start_epoch = self.it // self.num_iter_per_epoch",
        "self.start_epoch = self.it // self.num_iter_per_epoch + 1",
        (f"{_CHECKPOINTS}::test_one_epoch_cut_in_the_middle_is_finished_which_the_host_does_not",),
        "a resumed run skips the rest of its epoch",
    ),
    Mutant(
        f"{_H}/checkpoints/resume.py",
        "skip_to(algorithm, algorithm.it)",
        "skip_to(algorithm, 0)",
        _RESUMED,
        "a resumed run sees the first batches again",
    ),
    Mutant(
        f"{_S}/open_set.py",
        "members[size - validation_sizes[label] :]",
        "members[: validation_sizes[label]]",
        _OPEN_SET,
        "labeled images are held out for validation",
    ),
    Mutant(
        f"{_S}/open_set.py",
        'int(counts["unlabeled"][unseen].sum()) / total',
        'int(counts["unlabeled"][unseen].sum()) / len(targets)',
        _OPEN_SET,
        "the mismatch is a share of other images",
    ),
    Mutant(
        f"{_S}/sampling.py",
        "np.random.SeedSequence([seed, label])",
        "np.random.SeedSequence([seed])",
        (*_SPLITS, *_OPEN_SET),
        "all classes are drawn in one order",
    ),
    Mutant(
        f"{_S}/sampling.py",
        "np.argsort(-remainders, kind=\"stable\")",
        "np.argsort(remainders, kind=\"stable\")",
        (*_SPLITS, *_OPEN_SET),
        "shares are rounded up where they should be rounded down",
    ),
    Mutant(
        f"{_F}/temporal_ensembling.py",
        "epochs + 1)",
        "epochs)",
        (f"{_ENSEMBLING}::test_targets_are_the_weighted_mean_of_the_past",),
        "the startup bias of an ensemble's targets is that of an epoch less",
    ),
    Mutant(
        "algorithms/temporalensembling/hook.py",
        "self.memory = torch.where(visited.unsqueeze(1), after, self.memory)",
        "self.memory = after",
        ("tests/algorithms/test_temporalensembling.py::test_the_losses_are_those_of_algorithm_2_step_by_step",),
        "the memory of an image fades in an epoch that does not visit it",
    ),
    Mutant(
        f"{_H}/evaluation/open_set.py",
        "of_last = of_best if is_last else",
        "of_last = of_best or",
        ("tests/host/evaluation/test_open_set_evaluation.py::test_the_last_models_figures_stand_beside_them",),
        "the last model's open-set figures are those of the best on validation",
    ),
    Mutant(
        f"{_H}/evaluation/open_set.py",
        "is_last else self.of_last or open_set_figures(algorithm, self.data)",
        "is_last else self.of_last or of_best",
        (
            "tests/host/evaluation/test_open_set_evaluation.py::"
            "test_a_run_that_was_stopped_behind_its_last_step_has_the_last_models_figures",
        ),
        "a run that was stopped behind its last step gives the best model's open-set figures as the last one's",
    ),
    Mutant(
        "usb_negsamp/run/records/results.py",
        'name.replace("/open/", "/last_open/")',
        "name",
        ("tests/run/records/test_records.py::test_a_row_of_an_open_set_run_has_its_split_and_its_figures",),
        "a row has the best model's open-set figures in the last one's columns",
    ),
    Mutant(
        f"{_F}/open_set/uasd.py",
        "seen = (confidences > 0).sum()",
        "seen = torch.tensor(len(confidences))",
        ("tests/functional/test_uasd_formulas.py::test_the_threshold_is_the_mean_over_images_that_were_seen",),
        "validation images that were not seen yet lower UASD's threshold",
    ),
    Mutant(
        "algorithms/uasd/hook.py",
        "gathered(rows, algorithm) + offset",
        "gathered(rows, algorithm)",
        (f"{_UASD}::test_losses_and_threshold_are_those_of_the_released_code_step_by_step",),
        "unlabeled images share places in UASD's memory with labeled ones",
    ),
    Mutant(
        "algorithms/ds3l/look_ahead.py",
        "return [-lr * gradient for gradient in averaged.values()], labeled_loss.detach()",
        "return [lr * gradient for gradient in averaged.values()], labeled_loss.detach()",
        (f"{_DS3L}::test_the_gradient_through_the_step_is_that_of_finite_differences",),
        "DS3L's weights learn what raises the labeled loss",
    ),
    Mutant(
        "algorithms/ds3l/look_ahead.py",
        "return [one + other for one, other in zip(direct, indirect, strict=True)]",
        "return direct",
        (f"{_DS3L}::test_the_gradient_through_the_step_is_that_of_finite_differences",),
        "the sum of DS3L's weights, that their mean is divided by, is taken for a constant",
    ),
    Mutant(
        "algorithms/ds3l/look_ahead.py",
        "buffers = {name: buffer.clone() for name, buffer in network.named_buffers()}",
        "buffers = dict(network.named_buffers())",
        (f"{_DS3L}::test_looking_ahead_leaves_the_network_as_it_was",),
        "batch norms learn from passes that DS3L only imagines",
    ),
    Mutant(
        f"{_F}/open_set/one_vs_all.py",
        "(-logsigmoid(-differences)).masked_fill(of_class, 0.0)",
        "(-logsigmoid(-differences))",
        _ONE_VS_ALL,
        "the own class is taken for the hardest other one",
    ),
    Mutant(
        f"{_F}/open_set/one_vs_all.py",
        "reduce_rows(2 * squares.sum(1), \"mean\")",
        "reduce_rows(squares.sum(1), \"mean\")",
        _ONE_VS_ALL,
        "one entry of each pair alone is compared",
    ),
    Mutant(
        f"{_F}/open_set/one_vs_all.py",
        "return known - unknown",
        "return unknown - known",
        _ONE_VS_ALL,
        "known and unknown are exchanged",
    ),
    Mutant(
        "algorithms/fixastep/agreement.py",
        "products = [(own * (whole - own))",
        "products = [(own * whole)",
        (f"{_FIXASTEP}::test_where_they_disagree_it_is_that_of_the_labels_alone",),
        "the labeled gradient is tested against itself, too",
    ),
    Mutant(
        "algorithms/fixastep/hook.py",
        "return labeled.sum(), total + (labeled - replaced).sum()",
        "return labeled.sum(), total + labeled.sum()",
        (f"{_FIXASTEP}::test_the_labeled_loss_is_that_of_mixed_images_and_the_rest_stays",),
        "the value of the plain labeled loss is counted, too",
    ),
    Mutant(
        "algorithms/openmatch/hook.py",
        "return algorithm.it < algorithm.num_train_iter and since % interval == 0",
        "return algorithm.it < algorithm.num_train_iter",
        (f"{_OPENMATCH}::test_images_are_chosen_at_the_start_and_every_interval_by_the_averaged_network",),
        "images are chosen at every step",
    ),
    Mutant(
        "algorithms/iomatch/iomatch.py",
        " & (open_set[:, -1] < UNSEEN_FROM)",
        "",
        ("tests/algorithms/test_iomatch.py::test_the_loss_of_a_step_is_the_papers",),
        "the classifier learns from images that look unseen",
    ),
)  # fmt: skip
