"""What an architecture is: two cells (:class:`Genotype`) and the settings around them (:class:`Architecture`).

The vocabulary is that of DARTS (Liu et al., ICLR 2019) as extended by DeepNets-1M (Knyazev et al., NeurIPS 2021). Both
classes are frozen and hashable, check themselves when they are made, and go to and from JSON. Nothing that is read is
ever evaluated.
"""

import ast
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, fields
from functools import cache, cached_property
from typing import Any

from tart_nas.errors import ArchitectureError

__all__ = ["CELL_OPS", "NASBENCH301_OPS", "Architecture", "Genotype"]

CELL_OPS: tuple[str, ...] = (
    "none",
    "max_pool_3x3",
    "avg_pool_3x3",
    "skip_connect",
    "sep_conv_3x3",
    "sep_conv_5x5",
    "dil_conv_3x3",
    "dil_conv_5x5",
    "conv_1x1",
    "conv_7x1_1x7",
    "conv_3x3",
    "conv_5x5",
    "conv_7x7",
    "msa",
    "cse",
)
"""The 15 operations of a cell, in DeepNets-1M's order. This is the only list of them; indices elsewhere refer to it."""

NASBENCH301_OPS: tuple[str, ...] = CELL_OPS[1:8]
"""The 7 operations of the DARTS space in NAS-Bench-301's order, to which the op indices in its files refer."""

_CELLS = ("normal", "reduce")
_MAX_TEXT = 100_000  # characters of a genotype's text; the parser's work grows with it


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
            raise ArchitectureError(f"A genotype must be a mapping with 'normal' and 'reduce', but got {_short(data)}.")
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
            raise ArchitectureError(f"Not the text of a genotype: {_short(text)}; {expected}.")
        try:
            statements = ast.parse(text.strip()).body
        except (SyntaxError, ValueError, RecursionError, MemoryError):
            raise ArchitectureError(f"Not the text of a genotype: {_short(text)}; {expected}.") from None
        if len(statements) != 1 or not isinstance(statements[0], ast.Expr | ast.Assign):
            raise ArchitectureError(f"Not the text of a genotype: {_short(text)}; {expected}.")
        call = statements[0].value
        if not isinstance(call, ast.Call) or not isinstance(call.func, ast.Name) or call.func.id != "Genotype":
            raise ArchitectureError(f"Not the text of a genotype: {_short(text)}; {expected}.")
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


