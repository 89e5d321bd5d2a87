"""The tape finds the logits that a step has computed anyway."""

import functools

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from usb_negsamp import ConfigError
from usb_negsamp.host.wrapping.passes.logits_tape import LogitsTape, evaluated_logits, find_rows


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.fc = nn.Linear(3, 2)

    def forward(self, x):
        return {"logits": self.fc(x), "feat": x}


def recorded(*inputs, net=None):
    net = net or Net()
    tape = LogitsTape()
    tape.attach(net)
    tape.start()
    outputs = [net(x)["logits"] for x in inputs]
    return tape, outputs


@given(st.integers(0, 5), st.integers(1, 6), st.integers(0, 5))
def test_rows_are_found_at_any_offset(before, length, after):
    joined = torch.randn(before + length + after, 2, 3)
    assert find_rows(joined, joined[before : before + length].clone()) == before


def test_repeated_first_rows_do_not_mislead_the_search():
    row, other = torch.tensor([1.0, 2.0]), torch.tensor([3.0, 4.0])
    joined = torch.stack([row, row, other, row])
    assert find_rows(joined, torch.stack([row, other])) == 1


def test_rows_that_are_not_there_are_not_found():
    assert find_rows(torch.zeros(4, 3), torch.ones(2, 3)) is None
    assert find_rows(torch.zeros(4, 3), torch.zeros(5, 3)) is None
    assert find_rows(torch.zeros(4, 3), torch.zeros(2, 4)) is None


def test_a_view_passed_alone_is_found_by_identity():
    view = torch.randn(4, 3)
    tape, (logits,) = recorded(view)
    assert tape.rows(view, "x_ulb_w", with_grad=True) is logits


def test_views_in_a_joined_input_are_slices_of_its_logits():
    x_lb, weak, strong = torch.randn(2, 3), torch.randn(4, 3), torch.randn(4, 3)
    tape, (logits,) = recorded(torch.cat((x_lb, weak, strong)))
    assert torch.equal(tape.rows(weak, "x_ulb_w", with_grad=True), logits[2:6])
    assert torch.equal(tape.rows(strong, "x_ulb_s", with_grad=True), logits[6:])


def test_the_offset_is_kept_while_the_shapes_stay():
    net = Net()
    tape = LogitsTape()
    tape.attach(net)
    for _ in range(3):
        x_lb, weak = torch.randn(2, 3), torch.randn(4, 3)
        tape.start()
        logits = net(torch.cat((x_lb, weak)))["logits"]
        rows = tape.rows(weak, "x_ulb_w", with_grad=True)
        assert rows is not None
        assert torch.equal(rows, logits[2:])
    assert list(tape._offsets.values()) == [2]


def test_a_pass_without_gradient_counts_only_where_none_is_needed():
    net, view = Net(), torch.randn(4, 3)
    tape = LogitsTape()
    tape.attach(net)
    tape.start()
    with torch.no_grad():
        net(view)
    assert tape.rows(view, "x_ulb_w", with_grad=True) is None
    assert tape.rows(view, "x_ulb_w", with_grad=False) is not None


def test_nothing_is_recorded_outside_a_step():
    net, view = Net(), torch.randn(4, 3)
    tape = LogitsTape()
    tape.attach(net)
    net(view)
    assert tape.passes == []
    tape.start()
    net(view)
    tape.stop()
    assert tape.passes == []


def test_attaching_to_another_model_lets_go_of_the_first():
    first, second, view = Net(), Net(), torch.randn(4, 3)
    tape = LogitsTape()
    tape.attach(first)
    tape.attach(second)
    tape.start()
    first(view)
    assert tape.passes == []


class TwoHeads(nn.Module):
    def __init__(self):
        super().__init__()
        self.heads = nn.ModuleList(nn.Linear(3, 2) for _ in range(2))

    def forward(self, x):
        return {"logits": [head(x) for head in self.heads], "feat": x}


class EvaluatesWithTheMean:
    """As the host's MultiMatch."""

    model: nn.Module
    num_heads = 2
    gpu = None

    def get_logits(self, data, out_key):
        return sum(self.model(data["x_lb"])[out_key]) / self.num_heads


class EvaluatesWithTheLast(EvaluatesWithTheMean):
    def get_logits(self, data, out_key):
        return self.model(data["x_lb"])[out_key][-1]


@pytest.mark.parametrize(("algorithm", "weights"), [(EvaluatesWithTheMean, (0.5, 0.5)), (EvaluatesWithTheLast, (0, 1))])
def test_of_several_heads_the_tape_reads_what_the_algorithm_evaluates_with(algorithm, weights):
    x_lb, weak = torch.randn(2, 3), torch.randn(4, 3)
    tape, (heads,) = recorded(torch.cat((x_lb, weak)), net=TwoHeads())
    tape.read_heads = functools.partial(evaluated_logits, algorithm())
    logits = tape.rows(weak, "x_ulb_w", with_grad=True)
    assert torch.allclose(logits, (weights[0] * heads[0] + weights[1] * heads[1])[2:])
    assert logits.requires_grad


@pytest.mark.parametrize("algorithm", [object(), type("Plain", (), {"get_logits": lambda self, data, key: [1]})()])
def test_heads_that_nothing_makes_one_are_one_clear_error(algorithm):
    view = torch.randn(4, 3)
    tape, _ = recorded(view, net=TwoHeads())
    with pytest.raises(ConfigError, match="but got 2 heads"):
        tape.rows(view, "x_ulb_w", with_grad=True)
    tape.read_heads = functools.partial(evaluated_logits, algorithm)
    with pytest.raises(ConfigError, match=r"the logits of 2 heads: expected .* get_logits"):
        tape.rows(view, "x_ulb_w", with_grad=True)


def test_heads_do_not_matter_where_nothing_is_read():
    tape, _ = recorded(torch.randn(4, 3), net=TwoHeads())
    assert tape.rows(torch.randn(4, 3), "x_ulb_w", with_grad=True) is None
