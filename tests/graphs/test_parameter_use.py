"""What a graph does not tell of a network's parameters: those that are not used, and those that are tied."""

import torch
from torch import nn

from tart_nas.graphs import ComputationalGraph, ParameterUse


class _Tied(nn.Module):
    """An encoder and a decoder that share a weight, a layer that is applied twice, and one that is not applied."""

    def __init__(self) -> None:
        super().__init__()
        self.encoder, self.middle, self.decoder = (nn.Linear(4, 4) for _ in range(3))
        self.decoder.weight = self.encoder.weight
        self.aside = nn.Linear(4, 2)

    def forward(self, x):
        return self.decoder(self.middle(self.middle(self.encoder(x)).relu()))


def test_unused_and_tied_parameters_are_named():
    network = _Tied()
    graph = ComputationalGraph.from_module(network, example_inputs=torch.zeros(1, 4))
    use = ParameterUse.of(network, graph)
    assert use.unused == ("aside.weight", "aside.bias")
    assert use.tied == (("encoder.weight", "decoder.weight"),)
    assert dict(use.reused) == {"encoder.weight": 2, "middle.weight": 2, "middle.bias": 2}
    # By autograd: those of which the output has a gradient, each counted once.
    network(torch.rand(1, 4)).sum().backward()
    used = sum(p.numel() for p in network.parameters() if p.grad is not None)
    assert graph.num_parameters == used
    assert use.sentences(most=1) == [
        "No node, since they do not influence the output: aside.weight and 1 more.",
        "One parameter, one node: encoder.weight = decoder.weight.",
        "Counted at the first of its nodes: encoder.weight (of 2) and 2 more.",
    ]


def test_of_a_network_without_such_there_is_nothing_to_say():
    network = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.ReLU())
    assert ParameterUse.of(network, ComputationalGraph.from_module(network, 8)).sentences() == []
