"""The symbols of architecture strings: what each one means, and how an architecture is spelled.

A string such as ``[sep3:0][skip:1][reduce][max3:0][max3:1][n_cells=20]`` has four sorts of symbols. ``[sep3:0]`` is an
edge: an operation and its input. Two edges make a node; ``[inner]`` behind them says that the node is not concatenated.
``[reduce]`` begins the reduction cell. ``[n_cells=20]`` is a setting of :class:`tart_nas.Architecture`.
:mod:`tart_nas.strings` decodes them.
"""

import re
from enum import IntEnum
from functools import lru_cache
from typing import Any, NamedTuple, Protocol

from tart_nas.checks import short
from tart_nas.errors import ArchitectureError
from tart_nas.genotype import Genotype
from tart_nas.operations import ATTENTION_OPS, OPERATIONS, Operation

__all__ = [
    "DEFAULTS",
    "INNER",
    "REDUCE",
    "SHORT_OPS",
    "USUAL",
    "Meaning",
    "Sort",
    "check_symbol",
    "edge_symbol",
    "meaning",
    "pieces",
    "setting_symbol",
    "setting_value",
    "spelled",
    "split",
]

INNER, REDUCE = "[inner]", "[reduce]"

# Short forms of those kinds whose name is long; another operation is written by its own name, such as msa.
_SHORT_KINDS = {
    "max_pool": "max",
    "avg_pool": "avg",
    "sep_conv": "sep",
    "dil_conv": "dil",
    "conv": "conv",
    "factorized_conv": "fact",
}


def _short_op(operation: Operation) -> str:
    if operation.kind in _SHORT_KINDS:
        return f"{_SHORT_KINDS[operation.kind]}{operation.kernel}"
    return "skip" if operation.kind == "skip" else operation.name


SHORT_OPS: dict[str, str] = {name: _short_op(operation) for name, operation in OPERATIONS.items()}
"""How strings write each operation: ``sep3`` for ``sep_conv_3x3``."""

DEFAULTS: dict[str, int] = {
    "n_cells": 8,
    "C": 32,
    "C_mult": 2,
    "ks": 3,
    "stem_type": 0,
    "stem_pool": 0,
    "norm": 1,
    "preproc": 1,
    "glob_avg": 1,
    "fc_layers": 1,
    "fc_dim": 256,
}
"""The settings that a string does not mention: those of NAS-Bench-301, else those of :class:`tart_nas.Architecture`.
Yes and no are 1 and 0; ``norm`` is 1 for ``"bnorm"``."""

_FLAGS = frozenset({"stem_pool", "norm", "preproc", "glob_avg"})
_ZERO_OR_ONE = _FLAGS | {"stem_type"}
_OPS = {short_name: name for name, short_name in SHORT_OPS.items()}
_SYMBOL = re.compile(r"\[(\w+)([:=])(0|[1-9]\d{0,8})\]")  # 9 digits fit into the 32 bits of cell tokens
_PIECE = re.compile(r"\[[^\[\]]*\]?|[^\s\[]+")

# Characters of a text, ten times the longest network's: a cell has at most 10 nodes.
_MAX_TEXT = 10_000


class Sort(IntEnum):
    """What a symbol is."""

    EDGE = 0
    INNER = 1
    REDUCE = 2
    SETTING = 3


class Meaning(NamedTuple):
    """What a symbol means.

    Attributes:
        sort: what it is.
        name: of the operation, as genotypes have it, or of the setting.
        number: the input of an edge, which decoding takes modulo the legal ones; or the value of a setting.
    """

    sort: Sort
    name: str = ""
    number: int = 0


class _Network(Protocol):
    """What is read of an architecture beside its settings."""

    @property
    def genotype(self) -> Genotype: ...
    @property
    def is_vit(self) -> bool: ...
    @property
    def reductions(self) -> tuple[int, ...]: ...


@lru_cache(1 << 12)  # some 250 symbols are in use, but for numbers of channels
def meaning(symbol: object) -> Meaning | None:
    """What a symbol means; None for what is no symbol."""
    if symbol == INNER:
        return Meaning(Sort.INNER)
    if symbol == REDUCE:
        return Meaning(Sort.REDUCE)
    parts = _SYMBOL.fullmatch(symbol) if isinstance(symbol, str) else None
    if parts is None:
        return None
    name, separator, number = parts[1], parts[2], int(parts[3])
    if separator == ":":
        return Meaning(Sort.EDGE, _OPS[name], number) if name in _OPS else None
    if name not in DEFAULTS:
        return None
    is_legal = number < 2 if name in _ZERO_OR_ONE else number > 0
    if name == "ks":
        is_legal = number % 2 == 1
    return Meaning(Sort.SETTING, name, number) if is_legal else None


