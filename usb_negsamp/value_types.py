"""The types of configuration keys that hold classes, names or several whole numbers."""

from __future__ import annotations

from typing import Any

ALL = "all"
"""As ``num_labels``: of all images that have a label and are not held out."""
AUTO = "auto"
"""As ``validation_size``: in proportion to the labels."""
FOLDER = "image_folder"
"""As ``dataset``: a user's own pictures, which is another one in each folder."""
LARGEST_NUMBER = 2**32 - 1


def class_list(value: Any) -> int | list[int | str]:
    """Return a number of classes as it is, and a list of classes, or their text between commas, as a list.

    In a text, whole numbers are indices of classes; anything else is a name.

    Raises:
        ValueError: it is neither, or the list is empty.

    >>> class_list("6"), class_list("[2, 3]"), class_list("bird,cat"), class_list([2, "dog"]), class_list("dog")
    (6, [2, 3], ['bird', 'cat'], [2, 'dog'], ['dog'])
    """
    if isinstance(value, str):
        text = value.strip()
        parts = [_class(part) for part in _split(text)]
        if len(parts) == 1 and isinstance(parts[0], int) and "," not in text and "[" not in text:
            return parts[0]
        return _not_empty(parts, value)
    if isinstance(value, (list, tuple)):
        return _not_empty([part.strip() if isinstance(part, str) else _whole(part) for part in value], value)
    return _whole(value)


def name_list(value: Any) -> list[str]:
    """Return a list of names, or their text between commas, as a list.

    Raises:
        ValueError: it is neither, or empty.

    >>> name_list("svhn, digits"), name_list(["svhn"]), name_list("[pictures/other]")
    (['svhn', 'digits'], ['svhn'], ['pictures/other'])
    """
    parts = _split(value) if isinstance(value, str) else value
    if not isinstance(parts, (list, tuple)) or not all(isinstance(part, str) and part.strip() for part in parts):
        raise ValueError(f"expected names, but got {value!r}")
    return _not_empty([part.strip() for part in parts], value)


def _split(text: str) -> list[str]:
    parts = (part.strip().strip("'\"") for part in text.strip().removeprefix("[").removesuffix("]").split(","))
    return [part for part in parts if part]


def _class(text: str) -> int | str:
    return int(text) if text.isdecimal() else text


def _whole(value: Any) -> int:
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not float(value).is_integer():
        raise ValueError(f"expected classes or their number, but got {value!r}")
    return int(value)


def _not_empty(parts: list[Any], value: Any) -> list[Any]:
    if not parts:
        raise ValueError(f"expected at least one, but got {value!r}")
    return parts


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
        raise ValueError(f"expected whole numbers, but got {value!r}") from None


def labels_or_all(value: Any) -> int | str:
    """Return a number of labels, or ``all``.

    Raises:
        ValueError: it is neither.

    >>> labels_or_all("50"), labels_or_all(" All"), labels_or_all(4e3)
    (50, 'all', 4000)
    """
    return _number_or(ALL, value)


def images_or_auto(value: Any) -> int | str:
    """Return a number of images, or ``auto``.

    Raises:
        ValueError: it is neither.

    >>> images_or_auto(142), images_or_auto("auto")
    (142, 'auto')
    """
    return _number_or(AUTO, value)


def _number_or(word: str, value: Any) -> int | str:
    if isinstance(value, str):
        if value.strip().lower() == word:
            return word
        value = float(value)
    number = _whole(value)
    if abs(number) > LARGEST_NUMBER:
        raise ValueError(f"expected at most {LARGEST_NUMBER} in size, but got {value!r}")
    return number
