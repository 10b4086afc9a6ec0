"""Mutations of architectures of any space, also of those that have no network near them."""

from typing import Any

import numpy as np

from tart_nas.errors import SettingError

__all__ = ["mutant"]


def mutant(space: Any, parent: Any, rng: np.random.Generator, barren: set[Any]) -> Any:
    """A mutation of a parent; None where the space finds no network near it.

    Args:
        space: with ``mutate``; what that refuses of an architecture which the space ``contains`` has no mutation.
        parent: an architecture of the space.
        rng: source of randomness.
        barren: parents without a mutation, which are not tried again, as it may take hundreds of networks to find none;
            the parent is added if it is one.

    Raises:
        SettingError: if the space does not contain the parent, or cannot tell.
    """
    if parent in barren:
        return None
    try:
        return space.mutate(parent, rng)
    except SettingError:
        if not (hasattr(space, "contains") and space.contains(parent)):
            raise
        barren.add(parent)
        return None
