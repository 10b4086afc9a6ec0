"""Which parameters of a network have no node in its graph, and which have one node for several uses."""

from collections import Counter
from dataclasses import dataclass

from torch import nn

from tart_nas.graphs.computational_graph import ComputationalGraph

__all__ = ["ParameterUse"]


@dataclass(frozen=True)
class ParameterUse:
    """What the graph of a traced network does not tell of its parameters.

    Args:
        unused: names of those that do not influence the output, which have no node.
        tied: the names of each parameter that has several; its node has the first.
        reused: of each parameter that several nodes use (a layer that is applied twice, tied weights) the name and how
            many these are; it is a parameter of the first of them, so that it counts once.
    """

    unused: tuple[str, ...]
    tied: tuple[tuple[str, ...], ...]
    reused: tuple[tuple[str, int], ...]

    @classmethod
    def of(cls, module: nn.Module, graph: ComputationalGraph) -> "ParameterUse":
        """Compares a network with its graph.

        Args:
            module: the network. Lazy parameters have no names before their first run.
            graph: what :meth:`ComputationalGraph.from_module` made of it.
        """
        names: dict[int, list[str]] = {}
        for name, parameter in module.named_parameters(remove_duplicate=False):
            names.setdefault(id(parameter), []).append(name)
        known = {name for own in graph.parameters for name, _ in own}
        uses = Counter(name for name in graph.names if name in known)
        return cls(
            unused=tuple(own[0] for own in names.values() if known.isdisjoint(own)),
            tied=tuple(tuple(own) for own in names.values() if len(own) > 1),
            reused=tuple((name, count) for name, count in uses.items() if count > 1),
        )

    def sentences(self, most: int = 5) -> list[str]:
        """What there is to say, a sentence each.

        Args:
            most: how many names a sentence lists.
        """
        told = []
        if self.unused:
            told.append(f"No node, since they do not influence the output: {_listed(self.unused, most)}.")
        if self.tied:
            told.append(f"One parameter, one node: {_listed([' = '.join(own) for own in self.tied], most)}.")
        if self.reused:
            uses = [f"{name} (of {count})" for name, count in self.reused]
            told.append(f"Counted at the first of its nodes: {_listed(uses, most)}.")
        return told


def _listed(texts: "tuple[str, ...] | list[str]", most: int) -> str:
    more = len(texts) - most
    return ", ".join(texts[:most]) + (f" and {more} more" if more > 0 else "")
