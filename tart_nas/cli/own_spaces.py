"""``--space module:function`` of commands that build a network of a user's own space again.

A run folder names the function and holds the suggestions. What a file names is not run unasked (docs/safety.md), so the
user types the name, which every message tells.
"""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, Any

import typer

from tart_nas.cli.options import told_as
from tart_nas.errors import SettingError
from tart_nas.user_code import is_reference

if TYPE_CHECKING:
    from tart_nas.search_spaces import TrialArchitecture, TrialSpace

__all__ = ["SpaceOption", "builder", "builder_of", "no_space"]


SpaceOption = Annotated[
    str | None,
    typer.Option(
        metavar="MODULE:FUNCTION",
        callback=told_as(is_reference, "module:function, such as my_space:build"),
        help="Of a network of your own space: the function that builds it, as `tart-nas search --space` had it.",
    ),
]


def builder(candidate: "TrialArchitecture", space: str | None) -> "TrialSpace":
    """What builds a candidate.

    Args:
        candidate: of a user's own space.
        space: what the option was given.

    Raises:
        SettingError: if the option was not given, or names no function.
    """
    from tart_nas.search_spaces import TrialSpace

    name = candidate.space
    if space is not None:
        return TrialSpace(space, candidate.input_size)
    if not candidate.values:  # of `tart-nas measure NAME`
        raise SettingError(
            f"The network is built by {name}, which a file names and which is not run unasked: name {name} in place of "
            "the file."
        )
    if is_reference(name) and not name.startswith("__main__:"):
        raise SettingError(
            f"The network is built by {name}, which a file names and which is not run unasked: give `space` {name}."
        )
    raise SettingError(
        f"The network is built by {name}, which cannot be imported by this name: put the function into a module and "
        "give `space` module:function."
    )


def builder_of(trial: Mapping[str, Any] | None, space: str | None) -> "TrialSpace | None":
    """As :func:`builder`, of what a file describes as a candidate; None where it describes none."""
    from tart_nas.search_spaces import TrialArchitecture

    if trial is None:
        no_space(space)
        return None
    return builder(TrialArchitecture.from_dict(trial), space)


def no_space(space: str | None) -> None:
    """Makes sure that the option was not given, where the network is not of a user's own space.

    Raises:
        SettingError: if it was.
    """
    if space is not None:
        raise SettingError("`space` is for networks of a space of your own, which this one is not.")
