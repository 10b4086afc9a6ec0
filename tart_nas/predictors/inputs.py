"""What a kind of predictor gets to see of architectures, and of the graphs of any networks."""

import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from tart_nas.architecture import Architecture
from tart_nas.choices import GRAPH_KINDS
from tart_nas.errors import GraphError, PredictorError
from tart_nas.genotype import Genotype
from tart_nas.layout import parameter_count
from tart_nas.search_spaces.trial_architecture import TrialArchitecture
from tart_nas.tokens import CellTokens
from tart_nas.tokens.parameter_counts import parameter_counts

if TYPE_CHECKING:
    from torch import nn

    from tart_nas.graphs import ComputationalGraph

__all__ = ["WHO_READS_GRAPHS", "AnyNetworks", "Given", "Networks", "PredictorInputs", "checked", "row_chunks"]

Networks = Sequence["Architecture | TrialArchitecture | ComputationalGraph | nn.Module"] | CellTokens
"""What predictors read: architectures or their cell tokens; or graphs, candidates of a user's own space, which have
one, and modules, with architectures among them."""

WHO_READS_GRAPHS = (
    f"Graphs are read by {', '.join(GRAPH_KINDS)}, by ensembles of these, and only where the fit was to graphs too."
)
"""The end of messages that refuse graphs."""

_IMAGE_SIZE = 32  # at which modules are traced: that of the graphs of architectures


@dataclass(frozen=True, eq=False)
class AnyNetworks:
    """n networks of which not all are architectures.

    Args:
        networks: as they were given.
        graphs: of each; () where they were not traced.
    """

    networks: tuple["Architecture | TrialArchitecture | ComputationalGraph | nn.Module", ...]
    graphs: tuple["ComputationalGraph", ...] = ()

    def __len__(self) -> int:
        return len(self.networks)

    def take(self, rows: npt.NDArray[np.integer]) -> "AnyNetworks":
        """The networks of some rows (k,)."""
        chosen = rows.tolist()
        graphs = tuple(self.graphs[row] for row in chosen) if self.graphs else ()
        return AnyNetworks(tuple(self.networks[row] for row in chosen), graphs)


Given = Sequence[Architecture] | CellTokens | AnyNetworks
"""What :func:`checked` makes of it."""


@dataclass(frozen=True, eq=False)
class PredictorInputs:
    """Architectures, their cell tokens and, for the kinds that ask for them, their graphs; or graphs alone.

    Args:
        given: n architectures, or their cell tokens, or any networks with their graphs.
    """

    given: Given

    def __len__(self) -> int:
        return len(self.given)

    @cached_property
    def architectures(self) -> Sequence[Architecture]:
        """The architectures; of tokens, such as are equal to them.

        Raises:
            PredictorError: if graphs were given.
        """
        if isinstance(self.given, AnyNetworks):
            raise PredictorError(
                "This needs architectures (or their CellTokens), but got graphs, which have no cells. "
                + WHO_READS_GRAPHS
            )
        return self.given.architectures() if isinstance(self.given, CellTokens) else self.given

    @cached_property
    def tokens(self) -> CellTokens:
        """The architectures as cell tokens; errors are those of :meth:`CellTokens.encode`."""
        return self.given if isinstance(self.given, CellTokens) else CellTokens.encode(self.architectures)

    @cached_property
    def parameters(self) -> npt.NDArray[np.float64]:
        """(n,) numbers of parameters, of architectures for 10 classes on 32x32 images."""
        if isinstance(self.given, AnyNetworks):
            return np.array([float(graph.num_parameters) for graph in self.given.graphs])
        if isinstance(self.given, CellTokens):
            return parameter_counts(self.given)
        # Not by way of tokens, for which some architectures are too large: counts have no such limit.
        return np.array([float(parameter_count(architecture)) for architecture in self.architectures])

    @cached_property
    def sizes(self) -> npt.NDArray[np.float64]:
        """(n,) log2 of the numbers of parameters."""
        return np.log2(self.parameters)

    def graphs(self) -> Iterator["ComputationalGraph"]:
        """The graph of each architecture, made when it is asked for."""
        if isinstance(self.given, AnyNetworks):
            return iter(self.given.graphs)
        from tart_nas.graphs import ComputationalGraph  # here, since it imports PyTorch

        return map(ComputationalGraph.from_architecture, self.architectures)

    def take(self, rows: npt.NDArray[np.integer]) -> "PredictorInputs":
        """The architectures of some rows (k,)."""
        if isinstance(self.given, CellTokens | AnyNetworks):
            return PredictorInputs(self.given.take(rows))
        return PredictorInputs([self.given[row] for row in rows.tolist()])


def checked(given: Any, *, trace: bool = True) -> Given:
    """What was given, if it is networks.

    Args:
        given: by a user.
        trace: whether to make the graphs of all, if some are no architectures.

    Raises:
        PredictorError: if it is neither a sequence of architectures, graphs and modules nor cell tokens.
        GraphError: if a module cannot be traced.
    """
    if isinstance(given, CellTokens | AnyNetworks):
        return given
    expected = "`architectures` must be a list of Architecture objects (or their CellTokens)"
    if isinstance(given, Architecture):
        raise PredictorError(f"{expected}, but got a single Architecture: put it into a list.")
    # Whatever has a length and can be indexed, since a generator would be used up by the first look.
    is_sequence = hasattr(given, "__len__") and hasattr(given, "__getitem__")
    if isinstance(given, str | bytes | Mapping) or not is_sequence:
        what = repr(given) if isinstance(given, str | int | None) else f"a {type(given).__name__}"
        raise PredictorError(f"{expected}, but got {what}.")
    wrong = next(((i, item) for i, item in enumerate(given) if not isinstance(item, Architecture)), None)
    if wrong is not None:
        wrong = next(((i, item) for i, item in enumerate(given) if not _is_network(item)), None)
        if wrong is None:
            graphs = [_graph(network, number) for number, network in enumerate(given)] if trace else ()
            return AnyNetworks(tuple(given), tuple(graphs))
        number, item = wrong
        hint = ": Architecture(genotype, n_cells=8) puts its cells into a network" if isinstance(item, Genotype) else ""
        raise PredictorError(f"{expected}, but item {number} is a {type(item).__name__}{hint}.")
    return given  # type: ignore[no-any-return]


def _is_network(item: Any) -> bool:
    """Whether it is an architecture, a graph or a module; nothing is imported: who has one has imported its class."""
    kinds = {"tart_nas.graphs": "ComputationalGraph", "torch.nn": "Module"}
    classes = [getattr(sys.modules[module], name) for module, name in kinds.items() if module in sys.modules]
    return isinstance(item, (Architecture, TrialArchitecture, *classes))


def _graph(network: Any, number: int) -> "ComputationalGraph":
    from tart_nas.graphs import ComputationalGraph  # here, since it imports PyTorch
    from tart_nas.graphs.remembered import remembered_graph

    if isinstance(network, ComputationalGraph):
        return network
    if isinstance(network, TrialArchitecture):
        return network.graph
    if isinstance(network, Architecture):
        return ComputationalGraph.from_architecture(network)
    try:
        return remembered_graph(network, _IMAGE_SIZE)
    except GraphError as error:
        raise GraphError(f"Network {number}: {error}") from error


def row_chunks(n: int, size: int) -> list[npt.NDArray[np.int64]]:
    """The rows from 0 to n - 1, up to so many at a time."""
    return [np.arange(first, min(first + size, n)) for first in range(0, n, size)]
