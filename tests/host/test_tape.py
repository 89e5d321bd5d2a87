"""The tape finds the logits that a step has computed anyway."""

import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from usb_negsamp.host.tape import Tape, find_rows


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.fc = nn.Linear(3, 2)

    def forward(self, x):
        return {"logits": self.fc(x), "feat": x}


def recorded(*inputs, net=None):
    net = net or Net()
    tape = Tape()
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
    tape = Tape()
    tape.attach(net)
    for _ in range(3):
        x_lb, weak = torch.randn(2, 3), torch.randn(4, 3)
        tape.start()
        logits = net(torch.cat((x_lb, weak)))["logits"]
        assert torch.equal(tape.rows(weak, "x_ulb_w", with_grad=True), logits[2:])
    assert list(tape._offsets.values()) == [2]


def test_a_pass_without_gradient_counts_only_where_none_is_needed():
    net, view = Net(), torch.randn(4, 3)
    tape = Tape()
    tape.attach(net)
    tape.start()
    with torch.no_grad():
        net(view)
    assert tape.rows(view, "x_ulb_w", with_grad=True) is None
    assert tape.rows(view, "x_ulb_w", with_grad=False) is not None


def test_nothing_is_recorded_outside_a_step():
    net, view = Net(), torch.randn(4, 3)
    tape = Tape()
    tape.attach(net)
    net(view)
    assert tape.passes == []
    tape.start()
    net(view)
    tape.stop()
    assert tape.passes == []


def test_attaching_to_another_model_lets_go_of_the_first():
    first, second, view = Net(), Net(), torch.randn(4, 3)
    tape = Tape()
    tape.attach(first)
    tape.attach(second)
    tape.start()
    first(view)
    assert tape.passes == []
