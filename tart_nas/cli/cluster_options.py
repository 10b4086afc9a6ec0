"""The options of commands that can give their work to a cluster of Ray's."""

from dataclasses import dataclass
from typing import Annotated

import typer

from tart_nas.choices import ClusterEngine
from tart_nas.cli.options import above_zero

__all__ = ["ClusterEngineOption", "CpusOption", "GpusOption", "RayAddressOption", "RayTrialOptions"]

ClusterEngineOption = Annotated[
    ClusterEngine,
    typer.Option(help="What works: process, this machine; or ray, the machines of a cluster of Ray (needs the extra)."),
]
RayAddressOption = Annotated[
    str | None,
    typer.Option(
        metavar="HOST:PORT",
        help="Of Ray: the head of a cluster that this machine belongs to; default one that is started on this machine.",
    ),
]
CpusOption = Annotated[float, typer.Option(callback=above_zero, help="Of Ray: CPUs of each task, a thread for each.")]
GpusOption = Annotated[
    float, typer.Option(min=0, help="Of Ray: GPUs of each task; 0.25 lets four share one, 0 trains on CPUs.")
]


@dataclass(frozen=True)
class RayTrialOptions:
    """Of commands that train networks on a cluster of Ray's: which cluster, and what each network gets of it."""

    ray_address: RayAddressOption = None
    cpus_per_trial: CpusOption = 1.0
    gpus_per_trial: GpusOption = 0.0
