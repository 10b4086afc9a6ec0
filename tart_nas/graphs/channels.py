"""How many channels a tensor has behind functions that take some, join some or move them to other places.

A tensor does not tell which of its dimensions the channels are: images have them second, tokens last. What is known is
their number before.
"""

from collections.abc import Sequence

__all__ = ["joined_channels", "part_channels", "rearranged_channels"]

_REARRANGING = {"pixel_shuffle": -3, "pixel_unshuffle": -3, "fold": 1, "unfold": 1}
"""Functions that make channels of positions or positions of channels, and the dimension of their result's channels."""


def part_channels(channels: int, before: Sequence[int], after: Sequence[int], is_split: bool = False) -> int:
    """Channels of a tensor of which a function may have taken some, as ``chunk`` does.

    Args:
        channels: before.
        before: the shape.
        after: that of the result.
        is_split: whether the function takes a tensor apart, as ``chunk``.
    """
    if len(after) == len(before) - 1:
        return _reduced_channels(channels, before, after)
    changed = [dim for dim, sizes in enumerate(zip(before, after, strict=False)) if sizes[0] != sizes[1]]
    if len(before) != len(after) or len(changed) != 1 or before[changed[0]] != channels:
        return channels
    dim, last = changed[0], len(before) - 1
    if list(before).count(channels) > 1:
        # As high, as wide or as long as it has channels: they stand where it is usual. What is split in one of these
        # places is the channels; what is cut, padded or averaged may be rows or tokens, but for the second of four.
        usual = (1, last) if is_split else (1,) if last > 2 else ()
        if dim not in usual:
            return channels
    return max(1, after[dim])


def _reduced_channels(channels: int, before: Sequence[int], after: Sequence[int]) -> int:
    """Channels where a dimension was summed, averaged or indexed away; as before where shapes do not tell which."""
    sizes, possible = list(before), set()
    for dim, size in enumerate(sizes):
        if sizes[:dim] + sizes[dim + 1 :] != list(after):
            continue
        if dim in (1, 2) and len(sizes) > 3 and sizes[1] * sizes[2] == channels:
            # Channels that were reshaped into branches and the channels of each: (B, branches, C, H, W).
            possible.add(channels // size)
        else:
            possible.add(1 if size == channels and sizes.count(channels) == 1 else channels)
    return possible.pop() if len(possible) == 1 else channels


def rearranged_channels(name: str, before: Sequence[int], after: Sequence[int]) -> int | None:
    """Channels of the result of a function that makes channels of positions, or positions of channels; else None.

    Args:
        name: of the function.
        before: the shape of its argument.
        after: that of its result.
    """
    if name == "unfold" and len(after) > len(before):  # the method of tensors, which makes windows: channels stay
        return None
    dim = _REARRANGING.get(name)
    return None if dim is None else after[dim]


def joined_channels(dim: int, shapes: Sequence[Sequence[int]], channels: Sequence[int], joined: Sequence[int]) -> int:
    """Channels of tensors that are joined along a dimension.

    Args:
        dim: the dimension.
        shapes: of the tensors, all with as many dimensions.
        channels: of the tensors.
        joined: the shape of the result.
    """
    last = len(joined) - 1
    dim %= last + 1
    if any(shape[dim] != number for shape, number in zip(shapes, channels, strict=True)):  # rows or tokens
        return channels[-1]
    # All tensors may be as high or wide as they have channels, which then stand where it is usual.
    usual = (1,) if last > 2 else (1, last)
    is_told = any(list(shape).count(number) == 1 for shape, number in zip(shapes, channels, strict=True))
    return joined[dim] if is_told or dim in usual else channels[-1]
