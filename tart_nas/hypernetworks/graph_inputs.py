"""What a graph hypernetwork is given of a network: its graph as tensors, and the tensors to predict."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn.parameter import is_lazy

from tart_nas.architecture import Architecture
from tart_nas.errors import GraphError, SettingError
from tart_nas.graphs import PRIMITIVE_IDS, ComputationalGraph
from tart_nas.hypernetworks.config import GHNConfig
from tart_nas.hypernetworks.reference_form import NodeLabels, reference_form
from tart_nas.hypernetworks.shape_encoding import ShapeEncoding, is_position_table
from tart_nas.networks import Network
from tart_nas.search_spaces.trial_architecture import TrialArchitecture

__all__ = ["MAX_DISTANCE", "GraphInputs", "Target", "architecture_inputs", "graph_inputs", "network_graph"]

MAX_DISTANCE = 50
"""Edges of the longest path that counts as a virtual edge, as in the published training."""

_NORMS = (PRIMITIVE_IDS["bn"], PRIMITIVE_IDS["ln"])
_POSITIONS = PRIMITIVE_IDS["pos_enc"]


@dataclass(frozen=True)
class Target:
    """A parameter to predict.

    Args:
        node: whose vector it is decoded from.
        name: its full name.
        shape: its shape.
        is_norm_weight: whether it is the weight of a normalisation layer.
        is_class_layer: whether it belongs to the layer that gives the logits.
    """

    node: int
    name: str
    shape: tuple[int, ...]
    is_norm_weight: bool = False
    is_class_layer: bool = False


@dataclass(frozen=True)
class GraphInputs:
    """The graph of a network in the form that a graph hypernetwork takes.

    It holds no tensor of the network, so it can be made once, or in another process, and used for each prediction.

    Args:
        primitives: of each node (n,).
        shape_index: rows of the tables of :class:`ShapeEncoding` (n, 4).
        distances: lengths of the shortest paths of up to :data:`MAX_DISTANCE` edges, 0 where there is none (n, n).
        targets: the parameters to predict.
        unpredicted: names of the other parameters that influence the network's output.
    """

    primitives: Tensor
    shape_index: Tensor
    distances: NDArray[np.uint8]
    targets: tuple[Target, ...]
    unpredicted: tuple[str, ...]

    @property
    def num_nodes(self) -> int:
        """Number of nodes, n."""
        return len(self.primitives)

    @property
    def num_classes(self) -> int | None:
        """Number of logits of the network, None if its last layer is not a linear layer or convolution."""
        return next((target.shape[0] for target in self.targets if target.is_class_layer), None)


def network_graph(network: nn.Module, image_size: int | Sequence[int]) -> ComputationalGraph:
    """The graph of a network: of ours from its architecture, of others by a run without numbers.

    Args:
        network: the network.
        image_size: of the images of others, as for :meth:`ComputationalGraph.from_module`.

    Raises:
        GraphError: if a network of another kind cannot be run on such images, or does what no graph can show.
    """
    given: Any = network
    if not isinstance(given, nn.Module):
        hint = ": the method `network` of its space builds it" if isinstance(given, TrialArchitecture) else ""
        raise SettingError(f"The network must be a torch.nn.Module, but got {type(given).__name__}{hint}.")
    if isinstance(network, Network):
        classes = len(list(network.classifier.parameters())[-1])
        return ComputationalGraph.from_architecture(network.architecture, classes, network.image_size)
    return ComputationalGraph.from_module(network, image_size)


def graph_inputs(
    network: nn.Module, graph: ComputationalGraph, encoding: ShapeEncoding, config: GHNConfig
) -> GraphInputs:
    """What a graph hypernetwork is given of a network.

    Args:
        network: the network; only the shapes of its parameters are read.
        graph: its graph.
        encoding: the hypernetwork's encoding of shapes.
        config: the hypernetwork's settings.

    Raises:
        GraphError: if the graph is of another network.
        SettingError: if the network has no parameters, or a lazy module that has not been run.
    """
    shapes = _parameter_shapes(network)
    for name, shape in (parameter for parameters in graph.parameters for parameter in parameters):
        if shapes.get(name) != shape:
            raise GraphError(f"The graph is of another network: this one has no parameter {name!r} of {shape}.")
    return _inputs(graph, shapes, encoding, config)


def architecture_inputs(
    architecture: Architecture, num_classes: int, image_size: int, encoding: ShapeEncoding, config: GHNConfig
) -> GraphInputs:
    """As :func:`graph_inputs` for the network that an architecture stands for, which is not made.

    Raises:
        ArchitectureError: if it stands for none.
    """
    graph = ComputationalGraph.from_architecture(architecture, num_classes, image_size)
    shapes = dict(parameter for parameters in graph.parameters for parameter in parameters)
    return _inputs(graph, shapes, encoding, config)


def _inputs(
    graph: ComputationalGraph, shapes: Mapping[str, tuple[int, ...]], encoding: ShapeEncoding, config: GHNConfig
) -> GraphInputs:
    reference = reference_form(graph, pools_before_classifier=config.hypernet == "graphormer")
    targets = _targets(reference.nodes, shapes)
    predicted = {target.name for target in targets}
    distances = np.where(reference.distances <= MAX_DISTANCE, reference.distances, 0).astype(np.uint8)
    return GraphInputs(
        torch.tensor([labels.primitive for labels in reference.nodes]),
        torch.tensor([encoding.index(labels.shape) for labels in reference.nodes]),
        distances,
        targets,
        tuple(name for parameters in graph.parameters for name, _ in parameters if name not in predicted),
    )


def _parameter_shapes(network: nn.Module) -> dict[str, tuple[int, ...]]:
    """The shape of each parameter of a network by its full name; one that two modules share is there once.

    Raises:
        SettingError: if there are none, or a lazy module has not been run yet.
    """
    shapes = {}
    for name, parameter in network.named_parameters():
        if is_lazy(parameter):
            raise SettingError(f"The parameter {name!r} has no shape yet: run the network once, on any image.")
        shapes[name] = tuple(parameter.shape)
    if not shapes:
        raise SettingError(f"The network {type(network).__name__} has no parameters to predict.")
    return shapes


def _targets(nodes: Sequence[NodeLabels], shapes: Mapping[str, tuple[int, ...]]) -> tuple[Target, ...]:
    targets: dict[str, Target] = {}
    for node, labels in enumerate(nodes):
        # By index, as the reference does: the last node is the bias of the class layer, the one before its weight. So
        # a linear layer without bias, as the last one, is decoded as any other.
        is_last_weight, is_last_bias = node == len(nodes) - 2, node == len(nodes) - 1
        for name in labels.parameters:
            shape, ending = shapes[name], name.rpartition(".")[2]
            # What stands there need not be a layer: a normalisation before the pooling that ends a network, positions.
            is_weight = ending == "weight" and len(shape) > 1 and labels.primitive != _POSITIONS
            is_class_layer = (is_last_weight and is_weight) or (is_last_bias and ending == "bias")
            is_norm_weight = labels.primitive in _NORMS and ending != "bias"
            if _is_predictable(shape):
                targets[name] = Target(node, name, shape, is_norm_weight, is_class_layer)
    return tuple(targets.values())


def _is_predictable(shape: Sequence[int]) -> bool:
    """Whether a tensor of this shape can be decoded: positions need a square of them, a class token may come first."""
    if is_position_table(shape):
        side = int(shape[1] ** 0.5)
        return shape[1] - side**2 in (0, 1)
    return 1 <= len(shape) <= 4 and 0 not in shape
