"""A candidate of a :class:`~tart_nas.search_spaces.TrialSpace`: what was suggested, and the graph of what it built."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from tart_nas.architecture import Architecture
from tart_nas.checks import short
from tart_nas.errors import ArchitectureError

if TYPE_CHECKING:
    from tart_nas.graphs import ComputationalGraph

__all__ = ["AnyArchitecture", "TrialArchitecture", "architecture_from_dict", "is_trial_space"]


@dataclass(frozen=True)
class TrialArchitecture:
    """A network of a user's own space: frozen, hashable, and from and to JSON.

    It holds no code. Its space alone can make the network of it (:meth:`TrialSpace.network`); predictors need only the
    graph, which is a part of it.

    Args:
        space: the name of the function that built it, ``"module:function"``.
        values: what was suggested, by name: texts, numbers, True, False or None.
        digest: of what the network computes: equal for networks that do the same, whatever was suggested.
        graph: its graph, at the input size of the space.
    """

    space: str
    values: Mapping[str, Any] = field(hash=False)
    digest: str
    graph: "ComputationalGraph" = field(compare=False, repr=False)

    def __str__(self) -> str:
        """The suggestions, as ``depth=3, width=64``."""
        return ", ".join(f"{name}={value}" for name, value in self.values.items())

    @property
    def input_size(self) -> tuple[int, int, int]:
        """Channels, height and width of the images at which it was traced."""
        height, width = self.graph.resolutions[0].tolist()
        return int(self.graph.channels[0]), height, width

    def canonical(self) -> "TrialArchitecture":
        """One form for all suggestions that make the same network: without them."""
        return replace(self, values={})

    def resized(self, n_cells: int | None = None, C: int | None = None) -> "TrialArchitecture":
        """Itself.

        Raises:
            ArchitectureError: if a size is asked for: the network has no cells that could be fewer or narrower.
        """
        if n_cells is not None or C is not None:
            raise ArchitectureError(
                f"A network of {self.space} has no cells: its size cannot be changed to n_cells={n_cells}, C={C}."
            )
        return self

    def to_dict(self) -> dict[str, Any]:
        """The candidate as JSON values."""
        from tart_nas.graphs import graph_to_dict  # here, since it imports PyTorch

        graph = graph_to_dict(self.graph)
        return {"space": self.space, "values": dict(self.values), "digest": self.digest, "graph": graph}

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> "TrialArchitecture":
        """Reads :meth:`to_dict`'s result. No code is imported or run.

        Raises:
            ArchitectureError: if it is none.
            GraphError: if its graph is none.
        """
        from tart_nas.graphs import graph_from_dict

        if not isinstance(data, Mapping) or not {"space", "values", "digest", "graph"} <= data.keys():
            raise ArchitectureError(
                f"A candidate needs 'space', 'values', 'digest' and 'graph', but got {short(data)}."
            )
        space, values, digest = data["space"], data["values"], data["digest"]
        scalars = isinstance(values, Mapping) and all(
            value is None or isinstance(value, bool | int | float | str) for value in values.values()
        )
        if not (isinstance(space, str) and scalars and isinstance(digest, str)):
            raise ArchitectureError(f"A candidate must have texts and suggested values, but got {short(data)}.")
        return cls(space, dict(values), digest, graph_from_dict(data["graph"]))


AnyArchitecture = Architecture | TrialArchitecture
"""A candidate of either kind."""


def is_trial_space(space: object) -> bool:
    """Whether the candidates of a space are of this kind, which take 30 to 50 ms each; nothing is imported for it."""
    return getattr(space, "name", None) == "trial"


def architecture_from_dict(data: Mapping[str, Any]) -> AnyArchitecture:
    """Reads what ``to_dict`` of either kind of candidate gave.

    Raises:
        ArchitectureError: if it is neither.
        GraphError: if a graph in it is none.
    """
    if isinstance(data, Mapping) and "graph" in data:
        return TrialArchitecture.from_dict(data)
    return Architecture.from_dict(data)
