"""How many parameters a network has."""

from collections.abc import Callable
from functools import cache
from typing import Any

import torch
from torch import nn

from tart_nas.architecture import Architecture
from tart_nas.layout import network_layout
from tart_nas.networks.heads import classifier
from tart_nas.networks.operations import Norm, cell_operation, preprocessing
from tart_nas.networks.stems import stem_modules

__all__ = ["count_parameters", "parameter_count"]


def count_parameters(network: nn.Module, auxiliary: bool = False) -> int:
    """The number of parameters of a network, as papers state it: without the auxiliary head.

    Args:
        network: the network.
        auxiliary: whether to count an auxiliary head too.
    """
    named = network.named_parameters()
    return sum(p.numel() for name, p in named if auxiliary or not name.startswith("auxiliary_head."))


def parameter_count(architecture: Architecture, num_classes: int = 10, image_size: int = 32) -> int:
    """The number of parameters of an architecture's network, without making it.

    Arguments and errors are those of :func:`~tart_nas.networks.build_network`.
    """
    layout = network_layout(architecture, num_classes, image_size)
    norm: Norm = nn.Identity if architecture.norm is None else nn.BatchNorm2d
    count = _parameters(stem_modules, layout.stem, norm)
    for cell in layout.cells:
        if cell.preproc:
            first, second = cell.channels_in
            count += _parameters(preprocessing, first, cell.C, cell.halve_first, norm)
            count += _parameters(preprocessing, second, cell.C, False, norm)
        count += sum(_parameters(cell_operation, name, cell.C, stride, norm) for _, name, stride in cell.operations)
    return count + _parameters(classifier, layout.features, num_classes, architecture.fc_layers, architecture.fc_dim)


@cache
def _parameters(make: Callable[..., nn.Module], *arguments: Any) -> int:
    """The parameters of a part, which is made once, without storage: candidates of a search share nearly all parts."""
    with torch.device("meta"):
        return count_parameters(make(*arguments))
