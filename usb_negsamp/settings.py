"""What a method is asked to do: a frozen dataclass whose fields are its configuration keys, checked once.

>>> from dataclasses import dataclass
>>> @dataclass(frozen=True)
... class ExampleSettings(Settings, prefix="example"):
...     weight: float = setting(float, 1.0, "weight of the loss", symbol="lambda", range=NOT_NEGATIVE)
>>> [key.name for key in ExampleSettings.all_keys()]
['example_weight']
>>> from argparse import Namespace
>>> ExampleSettings.from_arguments(Namespace(example_weight=0.5))
ExampleSettings(weight=0.5)
>>> ExampleSettings.from_arguments(Namespace(example_weight=-1.0))
Traceback (most recent call last):
usb_negsamp.errors.ConfigError: example_weight: expected a number of at least 0, but got -1
"""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Callable
from typing import Any, ClassVar, TypeVar

from usb_negsamp.key import NOT_NEGATIVE, Key  # noqa: F401 (the range is for the example)

S = TypeVar("S", bound="Settings")
_KEY = "key"


def setting(type: Callable[[Any], Any], default: Any, meaning: str, **attributes: Any) -> Any:
    """A field of :class:`Settings`; its key has the field's name after the prefix.

    Args:
        type: bool, int, float, str, or a conversion from a text that raises ValueError.
        default: the key's; None says that it may have no value.
        meaning: the key's, in one line.
        attributes: further ones of :class:`~usb_negsamp.key.Key`.
    """
    return dataclasses.field(default=default, metadata={_KEY: Key("", type, default, meaning, **attributes)})


class Settings:
    """Base of the settings of a method. A subclass is a frozen dataclass of fields made by :func:`setting`."""

    prefix: ClassVar[str]

    def __init_subclass__(cls, prefix: str, **rest: Any) -> None:
        super().__init_subclass__(**rest)
        cls.prefix = prefix

    @classmethod
    @functools.cache
    def all_keys(cls) -> tuple[Key, ...]:
        """The configuration keys of the fields; a field that would be a word of Python's ends in an underscore."""
        return tuple(
            dataclasses.replace(field.metadata[_KEY], name=f"{cls.prefix}_{field.name.rstrip('_')}")
            for field in dataclasses.fields(cls)  # type: ignore[arg-type]  # every subclass is a dataclass
        )

    @classmethod
    def from_arguments(cls: type[S], args: Any) -> S:
        """The settings that the run's arguments ask for.

        Raises:
            ConfigError: a value that cannot be.
        """
        return cls(**cls.values_of(args))

    @classmethod
    def values_of(cls, args: Any) -> dict[str, Any]:
        """The values of the fields by name, each checked against its key; a key that ``args`` lacks has its default.

        Raises:
            ConfigError: a value outside its key's choices or range.
        """
        fields = dataclasses.fields(cls)  # type: ignore[arg-type]  # every subclass is a dataclass
        values = {}
        for field, key in zip(fields, cls.all_keys(), strict=True):
            values[field.name] = getattr(args, key.name, key.default)
            key.check(values[field.name])
        return values