def edge_symbol(op: str, source: int) -> str:
    """The symbol of an operation, by its name in genotypes, on an input."""
    return f"[{SHORT_OPS[op]}:{source}]"


def setting_symbol(name: str, value: Any) -> str:
    """The symbol of a setting, of which :class:`tart_nas.Architecture` has the value."""
    return f"[{name}={int(value is not None) if name == 'norm' else int(value)}]"


def setting_value(name: str, number: int) -> Any:
    """The value of a setting in :class:`tart_nas.Architecture`."""
    if name == "norm":
        return "bnorm" if number else None
    return bool(number) if name in _FLAGS else number


USUAL: dict[str, Any] = {name: setting_value(name, number) for name, number in DEFAULTS.items()}
"""The same as :class:`tart_nas.Architecture` has them."""


def spelled(network: _Network) -> list[str]:
    """The symbols of an architecture: its cells, then the settings that are not the default and have an effect."""
    genotype = network.genotype
    symbols = _cell(genotype.normal, genotype.normal_concat)
    if network.reductions:
        symbols += [REDUCE, *_cell(genotype.reduce, genotype.reduce_concat)]
    elif network.is_vit and all(op not in ATTENTION_OPS for op, _ in genotype.normal):
        # The attention of a reduction cell that the network lacks still makes it a vision transformer.
        symbols += [REDUCE, *_cell((("msa", 0), ("msa", 1)), (2,))]
    idle = _idle(network)
    for name, usual in USUAL.items():
        value = getattr(network, name)
        if value != usual and name not in idle:
            symbols.append(setting_symbol(name, value))
    return symbols


def _cell(pairs: tuple[tuple[str, int], ...], concat: tuple[int, ...]) -> list[str]:
    symbols = [f"[{SHORT_OPS[op]}:{source}]" for op, source in pairs]
    if len(concat) < len(pairs) // 2:
        for node in range(len(pairs) // 2 + 1, 1, -1):  # the last first, whose insertion moves no others
            if node not in concat:
                symbols.insert(2 * node - 2, INNER)
    return symbols


def _idle(network: Any) -> set[str]:
    """The settings without effect, as the equality of architectures has it."""
    idle = set()
    if network.is_vit:
        idle |= {"stem_type", "ks", "stem_pool"}
    elif network.stem_type == 1:
        idle.add("stem_pool")
    if network.fc_layers == 1:
        idle.add("fc_dim")
    if not network.reductions:
        idle.add("C_mult")
    return idle


def pieces(text: str) -> list[str]:
    """What a text consists of, symbols or not; it may have white space between them.

    Raises:
        ArchitectureError: if it is empty or longer than any network's.
    """
    if not isinstance(text, str):
        raise ArchitectureError(f"An architecture string must be a text, but got {short(text)}.")
    if len(text) > _MAX_TEXT:
        raise ArchitectureError(
            f"An architecture string has at most {_MAX_TEXT:,} characters, but got {len(text):,}: {short(text)}."
        )
    found: list[str] = _PIECE.findall(text)
    if not found:
        raise ArchitectureError("An architecture string must have a symbol, such as [sep3:0], but it is empty.")
    return found


def split(text: str) -> list[str]:
    """The symbols of a text.

    Raises:
        ArchitectureError: as :func:`pieces`, or if something is no symbol, which is named with its place.
    """
    symbols = pieces(text)
    for place, symbol in enumerate(symbols):
        check_symbol(symbol, place)
    return symbols


def check_symbol(symbol: object, place: int) -> Meaning:
    """What a symbol means.

    Raises:
        ArchitectureError: if it is none, naming its place, counted from 0, and the legal ones.
    """
    found = meaning(symbol)
    if found is None:
        raise ArchitectureError(
            f"Unknown symbol {short(symbol)} at place {place} of an architecture string: expected {REDUCE}, {INNER}, "
            f"an edge such as [sep3:0], or a setting such as [n_cells=20]; operations are {', '.join(_OPS)}, and "
            f"settings {', '.join(DEFAULTS)}."
        )
    return found
