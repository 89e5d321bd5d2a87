"""Hooks at places that a priority does not name."""

from __future__ import annotations

from typing import Any


def insert_hook(algorithm: Any, hook: Any, name: str, *, before: str) -> None:
    """Register ``hook`` to run right before the hook named ``before``, or first of all where there is none.

    The host itself puts a hook behind those of the same priority.
    """
    algorithm.register_hook(hook, name, "HIGHEST")
    hooks = algorithm._hooks
    hooks.remove(hook)
    place = [number for number, other in enumerate(hooks) if other.name == before]
    hooks.insert(place[0] if place else 0, hook)
    algorithm.hooks_dict = type(algorithm.hooks_dict)((other.name, other) for other in hooks)
