"""Which architectures a predictor judges, and at which size it reads them: the one place that decides this."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import numpy.typing as npt

from tart_nas.architecture import Architecture
from tart_nas.errors import ArchitectureError, PredictorError
from tart_nas.predictors.graph_scope import GraphScope
from tart_nas.predictors.inputs import (
    WHO_READS_GRAPHS,
    AnyNetworks,
    Given,
    Networks,
    PredictorInputs,
    checked,
    row_chunks,
)
from tart_nas.predictors.label_size import LabelSize
from tart_nas.predictors.scope import Scope
from tart_nas.tokens import MAX_CELL_NODES

__all__ = ["CHUNK", "Domain"]

CHUNK = 1 << 13
"""Architectures that are looked at at once, which bounds the memory."""


@dataclass(frozen=True)
class Domain:
    """The networks that a predictor judges.

    Args:
        scope: the ranges of its training set, at the size of the labels; None where it judges beyond them too.
        size: at which the labels were measured; every architecture is read at this size.
        reads_cells: whether it reads cell tokens, for which some architectures are too large.
        of_graph_kind: whether its kind can read graphs.
    """

    scope: Scope | GraphScope | None = None
    size: LabelSize = field(default_factory=LabelSize)
    reads_cells: bool = False
    of_graph_kind: bool = False

    @property
    def reads_graphs(self) -> bool:
        """Whether it judges any networks by their graphs; else it judges architectures alone.

        A scope of cells says nothing of a graph, and a graph cannot be made again at the size of labels.
        """
        is_of_cells = isinstance(self.scope, Scope) or bool(self.size.to_dict())
        return self.of_graph_kind and not is_of_cells

    @property
    def _needs_tokens(self) -> bool:
        """Whether architectures are read as cell tokens, by the model or to compare them with the scope."""
        return self.reads_cells or isinstance(self.scope, Scope)

    def read(self, given: Given) -> tuple[PredictorInputs, npt.NDArray[np.bool_]]:
        """Reads networks as far as they are judged.

        Args:
            given: n networks; if not all are architectures, with graphs where this reads them.

        Returns:
            The judged ones, at the size of the labels, and a mask (n,) of which these are.
        """
        inputs, readable = self._resized(given)
        if self.scope is None:
            return inputs, readable
        if isinstance(self.scope, GraphScope):
            inside = self.scope.contains([*inputs.graphs()])
        else:
            inside = self.scope.contains(inputs.tokens)
        if inside.all():
            return inputs, readable
        judged = readable.copy()
        judged[readable] = inside
        return inputs.take(np.flatnonzero(inside)), judged

    def judges(self, given: Networks | AnyNetworks) -> npt.NDArray[np.bool_]:
        """Which of n networks, or of architectures' cell tokens, are judged, (n,)."""
        inputs = PredictorInputs(checked(given, trace=self.reads_graphs))
        parts = [self.read(inputs.take(rows).given)[1] for rows in row_chunks(len(inputs), CHUNK)]
        return np.concatenate([np.zeros(0, dtype=np.bool_), *parts])

    def at_known_size(self, architectures: Sequence[Architecture]) -> list[Architecture]:
        """See :meth:`tart_nas.predictors.Predictor.at_known_size`."""
        given = PredictorInputs(checked(architectures, trace=False)).architectures
        nearest = [self._nearest(architecture) for architecture in given]
        judged = self.judges(nearest).tolist()
        return [near if is_judged else one for near, is_judged, one in zip(nearest, judged, given, strict=True)]

    def _nearest(self, architecture: Architecture) -> Architecture:
        """The architecture with as many cells and channels as are in the scope, where its own are outside."""
        ranges = self.scope.ranges if isinstance(self.scope, Scope) else {}
        size: dict[str, int] = {}
        for name in ("n_cells", "C"):
            if name in ranges and name not in self.size.to_dict():  # else it is read at the size of the labels
                low, high = ranges[name]
                size[name] = min(max(getattr(architecture, name), low), high)
        try:
            return replace(architecture, **size)  # type: ignore[arg-type]  # names of whole numbers
        except ArchitectureError:  # there is none, such as of attention with fewer channels than heads
            return architecture

    def refusal(self, given: Given, row: int) -> PredictorError:
        """The error that says why the network of a row is not judged."""
        why = self._difference(given, row)
        what = "Network" if isinstance(given, AnyNetworks) else "Architecture"
        return PredictorError(f"{what} {row} is outside what the predictor was trained on: {why}")

    def _difference(self, given: Given, row: int) -> str:
        """Why the network of a row is not judged, as the end of a sentence."""
        if isinstance(self.scope, GraphScope):
            [graph] = PredictorInputs(given).take(np.array([row])).graphs()
            return f"{'; '.join(self.scope.differences(graph))}."
        if isinstance(given, AnyNetworks):
            network = given.networks[row]
            if not isinstance(network, Architecture):
                return f"a {type(network).__name__}, which is no architecture of cells. {WHO_READS_GRAPHS}"
            given, row = [network], 0
        [architecture] = PredictorInputs(given).take(np.array([row])).architectures
        try:
            tokens = PredictorInputs(self.size.apply([architecture])).tokens
        except ArchitectureError as error:
            size = ", ".join(f"{name} {value}" for name, value in self.size.to_dict().items())
            return f"at the size of the labels ({size}) it is no network. {error}"
        except PredictorError:
            nodes = max(len(architecture.genotype.normal), len(architecture.genotype.reduce)) // 2
            return f"a cell of {nodes} nodes (cell tokens hold at most {MAX_CELL_NODES})."
        return "" if self.scope is None else f"{'; '.join(self.scope.differences(tokens))}."

    def _resized(self, given: Given) -> tuple[PredictorInputs, npt.NDArray[np.bool_]]:
        """Those that can be read at the size of the labels, and a mask (n,) of which these are."""
        if isinstance(given, AnyNetworks) and not self.reads_graphs:
            mask = np.array([isinstance(network, Architecture) for network in given.networks], dtype=np.bool_)
            inputs, mask[mask] = self._resized([one for one in given.networks if isinstance(one, Architecture)])
            return inputs, mask
        try:
            inputs = PredictorInputs(self.size.apply(given))
            if self._needs_tokens:
                _ = inputs.tokens  # which are kept, and raise where an architecture is too large
            return inputs, np.ones(len(given), dtype=np.bool_)
        except (ArchitectureError, PredictorError):  # rare: only then is each looked at by itself
            architectures = PredictorInputs(given).architectures
            mask = np.array([self._is_readable(architecture) for architecture in architectures], dtype=np.bool_)
            readable = [architectures[row] for row in np.flatnonzero(mask).tolist()]
            return PredictorInputs(self.size.apply(readable)), mask

    def _is_readable(self, architecture: Architecture) -> bool:
        try:
            inputs = PredictorInputs(self.size.apply([architecture]))
            if self._needs_tokens:
                _ = inputs.tokens
        except (ArchitectureError, PredictorError):
            return False
        return True
