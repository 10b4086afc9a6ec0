"""The options of commands that train many networks by a named budget."""

from dataclasses import dataclass
from typing import Annotated

import typer

__all__ = ["BUDGET_HELP", "TrainedSizeOptions"]

BUDGET_HELP = (
    "How much each network is trained: seconds of a CPU core (tiny, small), minutes (medium) or hours (full) of a GPU; "
    "docs/training.md has the numbers."
)


@dataclass(frozen=True)
class TrainedSizeOptions:
    """The size at which networks are trained, where it is not the budget's."""

    cells: Annotated[
        int | None, typer.Option(min=1, help="In place of the budget's: cells of the trained networks.")
    ] = None
    channels: Annotated[int | None, typer.Option(min=1, help="Likewise: channels of their first cells.")] = None
