"""At which size, and by which predictor, the command line judges architectures."""

import re
import sys
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Annotated, Any

import typer

from tart_nas.cli.options import told_as

if TYPE_CHECKING:
    from tart_nas.architecture import Architecture
    from tart_nas.predictors import Predictor

__all__ = ["JudgedAtOption", "at_judged_size", "check_reads_graphs", "predictor_for"]

# What people say, and what an architecture's setting is called.
_SETTINGS = {"cells": "n_cells", "channels": "C"}
_PAIR = re.compile(rf"({'|'.join(_SETTINGS)})=([1-9]\d*)")
_DEFAULTS = ("darts-cifar10", "deepnets1m-cifar10")  # in this order, which decides where both judge as many


JudgedAtOption = Annotated[
    str | None,
    typer.Option(
        metavar="cells=N,channels=N",
        callback=told_as(
            lambda value: all(map(_PAIR.fullmatch, value.split(","))), "such as cells=8,channels=32 or one of both"
        ),
        help="Judge the networks at this size. Default: at their own, or where the predictor does not know it at the "
        "nearest size that it knows.",
    ),
]


def at_judged_size(
    architectures: "Sequence[Architecture]", predictor: "Predictor", judged_at: str | None
) -> "list[Architecture]":
    """The architectures at the size at which they are judged; a note on stderr where that is not what was asked for.

    Args:
        architectures: n of them, at their own size.
        predictor: what judges them.
        judged_at: what :data:`JudgedAtOption` gave.
    """
    given: dict[str, Any] = {_SETTINGS[name]: int(value) for name, value in _PAIR.findall(judged_at or "")}
    asked = [replace(architecture, **given) for architecture in architectures]
    # A size that was asked for stays, also where the predictor does not know it: it then says so itself.
    nearest = [replace(architecture, **given) for architecture in predictor.at_known_size(asked)]
    changed = [now for now, before in zip(nearest, asked, strict=True) if now != before]
    if changed:
        sizes = sorted({f"{now.n_cells} cells and {now.C} channels" for now in changed})
        at = sizes[0] if len(sizes) == 1 else f"the nearest of {len(sizes)} sizes that the predictor knows"
        one = len(architectures) == 1
        which = "the network is" if one else f"{len(changed):,} of {len(architectures):,} networks are"
        own = "its own size" if one else "their own size"
        print(f"note: {which} judged at {at}, not at {own} (--judged-at sets it)", file=sys.stderr)
    return nearest


def predictor_for(architectures: "Sequence[Architecture]") -> "tuple[str, Predictor]":
    """The bundled predictor that judges most of the architectures, at the nearest sizes that it knows; its name first.

    A note on stderr says which it is, where it is not the first of the defaults.
    """
    from tart_nas.predictors import Predictor

    counts: dict[str, int] = {}
    for name in _DEFAULTS:
        predictor = Predictor.from_pretrained(name)
        counts[name] = int(predictor.judges(predictor.at_known_size(architectures)).sum())
        if counts[name] == len(architectures):
            break
    best = max(counts, key=counts.__getitem__)
    if best != _DEFAULTS[0]:
        print(f"note: judged by {best} (--predictor names another)", file=sys.stderr)
    return best, Predictor.from_pretrained(best)


def check_reads_graphs(predictor: "Predictor") -> None:
    """Makes sure that a predictor judges networks that are not made of cells.

    Raises:
        PredictorError: if it was fitted to architectures, whose ranges say nothing of other networks.
    """
    from tart_nas.errors import PredictorError

    scope = predictor.metadata["scope"]
    if scope is not None and "primitives" not in scope:
        raise PredictorError(
            f"{predictor.identity} was fitted to architectures of cells and judges no other networks: fit one to "
            "graphs (Predictor.fit), or take params or flops."
        )
