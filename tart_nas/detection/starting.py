"""The network that a detector's backbone is made of, with the weights that its training begins with."""

from typing import Any

import torch
from torch import nn

from tart_nas.detection.backbone import HEADS
from tart_nas.devices import forked_rng
from tart_nas.hypernetworks import PredictedStart
from tart_nas.networks import NetworkDescription
from tart_nas.training.initial_weights import InitialWeights, digest, read_initial_weights, set_initial_weights

__all__ = ["started_network"]


def started_network(
    description: NetworkDescription,
    *,
    seed: int = 0,
    start: PredictedStart | None = None,
    initial_weights: InitialWeights | None = None,
) -> tuple[nn.Module, dict[str, Any]]:
    """A network with its first weights: random ones, predicted ones, or given ones.

    Args:
        description: the network. It has a classifier, whose weights are predicted with all others and which a backbone
            has no use for.
        seed: of the random weights, and of a start's noise.
        start: predicts the weights.
        initial_weights: see :func:`tart_nas.training.train`; those of the parts that a backbone does not have are left
            out, so that the number of classes may differ.

    Returns:
        The network, and JSON values that tell this start from others.

    Raises:
        CheckpointError: if the weights cannot be read, or are of another network.
        TartError: those of building the network and of :meth:`PredictedStart.weights`.
    """
    with forked_rng(torch.device("cpu")):
        torch.manual_seed(seed)
        network = description.build()
        if start is not None:
            start.weights(network, image_size=description.image_size, seed=seed)
            return network, {"init": start.identity()}
    if initial_weights is None:
        return network, {}
    given = read_initial_weights(initial_weights)
    of_backbone = {name: tensor for name, tensor in given.items() if name.partition(".")[0] not in HEADS}
    set_initial_weights(network, of_backbone)
    return network, {"initial_weights": digest(of_backbone)}
