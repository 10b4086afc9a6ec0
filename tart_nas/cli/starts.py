"""The options of commands that train one network: which network it is, and the weights that it begins with."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from tart_nas.choices import Split
from tart_nas.cli.options import STRING

if TYPE_CHECKING:
    from tart_nas.hypernetworks import PredictedStart

__all__ = ["NetworkOptions", "WeightsOptions"]


@dataclass(frozen=True)
class NetworkOptions:
    """Which network, beside the argument that names one or what holds it."""

    string: Annotated[str | None, STRING] = None
    split: Annotated[Split | None, typer.Option(help="Of a folder of DeepNets-1M: the split.")] = None
    index: Annotated[int, typer.Option(min=0, help="Which network of the file or split.")] = 0
    cells: Annotated[int | None, typer.Option(min=1, help="Number of cells; default the architecture's.")] = None
    channels: Annotated[int | None, typer.Option(min=1, help="Channels of the first cells; default likewise.")] = None


@dataclass(frozen=True)
class WeightsOptions:
    """The weights that a network begins with."""

    initial_weights: Annotated[
        Path | None,
        typer.Option(
            exists=True,
            help="Begin with these weights: a safetensors file, such as of predicted ones, or the folder of a trained "
            "network; default random ones of the seed.",
        ),
    ] = None
    init: Annotated[
        str | None,
        typer.Option(
            metavar="GHN", help="Begin with weights that a graph hypernetwork predicts: its file, or a published name."
        ),
    ] = None
    init_noise: Annotated[
        float, typer.Option(min=0, help="Of --init: Gaussian noise on predicted weights; published: 3e-5.")
    ] = 0.0
    init_orthogonal: Annotated[
        bool, typer.Option("--init-orthogonal", help="Of --init: make predicted weights orthogonal.")
    ] = False
    init_from_layer: Annotated[
        int, typer.Option(min=0, help="Of --init: the first layer that the two change, from 1; default all.")
    ] = 0

    def predicted_start(self) -> "PredictedStart | None":
        """How the hypernetwork that the options name is used.

        Raises:
            SettingError: if the options contradict each other.
        """
        from tart_nas.errors import SettingError
        from tart_nas.hypernetworks import PredictedStart

        noise, orthogonal, from_layer = self.init_noise, self.init_orthogonal, self.init_from_layer
        if self.init is not None:
            if self.initial_weights is not None:
                raise SettingError("`init` and `initial_weights` exclude each other, but both are given.")
            return PredictedStart(ghn=self.init, noise=noise, orthogonal=orthogonal, from_layer=from_layer)
        if noise or orthogonal or from_layer:
            raise SettingError("`init_noise`, `init_orthogonal` and `init_from_layer` need `init`.")
        return None
