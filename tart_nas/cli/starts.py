"""The options of commands that train one network: which network it is, and the weights that it begins with."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from tart_nas.choices import Split

if TYPE_CHECKING:
    from tart_nas.hypernetworks import PredictedStart

__all__ = [
    "CellsOption",
    "ChannelsOption",
    "IndexOption",
    "InitFromLayerOption",
    "InitNoiseOption",
    "InitOption",
    "InitOrthogonalOption",
    "InitialWeightsOption",
    "SplitOption",
    "predicted_start",
]

SplitOption = Annotated[Split | None, typer.Option(help="Of a folder of DeepNets-1M: the split.")]
IndexOption = Annotated[int, typer.Option(min=0, help="Which network of the file or split.")]
CellsOption = Annotated[int | None, typer.Option(min=1, help="Number of cells; default the architecture's.")]
ChannelsOption = Annotated[int | None, typer.Option(min=1, help="Channels of the first cells; default likewise.")]
InitialWeightsOption = Annotated[
    Path | None,
    typer.Option(
        exists=True,
        help="Begin with these weights: a safetensors file, such as of predicted ones, or the folder of a trained "
        "network; default random ones of the seed.",
    ),
]
InitOption = Annotated[
    str | None,
    typer.Option(
        metavar="GHN", help="Begin with weights that a graph hypernetwork predicts: its file, or a published name."
    ),
]
InitNoiseOption = Annotated[
    float, typer.Option(min=0, help="Of --init: Gaussian noise on predicted weights; published: 3e-5.")
]
InitOrthogonalOption = Annotated[
    bool, typer.Option("--init-orthogonal", help="Of --init: make predicted weights orthogonal.")
]
InitFromLayerOption = Annotated[
    int, typer.Option(min=0, help="Of --init: the first layer that the two change, from 1; default all.")
]


def predicted_start(
    init: str | None, noise: float, orthogonal: bool, from_layer: int, initial_weights: Path | None
) -> "PredictedStart | None":
    """How the hypernetwork that the options name is used.

    Raises:
        SettingError: if the options contradict each other.
    """
    from tart_nas.errors import SettingError
    from tart_nas.hypernetworks import PredictedStart

    if init is not None:
        if initial_weights is not None:
            raise SettingError("`init` and `initial_weights` exclude each other, but both are given.")
        return PredictedStart(ghn=init, noise=noise, orthogonal=orthogonal, from_layer=from_layer)
    if noise or orthogonal or from_layer:
        raise SettingError("`init_noise`, `init_orthogonal` and `init_from_layer` need `init`.")
    return None
