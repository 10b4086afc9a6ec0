"""Groups of options: what typer reads of a command, and what the command gets."""

from dataclasses import dataclass
from inspect import signature
from typing import Annotated

import typer

from tart_nas.cli.option_groups import with_groups


@dataclass(frozen=True)
class Size:
    cells: Annotated[int, typer.Option(min=1)] = 8
    channels: int = 16


def test_a_group_stands_for_its_options_in_its_place():
    seen = []

    @with_groups
    def command(*, out: str, size: Size, seed: int = 0) -> None:
        """What it does."""
        seen.append((out, size, seed))

    parameters = signature(command).parameters
    assert [(name, parameter.default) for name, parameter in parameters.items()][1:] == [
        ("cells", 8),
        ("channels", 16),
        ("seed", 0),
    ]
    assert parameters["cells"].annotation.__metadata__[0].min == 1
    assert (command.__name__, command.__doc__) == ("command", "What it does.")
    command(out="here", cells=2, channels=4, seed=1)
    assert seen == [("here", Size(2, 4), 1)]
