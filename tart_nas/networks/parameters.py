"""How many parameters a network has that is made already."""

from torch import nn

__all__ = ["count_parameters"]


def count_parameters(network: nn.Module, auxiliary: bool = False) -> int:
    """The number of parameters of a network, as papers state it: without the auxiliary head.

    :func:`tart_nas.layout.parameter_count` gives the same number for an architecture.

    Args:
        network: the network.
        auxiliary: whether to count an auxiliary head too.
    """
    named = network.named_parameters()
    return sum(p.numel() for name, p in named if auxiliary or not name.startswith("auxiliary_head."))
