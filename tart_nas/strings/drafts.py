"""What a sequence of symbols derives, before it is made a legal network."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from tart_nas.architecture import Architecture, is_live
from tart_nas.checks import short
from tart_nas.errors import ArchitectureError
from tart_nas.genotype import Genotype
from tart_nas.operations import CELL_OPS, NASBENCH301_OPS, NONE
from tart_nas.symbols import Sort, check_symbol, meaning

__all__ = ["MAX_NODES", "Draft", "Grammar", "Pairs"]

MAX_NODES = 10
"""Nodes of a cell at most, as in DeepNets-1M's ``dense`` split; further edges belong to the reduction cell."""

Pairs = list[tuple[str, int]]

_EDGE, _INNER, _REDUCE = Sort.EDGE, Sort.INNER, Sort.REDUCE
_DARTS_OP = {op: NASBENCH301_OPS[i % len(NASBENCH301_OPS)] for i, op in enumerate(CELL_OPS)}
_DARTS_OP |= {op: op for op in NASBENCH301_OPS}


@dataclass(frozen=True)
class Grammar:
    """What the derivation depends on beside the symbols.

    Args:
        max_nodes: of a cell.
        least_nodes: of a cell; default nodes fill it.
        distinct: whether the two inputs of a node must differ.
        darts_ops: whether all operations are those of the DARTS space; others are taken modulo these.
    """

    max_nodes: int = MAX_NODES
    least_nodes: int = 1
    distinct: bool = False
    darts_ops: bool = False


@dataclass
class Draft:
    """What was derived.

    Attributes:
        cells: the (operation, input) pairs of the normal and of the reduction cell, two for each node, at least one
            node each.
        inner: of each cell the nodes that are not concatenated.
        settings: numbers by name, of those that were mentioned.
    """

    cells: tuple[Pairs, Pairs] = field(default_factory=lambda: ([], []))
    inner: tuple[set[int], set[int]] = field(default_factory=lambda: (set(), set()))
    settings: dict[str, int] = field(default_factory=dict)

    @classmethod
    def derived(cls, symbols: Iterable[str], grammar: Grammar) -> "Draft":
        """Derives symbols one after another; of a setting the first counts.

        Raises:
            ArchitectureError: if one is no symbol.
        """
        draft = cls()
        (pairs, _), (inner, _) = draft.cells, draft.inner
        limit, distinct, in_reduction = 2 * grammar.max_nodes, grammar.distinct, False
        for place, symbol in enumerate(symbols):
            try:
                sort, name, number = meaning(symbol) or check_symbol(symbol, place)
            except TypeError:  # of a list, which cannot be looked up
                sort, name, number = check_symbol(short(symbol), place)
            if sort is _EDGE:
                if len(pairs) == limit:
                    # The reduction cell is the last one: further edges have no place.
                    if in_reduction:
                        continue
                    in_reduction, pairs, inner = True, draft.cells[1], draft.inner[1]
                node = len(pairs) // 2 + 2
                source = number % node
                if distinct and len(pairs) % 2 and source == pairs[-1][1]:
                    source = (source + 1) % node
                pairs.append((_DARTS_OP[name] if grammar.darts_ops else name, source))
            elif sort is _INNER:
                inner.add((len(pairs) - 1) // 2 + 2)  # 1 before the first edge, which is no node
            elif sort is _REDUCE:
                in_reduction, pairs, inner = True, draft.cells[1], draft.inner[1]
            else:
                draft.settings.setdefault(name, number)
        draft.fill(grammar.least_nodes)
        return draft

    def network(self, settings: Mapping[str, Any]) -> Architecture:
        """The network with these settings, which must be legal.

        If its output would be zero everywhere, each cell that leaves nothing of its inputs has as many of its last
        ``none`` made skips as it needs.
        """
        try:
            return Architecture(self._genotype(), **settings)
        except ArchitectureError:
            if NONE not in self._genotype().ops:
                raise
        for cell, pairs in enumerate(self.cells):
            places = [place for place, (op, _) in enumerate(pairs) if op == NONE]
            while places and not is_live(tuple(pairs), self.concat(cell), True, True):
                place = places.pop()
                pairs[place] = ("skip_connect", pairs[place][1])
        return Architecture(self._genotype(), **settings)

    def _genotype(self) -> Genotype:
        return Genotype(self.cells[0], self.concat(0), self.cells[1], self.concat(1))

    def fill(self, least_nodes: int) -> None:
        """Completes the cells: a reduction cell without edges is the normal one, and default edges are skips.

        They come from input 0, and where a node has that already from input 1.
        """
        normal, reduce = self.cells
        _complete(normal, least_nodes)
        if not reduce:
            reduce.extend(normal)
            self.inner[1].update(self.inner[0])
        _complete(reduce, least_nodes)

    def concat(self, cell: int) -> tuple[int, ...]:
        """The concatenated nodes of a cell: all but the inner ones; the last one where no node is left."""
        last = len(self.cells[cell]) // 2 + 1
        if not self.inner[cell]:
            return tuple(range(2, last + 1))
        return tuple(node for node in range(2, last + 1) if node not in self.inner[cell]) or (last,)


def _complete(pairs: Pairs, least_nodes: int) -> None:
    if len(pairs) % 2:
        pairs.append(("skip_connect", int(pairs[-1][1] == 0)))
    while len(pairs) < 2 * least_nodes:
        pairs += [("skip_connect", 0), ("skip_connect", 1)]
