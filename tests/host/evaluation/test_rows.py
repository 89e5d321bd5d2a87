"""Rows of many images in one tensor."""

import pytest
import torch

from usb_negsamp.host.evaluation.rows import Rows


def test_rows_stay_in_their_order_and_of_their_type() -> None:
    batches = torch.arange(14).view(7, 2).split(3)
    rows = Rows(7, "cpu")
    for batch in batches:
        rows.add(batch)
    assert torch.equal(rows.together, torch.cat(batches))
    assert rows.together.dtype == torch.int64


def test_later_changes_of_a_batch_do_not_reach_what_was_added() -> None:
    batch, rows = torch.ones(2), Rows(2)
    rows.add(batch)
    batch.zero_()
    assert rows.together.tolist() == [1.0, 1.0]


def test_a_row_too_few_or_too_many_is_an_error() -> None:
    rows = Rows(3)
    rows.add(torch.ones(2))
    with pytest.raises(ValueError, match="expected 3 rows, but got 2"):
        _ = rows.together
    with pytest.raises(RuntimeError):
        rows.add(torch.ones(2))
