"""What an equation of ``torch.einsum`` tells of a product: how much it multiplies, and which letters are channels."""

from collections.abc import Sequence
from math import prod
from typing import NamedTuple

__all__ = ["einsum_channels", "einsum_macs"]


class _Equation(NamedTuple):
    """An equation with shapes.

    Attributes:
        operands: the letters of each operand; each dimension that ``...`` stands for has a name of its own.
        result: the letters of the result, in no order.
        sizes: by letter.
    """

    operands: list[list[str]]
    result: set[str]
    sizes: dict[str, int]


def einsum_macs(equation: str, shapes: Sequence[tuple[int, ...]]) -> int:
    """Multiply-accumulate operations of ``torch.einsum``, which multiplies its operands from left to right.

    Args:
        equation: its first argument.
        shapes: of its operands.
    """
    operands, kept, sizes = _parsed(equation, shapes)
    macs, known = 0, set(operands[0])
    for i, term in enumerate(operands[1:], start=1):
        later = kept.union(*operands[i + 1 :])
        # A dimension that one operand has alone, and nothing later reads, is summed before the product.
        used = {letter for letter in known | set(term) if letter in later or (letter in known and letter in term)}
        macs += prod(sizes[letter] for letter in used)
        known = used & later
    return macs


def einsum_channels(equation: str, shapes: Sequence[tuple[int, ...]], is_data: Sequence[bool]) -> int | None:
    """Channels of the result where some operands are data: the letters that only the others bring; None without any.

    Args:
        equation: as for :func:`einsum_macs`.
        shapes: likewise.
        is_data: of each operand.
    """
    operands, result, sizes = _parsed(equation, shapes)
    data = {letter for letters, flag in zip(operands, is_data, strict=True) if flag for letter in letters}
    new = {letter for letters in operands for letter in letters if letter in result} - data
    return prod(sizes[letter] for letter in new) if data and new else None


def _parsed(equation: str, shapes: Sequence[tuple[int, ...]]) -> _Equation:
    left, arrow, right = equation.replace(" ", "").partition("->")
    terms = left.split(",")
    sizes: dict[str, int] = {}
    operands = []
    for subscripts, shape in zip(terms, shapes, strict=True):
        head, dots, tail = subscripts.partition("...")
        more = len(shape) - len(head) - len(tail) if dots else 0
        operands.append([*head, *(f"...{i}" for i in range(more, 0, -1)), *tail])
        for letter, size in zip(operands[-1], shape, strict=True):
            sizes[letter] = max(size, sizes.get(letter, 1))
    if arrow:
        result = set(right.replace("...", "")) | {letter for letter in sizes if len(letter) > 1}
    else:
        result = {letter for letter in sizes if sum(term.count(letter) for term in operands) == 1 or len(letter) > 1}
    return _Equation(operands, result, sizes)
