"""The graph of what a network computes: nodes are its operations with parameters and a few others, edges its data."""

import os
from collections.abc import Sequence
from functools import cached_property
from math import prod
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch import nn

from tart_nas.architecture import Architecture
from tart_nas.deprecation import successor
from tart_nas.errors import GraphError
from tart_nas.graphs.architecture_graph import architecture_nodes, node_parameter_count, node_parameters
from tart_nas.graphs.blocks import COLUMNS
from tart_nas.graphs.distances import shortest_paths
from tart_nas.graphs.module_graph import module_run
from tart_nas.graphs.primitives import PRIMITIVE_IDS, PRIMITIVES

__all__ = ["ComputationalGraph"]

_WEIGHTS = [PRIMITIVE_IDS[name] for name in ("conv", "sep_conv", "dil_conv")]  # linear layers are convolutions of 1x1


class ComputationalGraph:
    """A computational graph in the manner of DeepNets-1M (Knyazev et al., NeurIPS 2021).

    There is a node for the input, each convolution's and linear layer's weight, each linear layer's bias (after its
    weight), each normalisation layer, positional encoding, pooling, global average pooling, self-attention and channel
    excitation, and for each sum and concatenation into which more than one edge comes. Everything else (ReLU, reshapes,
    ...) is part of an edge. Nodes are in topological order, the input first and the output last.

    Everything is in arrays, of one row per node or edge; n is the number of nodes, m that of edges. Graphs are equal if
    everything in them is; :func:`tart_nas.graphs.save_graphs` writes a file of them. Example::

        graph = ComputationalGraph.from_architecture(architecture)
        graph.distances[graph.edges[:, 0], graph.edges[:, 1]]  # all 1

    Args:
        nodes: one row per node (n, COLUMNS), see :data:`tart_nas.graphs.blocks.COLUMNS`.
        cells: as the attribute.
        names: as the attribute.
        edges: as the attribute, in any order.
        distances: as the attribute, where it is known already.
        parameters: as the attribute; None for a network of ours, whose nodes' names tell it.
        node_macs: as the attribute; None where the nodes' sizes tell it.

    Attributes:
        cells: index of the cell, 0 in the stem and that of the last cell in the classifier (n,).
        names: the parameter's name in its cell, or the primitive where there is no parameter; n of them.
        edges: (source, target) pairs, source < target, sorted (m, 2).

    Raises:
        GraphError: if an edge does not lead from a node to a later one, or an edge is there twice.
    """

    def __init__(
        self,
        nodes: NDArray[np.int32],
        cells: NDArray[np.int32],
        names: Sequence[str],
        edges: NDArray[np.int32],
        distances: NDArray[np.uint16] | None = None,
        parameters: Sequence[tuple[tuple[str, tuple[int, ...]], ...]] | None = None,
        node_macs: NDArray[np.int64] | None = None,
    ) -> None:
        n = len(nodes)
        keys = edges[:, 0].astype(np.int64) * n + edges[:, 1]
        order = np.argsort(keys)
        keys = keys[order]
        if len(edges) and (edges.min() < 0 or edges.max() >= n or (edges[:, 0] >= edges[:, 1]).any()):
            bad = next((s, t) for s, t in edges.tolist() if not 0 <= s < t < n)
            raise GraphError(f"An edge must lead from a node to a later one of {n}, but got {bad[0]} -> {bad[1]}.")
        if (keys[1:] == keys[:-1]).any():
            twice = int(keys[1:][keys[1:] == keys[:-1]][0])
            raise GraphError(f"The edge {twice // n} -> {twice % n} is there twice.")
        self._nodes = nodes
        self.cells = cells
        self.names = tuple(names)
        self.edges = edges[order]
        if distances is not None:
            self.__dict__["distances"] = distances
        if parameters is not None:
            self.__dict__["parameters"] = tuple(parameters)
        if node_macs is not None:
            self.__dict__["node_macs"] = node_macs

    @classmethod
    def from_architecture(
        cls, architecture: Architecture, num_classes: int = 10, image_size: int = 32, as_generated: bool = False
    ) -> "ComputationalGraph":
        """The graph of an architecture's network, from the genotype alone: no network is made.

        Parameters that cannot influence the output (operations that nothing reads, or that are applied to zeros) have
        no nodes.

        Args:
            architecture: the architecture.
            num_classes: number of logits.
            image_size: height and width of the images, as for :func:`tart_nas.networks.build_network`.
            as_generated: deprecated, use :func:`tart_nas.deepnets1m.generator_graph`.

        Raises:
            ArchitectureError: if the architecture has one channel only, which no network can have.
            SettingError: if another argument is out of range.
        """
        if as_generated:
            now = "tart_nas.deepnets1m.generator_graph"
            graph: ComputationalGraph = successor("from_architecture(..., as_generated=True)", now)(architecture)
            return graph
        return cls(*architecture_nodes(architecture, num_classes, image_size))

    @classmethod
    def from_module(
        cls, module: nn.Module, input_size: int | Sequence[int] | None = None, *, example_inputs: Any = None
    ) -> "ComputationalGraph":
        """The graph of any PyTorch network, learned by running a copy of it once, without numbers.

        Its nodes are named as the network's parameters; they are in cell 0, but for the networks of
        :func:`tart_nas.networks.build_network`, whose graphs equal :meth:`from_architecture`'s. DeepNets-1M's
        primitives stand for more than there:

        - ``conv``: also an embedding, and a product with a constant matrix or with a kernel that is data
        - ``sep_conv``: also a learned scale per channel, or another parameter in a function of elements
        - ``avg_pool``: also a convolution with a constant kernel, as in anti-aliased pooling, and a power average
        - ``msa``: also a matrix product of two tensors of data without a softmax
        - ``cse``: any product of two tensors of data, element by element (gates, quotients)
        - ``sum``: any other function of several tensors, element by element
        - ``concat``: also what is written into a part of a tensor
        - ``pos_enc``: any parameter that is used as data (a class token, positions)

        Parameters that do not influence the output have no nodes (:class:`tart_nas.graphs.ParameterUse` names them, and
        tied ones); of several outputs, the first counts. The depth of a volume is folded into the height, and so are
        windows in the batch dimension.

        Args:
            module: the network. It is run in evaluation mode and left as it was.
            input_size: of the images: (channels, height, width), or a number for (3, number, number).
            example_inputs: in place of the size, what the network is called with: a tensor, a tuple of arguments, or a
                mapping of names to arguments. Everything is counted for these: give a batch of one.

        Raises:
            GraphError: if the network cannot be run on such inputs, or does what no graph can show.
            SettingError: if the input size is not one, or the module is none.
        """
        return cls(**module_run(module, input_size, example_inputs).arrays._asdict())

    @classmethod
    def from_labels(
        cls,
        primitives: NDArray[np.integer[Any]],
        cells: NDArray[np.integer[Any]],
        names: Sequence[str],
        edges: NDArray[np.integer[Any]],
        distances: NDArray[np.uint16] | None = None,
    ) -> "ComputationalGraph":
        """A graph of which only this is known; sizes are 0. Arguments are as the attributes.

        Raises:
            GraphError: if the nodes are not in topological order, or a primitive is unknown.
        """
        if len(primitives) and not 0 <= int(primitives.min()) <= int(primitives.max()) < len(PRIMITIVES):
            raise GraphError(f"A primitive must be in [0, {len(PRIMITIVES)}), but got {int(primitives.max())}.")
        nodes = np.zeros((len(primitives), COLUMNS), dtype=np.int32)
        nodes[:, 0] = primitives
        return cls(nodes, cells.astype(np.int32), names, edges.astype(np.int32), distances)

    @property
    def num_nodes(self) -> int:
        """Number of nodes, n."""
        return len(self.names)

    @property
    def num_edges(self) -> int:
        """Number of edges, m."""
        return len(self.edges)

    @property
    def primitives(self) -> NDArray[np.int32]:
        """Index into :data:`tart_nas.graphs.PRIMITIVES` (n,)."""
        return self._nodes[:, 0]

    @property
    def nodes(self) -> NDArray[np.int32]:
        """All numbers of the nodes (n, COLUMNS), see :data:`tart_nas.graphs.blocks.COLUMNS`."""
        return self._nodes

    @property
    def kernel_sizes(self) -> NDArray[np.int32]:
        """Height and width of the kernel (n, 2): 1 in a linear layer, 0 where there is none."""
        return self._nodes[:, 1:3]

    @property
    def channels(self) -> NDArray[np.int32]:
        """Channels of the node's output (n,)."""
        return self._nodes[:, 3]

    @property
    def resolutions(self) -> NDArray[np.int32]:
        """Height and width of the node's output (n, 2): (tokens, 1) of a sequence, (1, 1) of a vector."""
        return self._nodes[:, 4:6]

    @property
    def parameter_shapes(self) -> NDArray[np.int32]:
        """Shape of the node's parameter, filled up with 0 at the end (n, 4)."""
        return self._nodes[:, 6:]

    @cached_property
    def parameters(self) -> tuple[tuple[tuple[str, tuple[int, ...]], ...], ...]:
        """For each node the (full name, shape) pairs of the parameters that it stands for; n of them.

        Names are those of the module's ``named_parameters()``. Most nodes have one or none: a convolution and a linear
        layer their weight, the node behind it the bias. A normalisation has its weight and its bias, attention its
        learned key and value where it has them (its projections are linear layers), a parameter that is made from
        several (weight normalisation) all of these. A parameter that several nodes use (tied weights, a layer that is
        applied twice) belongs to the first of them. So each parameter that influences the output is there once::

            graph = ComputationalGraph.from_module(torchvision.models.resnet18(), 224)
            graph.parameters[2]  # (("bn1.weight", (64,)), ("bn1.bias", (64,)))

        Raises:
            GraphError: if the graph was read from a file of labels, which tells no shapes.
        """
        if not self.channels.any():
            raise GraphError("The parameters of a graph that was made from labels alone are not known.")
        return tuple(node_parameters(self._nodes, self.cells, self.names))

    @cached_property
    def node_macs(self) -> NDArray[np.int64]:
        """Multiply-accumulate operations for one image of each node (n,).

        They are those of convolutions, linear layers and matrix products, as in PyTorch's ``FlopCounterMode``, which
        counts each twice. What makes a node's parameter from others belongs to that node.
        """
        weights, outputs = self.parameter_shapes.astype(np.int64), self.resolutions.astype(np.int64).prod(axis=1)
        layers = np.where(weights > 0, weights, 1).prod(axis=1) * outputs
        attention = 2 * outputs**2 * self.channels  # queries by keys, then by values
        kinds = [np.isin(self.primitives, _WEIGHTS), self.primitives == PRIMITIVE_IDS["msa"]]
        counts: NDArray[np.int64] = np.select(kinds, [layers, attention], 0).astype(np.int64)
        return counts

    @property
    def macs(self) -> int:
        """Multiply-accumulate operations for one image, see :attr:`node_macs`."""
        return int(self.node_macs.sum())

    @property
    def num_parameters(self) -> int:
        """Number of parameters that influence the output, the sum over :attr:`parameters`.

        Raises:
            GraphError: as of :attr:`parameters`.
        """
        if "parameters" not in self.__dict__ and self.channels.any():
            return node_parameter_count(self._nodes)  # by their sizes alone: names take most of the time
        return sum(prod(shape) for own in self.parameters for _, shape in own)

    @property
    def adjacency(self) -> NDArray[np.uint8]:
        """1 at [u, v] where u feeds v, else 0 (n, n)."""
        matrix = np.zeros((self.num_nodes, self.num_nodes), dtype=np.uint8)
        matrix[self.edges[:, 0], self.edges[:, 1]] = 1
        return matrix

    @cached_property
    def distances(self) -> NDArray[np.uint16]:
        """Number of edges of the shortest directed path from node to node, 0 where there is none (n, n)."""
        return shortest_paths(self.edges, self.num_nodes)

    def to_networkx(self) -> Any:
        """The real edges as a ``networkx.DiGraph``; nodes have the attributes primitive, cell and name."""
        import networkx as nx  # here, since importing it takes a third of a second

        graph = nx.DiGraph()
        labels = zip(self.primitives.tolist(), self.cells.tolist(), self.names, strict=True)
        for node, (primitive, cell, name) in enumerate(labels):
            graph.add_node(node, primitive=PRIMITIVES[primitive], cell=cell, name=name)
        graph.add_edges_from(self.edges.tolist())
        return graph

    def draw(self, path: str | os.PathLike[str]) -> Path:
        """Deprecated: use :func:`tart_nas.drawing.draw_graph`."""
        successor("ComputationalGraph.draw", "tart_nas.drawing.draw_graph")(self, path)
        return Path(path)

    def __eq__(self, other: object) -> bool:
        """Whether all is equal, names included; the same network may have graphs with other names and orders."""
        if not isinstance(other, ComputationalGraph):
            return NotImplemented
        arrays = zip(self._arrays(), other._arrays(), strict=True)
        if self.names != other.names or not all(np.array_equal(one, another) for one, another in arrays):
            return False
        return not self.channels.any() or self.parameters == other.parameters

    def __hash__(self) -> int:
        return hash((self.names, self.edges.astype(np.int64).tobytes()))

    def _arrays(self) -> tuple[NDArray[np.integer[Any]], ...]:
        return self._nodes, self.cells, self.edges, self.node_macs

    def __repr__(self) -> str:
        return f"ComputationalGraph({self.num_nodes} nodes, {self.num_edges} edges)"