@dataclass(frozen=True, eq=False)
class Architecture:
    """A whole network: its cells and the settings around them. The names are those of DeepNets-1M's meta files.

    Two architectures are equal when they mean the same network: a setting without effect (``fc_dim`` with one linear
    layer, the stem of a vision transformer, ...) does not count.

    Args:
        genotype: the two cells.
        n_cells: number of cells, at least 1. Reduction cells stand at ``n_cells // 3`` and ``2 * n_cells // 3``,
            never at 0.
        C: channels of the first cells, at least 1; at least 8 (one per attention head) with ``msa``.
        C_mult: factor of the channels at each reduction cell, at least 1.
        ks: kernel size of the first convolution, odd.
        stem_type: 0, one convolution; 1, the three-convolution ImageNet stem of DARTS, which halves the resolution.
        stem_pool: with ``stem_type`` 0, whether a max-pooling follows.
        norm: ``"bnorm"`` for batch normalisation or None for no normalisation (``"bn"``, ``"none"`` and ``""`` are
            read as these).
        preproc: whether a cell's inputs pass through a 1x1 convolution (or factorized reduction). May be False only
            with one concatenated node and ``C_mult`` 1, where channels match without it.
        glob_avg: global average pooling before the classifier, else the features are flattened (VGG style).
        fc_layers: linear layers of the classifier, at least 1 (0 is read as 1).
        fc_dim: width of the linear layers but the last.

    Raises:
        ArchitectureError: if a setting is outside its range, or the network's output would be zero everywhere.
    """

    genotype: Genotype
    n_cells: int
    C: int = 32
    C_mult: int = 2
    ks: int = 3
    stem_type: int = 0
    stem_pool: bool = False
    norm: str | None = "bnorm"
    preproc: bool = True
    glob_avg: bool = True
    fc_layers: int = 1
    fc_dim: int = 256

    def __post_init__(self) -> None:
        if not isinstance(self.genotype, Genotype):
            raise ArchitectureError(f"`genotype` must be a Genotype, but got {_short(self.genotype)}.")
        object.__setattr__(self, "fc_layers", self.fc_layers or 1)
        for name in ("n_cells", "C", "C_mult", "ks", "fc_layers", "fc_dim"):
            value = getattr(self, name)
            if not isinstance(value, int) or isinstance(value, bool) or value < 1:
                raise ArchitectureError(f"`{name}` must be a whole number of at least 1, but got {_short(value)}.")
        for name in ("stem_pool", "preproc", "glob_avg"):
            if not isinstance(getattr(self, name), bool):
                raise ArchitectureError(f"`{name}` must be true or false, but got {_short(getattr(self, name))}.")
        if isinstance(self.stem_type, bool) or self.stem_type not in (0, 1):
            raise ArchitectureError(f"`stem_type` must be 0 or 1, but got {_short(self.stem_type)}.")
        if self.norm not in ("bnorm", "bn", "bn-track", "none", "", None):
            raise ArchitectureError(f"`norm` must be 'bnorm' or None, but got {_short(self.norm)}.")
        object.__setattr__(self, "norm", "bnorm" if str(self.norm).startswith("bn") else None)
        if self.ks % 2 == 0:
            raise ArchitectureError(f"`ks` must be odd, but got {self.ks}.")
        if self.is_vit and self.C < 8:
            raise ArchitectureError(f"`C` must be at least 8 in a network with msa (8 heads), but got {self.C}.")
        one_node = len(self.genotype.normal_concat) == len(self.genotype.reduce_concat) == 1
        if not self.preproc and not (one_node and self.C_mult == 1):
            raise ArchitectureError(
                "`preproc` may be false only when each cell concatenates one node and `C_mult` is 1, but the cells "
                f"concatenate {self.genotype.normal_concat} and {self.genotype.reduce_concat}, C_mult is {self.C_mult}."
            )
        if not self.live_cells()[-1]:
            raise ArchitectureError("The network is disconnected: `none` operations make its output zero everywhere.")

    @property
    def is_vit(self) -> bool:
        """Whether the network is a vision transformer, as ``msa`` makes it: patch stem, no loss of resolution."""
        return "msa" in self.genotype.ops

    @property
    def reductions(self) -> tuple[int, ...]:
        """The indices of the reduction cells, ascending."""
        return tuple(sorted({self.n_cells // 3, 2 * self.n_cells // 3} - {0}))

    def live_cells(self) -> list[bool]:
        """For each cell, whether its output is something else than zeros: ``none`` and zero inputs make zeros."""
        if "none" not in self.genotype.ops:
            return [True] * self.n_cells
        outputs = [True, True]  # of the stem
        for index in range(self.n_cells):
            cell = "reduce" if index in self.reductions else "normal"
            pairs = getattr(self.genotype, cell)
            states = outputs[-2:]
            for first, second in zip(pairs[::2], pairs[1::2], strict=True):
                states.append(any(op != "none" and states[i] for op, i in (first, second)))
            outputs.append(any(states[i] for i in getattr(self.genotype, f"{cell}_concat")))
        return outputs[2:]

    @cached_property
    def _meaning(self) -> tuple[Any, ...]:
        genotype = self.genotype
        stem = None if self.is_vit else (self.stem_type, self.ks, self.stem_type == 0 and self.stem_pool)
        head = (self.glob_avg, self.fc_layers, self.fc_dim if self.fc_layers > 1 else 0)
        reduction = (genotype.reduce, genotype.reduce_concat, self.C_mult) if self.reductions else ()
        cells = (genotype.normal, genotype.normal_concat, reduction, self.is_vit)
        return (self.n_cells, self.C, stem, self.norm, self.preproc, head, cells)

    def __eq__(self, other: object) -> bool:
        return self._meaning == other._meaning if isinstance(other, Architecture) else NotImplemented

    def __hash__(self) -> int:
        return hash(self._meaning)

    def to_dict(self) -> dict[str, Any]:
        """The architecture as JSON values, in the layout of a net in a DeepNets-1M meta file."""
        values: dict[str, Any] = {field.name: getattr(self, field.name) for field in fields(self)}
        values["genotype"] = self.genotype.to_dict()
        return values

    @classmethod
    def from_dict(cls, net: Mapping[str, Any]) -> "Architecture":
        """Reads :meth:`to_dict`'s result or a net of a DeepNets-1M meta file.

        Args:
            net: at least ``genotype`` and ``n_cells``; what is missing takes its default (``C`` 32). Other keys, such
                as ``num_nodes`` and ``num_params``, are ignored.

        Raises:
            ArchitectureError: if it is not an architecture.
        """
        if not isinstance(net, Mapping) or "genotype" not in net or "n_cells" not in net:
            raise ArchitectureError(f"An architecture needs at least 'genotype' and 'n_cells', but got {_short(net)}.")
        values = {field.name: net[field.name] for field in fields(cls) if field.name in net}
        return cls(**{**values, "genotype": Genotype.from_dict(net["genotype"])})


def _short(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 80 else text[:77] + "..."


def _sequence(what: str, value: Any) -> Sequence[Any]:
    if isinstance(value, list | tuple):
        return value
    if isinstance(value, str | bytes | Mapping) or not isinstance(value, Iterable):
        raise ArchitectureError(f"{what} must be a list, but got {_short(value)}.")
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
            return ArchitectureError(f"Pair {i} of '{cell}' must be (operation, input), but got {_short(pair)}.")
        op, source = values
        if op not in CELL_OPS:
            return ArchitectureError(f"Unknown operation {_short(op)} in pair {i} of '{cell}': expected {CELL_OPS}.")
        if not _is_index(source) or not 0 <= source < 2 + i // 2:
            expected = f"an input in [0, {2 + i // 2})"
            return ArchitectureError(f"Pair {i} of '{cell}' must have {expected}, but got {_short(source)}.")
    raise AssertionError(f"no illegal pair in {pairs}")


def _checked_concat(cell: str, value: Any, n_nodes: int) -> tuple[int, ...]:
    concat = _sequence(f"'{cell}_concat'", value)
    legal = range(2, n_nodes + 2)
    if concat == (*legal,):
        return tuple(legal)
    if not concat or any(not _is_index(k) or k not in legal for k in concat) or len(set(concat)) != len(concat):
        raise ArchitectureError(
            f"'{cell}_concat' must list nodes in [2, {n_nodes + 2}), at least one, none twice, but got {_short(value)}."
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
                return tuple(*arguments)
            if not node.keywords and all(_is_index(a) and abs(a) < _MAX_TEXT for a in arguments):
                return range(*arguments)
        return ast.literal_eval(node)
    except (ValueError, TypeError, RecursionError, MemoryError):
        raise ArchitectureError(f"Cannot read {_short(ast.unparse(node))} in the genotype's text.") from None
