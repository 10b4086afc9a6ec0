"""The two cells of a network (:class:`Genotype`), in the vocabulary of DARTS (Liu et al., ICLR 2019).

A genotype is frozen and hashable, checks itself when it is made, and goes to and from JSON. Nothing that is read is
ever evaluated.
"""

import ast
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, fields
from functools import cache, cached_property
from typing import Any

from tart_nas.checks import short
from tart_nas.errors import ArchitectureError
from tart_nas.operations import CELL_OPS, NASBENCH301_OPS

__all__ = ["Genotype"]

_CELLS = ("normal", "reduce")
_MAX_TEXT = 100_000  # characters of a genotype's text, a hundred times the longest: the parser's work grows with it


@dataclass(frozen=True, init=False)
class Genotype:
    """The normal and the reduction cell of a network, as in DARTS.

    A cell has two inputs, 0 and 1 (the outputs of the cell before last and of the last cell), and intermediate nodes
    2, 3, ...; each node is the sum of two operations on earlier outputs. Pairs 2i and 2i + 1 of ``normal`` are the two
    operations of node i + 2. The cell's output is the concatenation of the nodes in the concat list.

    Lists, ranges and other sequences are turned into tuples and concat lists are sorted, so that genotypes are equal
    when they mean the same whatever form they came in. The order of a node's two operations is kept (it names the
    weights); :func:`tart_nas.search_spaces.canonical_genotype` also removes that.

    Args:
        normal: (operation, input) pairs of the normal cell, an even number of them. Operations from :data:`CELL_OPS`;
            the inputs of node k are in [0, k).
        normal_concat: the nodes concatenated, each in [2, number of nodes + 2), none twice.
        reduce: as ``normal``, for the reduction cell.
        reduce_concat: as ``normal_concat``, for the reduction cell.

    Raises:
        ArchitectureError: if any of this does not hold.
    """

    normal: tuple[tuple[str, int], ...]
    normal_concat: tuple[int, ...]
    reduce: tuple[tuple[str, int], ...]
    reduce_concat: tuple[int, ...]

    def __init__(
        self,
        normal: Iterable[Sequence[Any]],
        normal_concat: Iterable[int],
        reduce: Iterable[Sequence[Any]],
        reduce_concat: Iterable[int],
    ) -> None:
        # Written out, so that a type checker lets any sequence in while the fields are known to be tuples.
        for cell, pairs, concat in (("normal", normal, normal_concat), ("reduce", reduce, reduce_concat)):
            checked = _checked_pairs(cell, pairs)
            object.__setattr__(self, cell, checked)
            object.__setattr__(self, f"{cell}_concat", _checked_concat(cell, concat, len(checked) // 2))

    @cached_property
    def ops(self) -> frozenset[str]:
        """The operations that occur in either cell."""
        return frozenset([op for op, _ in self.normal + self.reduce])

    def to_dict(self) -> dict[str, Any]:
        """The genotype as JSON values, in the layout of a DeepNets-1M meta file."""
        return {
            "normal": [list(pair) for pair in self.normal],
            "normal_concat": list(self.normal_concat),
            "reduce": [list(pair) for pair in self.reduce],
            "reduce_concat": list(self.reduce_concat),
        }

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> "Genotype":
        """Reads a genotype from either form that files have it in.

        Args:
            data: ``normal`` and ``reduce`` as lists of ``[operation, input]`` (DARTS, DeepNets-1M) or of
                ``[input, op index]`` with the index into :data:`NASBENCH301_OPS` (NAS-Bench-301's files).
                ``normal_concat`` and ``reduce_concat`` default to all nodes. Other keys are ignored.

        Raises:
            ArchitectureError: if it is not a genotype.
        """
        if not isinstance(data, Mapping):
            raise ArchitectureError(f"A genotype must be a mapping with 'normal' and 'reduce', but got {short(data)}.")
        values: dict[str, Any] = {}
        for cell in _CELLS:
            if cell not in data:
                raise ArchitectureError(f"The genotype has no '{cell}': its keys are {sorted(map(str, data))}.")
            values[cell] = [_named_pair(cell, pair) for pair in _sequence(f"'{cell}'", data[cell])]
            every_node = range(2, len(values[cell]) // 2 + 2)
            values[f"{cell}_concat"] = data.get(f"{cell}_concat", every_node)
        return cls(**values)

    @classmethod
    def from_text(cls, text: str) -> "Genotype":
        """Reads the Python text that DARTS prints and publishes, without evaluating it.

        Args:
            text: ``Genotype(normal=[('sep_conv_3x3', 0), ...], normal_concat=range(2, 6), reduce=..., ...)``,
                with or without ``NAME =`` in front; lists, tuples and ``range(a, b)`` are read.

        Raises:
            ArchitectureError: if the text is anything else.
        """
        expected = (
            "expected Genotype(normal=[(op, input), ...], normal_concat=[...], reduce=[...], reduce_concat=[...])"
        )
        if not isinstance(text, str) or len(text) > _MAX_TEXT:
            raise ArchitectureError(f"Not the text of a genotype: {short(text)}; {expected}.")
        try:
            statements = ast.parse(text.strip()).body
        except (SyntaxError, ValueError, RecursionError, MemoryError):
            raise ArchitectureError(f"Not the text of a genotype: {short(text)}; {expected}.") from None
        if len(statements) != 1 or not isinstance(statements[0], ast.Expr | ast.Assign):
            raise ArchitectureError(f"Not the text of a genotype: {short(text)}; {expected}.")
        call = statements[0].value
        if not isinstance(call, ast.Call) or not isinstance(call.func, ast.Name) or call.func.id != "Genotype":
            raise ArchitectureError(f"Not the text of a genotype: {short(text)}; {expected}.")
        names = [field.name for field in fields(cls)]
        values: dict[str, Any] = dict(zip(names, map(_literal, call.args), strict=False))
        for keyword in call.keywords:
            if keyword.arg not in names or keyword.arg in values:
                raise ArchitectureError(f"Unexpected argument {keyword.arg!r} in the genotype's text; {expected}.")
            values[keyword.arg] = _literal(keyword.value)
        missing = [name for name in names if name not in values]
        if missing or len(call.args) > len(names):
            raise ArchitectureError(f"The genotype's text lacks {missing} or has too many arguments; {expected}.")
        return cls(**values)


def _sequence(what: str, value: Any) -> Sequence[Any]:
    if isinstance(value, list | tuple):
        return value
    if isinstance(value, str | bytes | Mapping) or not isinstance(value, Iterable):
        raise ArchitectureError(f"{what} must be a list, but got {short(value)}.")
    return tuple(value)


def _is_index(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _checked_pairs(cell: str, value: Any) -> tuple[tuple[str, int], ...]:
    pairs = _sequence(f"'{cell}'", value)
    if not pairs or len(pairs) % 2:
        raise ArchitectureError(
            f"'{cell}' must have two (operation, input) pairs per node, but got {len(pairs)} pairs."
        )
    try:
        # One look-up instead of five checks: millions of these are made, and equal pairs are one object.
        return tuple([_legal_pairs(2 + i // 2)[tuple(pair)] for i, pair in enumerate(pairs)])
    except (KeyError, TypeError):
        raise _pair_error(cell, pairs) from None


@cache
def _legal_pairs(n_inputs: int) -> dict[tuple[str, int], tuple[str, int]]:
    """The pairs that a node with so many nodes before it may have."""
    return {(op, i): (op, i) for op in CELL_OPS for i in range(n_inputs)}


def _pair_error(cell: str, pairs: Sequence[Any]) -> ArchitectureError:
    """What is wrong with the first illegal pair."""
    for i, pair in enumerate(pairs):
        values = _sequence(f"Pair {i} of '{cell}'", pair)
        if len(values) != 2:
            return ArchitectureError(f"Pair {i} of '{cell}' must be (operation, input), but got {short(pair)}.")
        op, source = values
        if op not in CELL_OPS:
            return ArchitectureError(f"Unknown operation {short(op)} in pair {i} of '{cell}': expected {CELL_OPS}.")
        if not _is_index(source) or not 0 <= source < 2 + i // 2:
            expected = f"an input in [0, {2 + i // 2})"
            return ArchitectureError(f"Pair {i} of '{cell}' must have {expected}, but got {short(source)}.")
    raise AssertionError(f"no illegal pair in {pairs}")


def _checked_concat(cell: str, value: Any, n_nodes: int) -> tuple[int, ...]:
    concat = _sequence(f"'{cell}_concat'", value)
    legal = range(2, n_nodes + 2)
    if concat == (*legal,):
        return tuple(legal)
    if not concat or any(not _is_index(k) or k not in legal for k in concat) or len(set(concat)) != len(concat):
        raise ArchitectureError(
            f"'{cell}_concat' must list nodes in [2, {n_nodes + 2}), at least one, none twice, but got {short(value)}."
        )
    return tuple(sorted(concat))


def _named_pair(cell: str, pair: Any) -> Any:
    """An (operation, input) pair from either form; what is neither is left for the constructor to refuse."""
    values = _sequence(f"A pair of '{cell}'", pair)
    if len(values) == 2 and all(map(_is_index, values)):
        index, op = values
        if not 0 <= op < len(NASBENCH301_OPS):
            raise ArchitectureError(f"Unknown op index {op} in '{cell}': expected [0, {len(NASBENCH301_OPS)}).")
        return (NASBENCH301_OPS[op], index)
    return values


def _literal(node: ast.expr) -> Any:
    """The value of a literal or of ``range(a, b)`` of small integers."""
    try:
        if (
            isinstance(node, ast.Call)
            and isinstance(node.func, ast.Name)
            and node.func.id in ("range", "list", "tuple")
        ):
            arguments = [_literal(argument) for argument in node.args]
            if node.func.id != "range":
                return tuple(*arguments)  # a list too: what is made of it is a tuple
            if not node.keywords and all(_is_index(a) and abs(a) < _MAX_TEXT for a in arguments):
                return range(*arguments)
        return ast.literal_eval(node)
    except (ValueError, TypeError, RecursionError, MemoryError):
        raise ArchitectureError(f"Cannot read {short(ast.unparse(node))} in the genotype's text.") from None
