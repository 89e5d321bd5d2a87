"""The type of a configuration key that holds several whole numbers."""

from __future__ import annotations

from typing import Any


def whole_numbers(value: Any) -> list[int]:
    """Return a number, a list of numbers, or a text of numbers between commas as a list.

    Raises:
        ValueError: something in it is no whole number.

    >>> whole_numbers(130000), whole_numbers("130000, 1.6e5"), whole_numbers([1, 2])
    ([130000], [130000, 160000], [1, 2])
    """
    parts = value if isinstance(value, (list, tuple)) else [value]
    if isinstance(value, str):
        parts = [part for part in value.strip("[] ").split(",") if part.strip()]
    try:
        if any(isinstance(part, bool) or not float(part).is_integer() for part in parts):
            raise ValueError
        return [int(float(part)) for part in parts]
    except (TypeError, ValueError):
        raise ValueError(f"expected whole numbers, got {value!r}") from None


# What an error says was expected.
whole_numbers.__name__ = "whole numbers between commas, e.g. 100,200"
