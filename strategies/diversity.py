"""Selection of the best candidates that differ from each other by a minimum distance."""

from collections import Counter
from collections.abc import Callable, Iterable

from tart_nas.architecture import Architecture
from tart_nas.checks import whole
from tart_nas.errors import SettingError
from tart_nas.search_spaces import canonical_genotype
from tart_nas.search_spaces.trial_architecture import AnyArchitecture, TrialArchitecture

__all__ = ["cell_distance", "select_diverse"]

Edges = tuple[Counter[tuple[int, str, int]], Counter[tuple[int, str, int]]]


def cell_distance(a: Architecture, b: Architecture) -> int:
    """Number of edges in the canonical cells of the architecture with more edges that are missing from the other's.

    An edge is (operation, source, target). The distance is 0 for networks with the same cells up to the order of their
    parts, and 16 for DARTS cells without a common edge.
    """
    return _difference(_edges(a), _edges(b))


def select_diverse(
    order: Iterable[int],
    architecture: Callable[[int], AnyArchitecture],
    k: int,
    min_distance: int,
    beside: Iterable[AnyArchitecture] = (),
) -> list[int]:
    """Selects the first k positions whose architectures keep a minimum distance from each other and from others.

    If fewer than k keep it, the first of the remaining positions fill up.

    Args:
        order: positions, best first.
        architecture: gives the architecture at a position.
        k: number of positions, at least 0.
        min_distance: least :func:`cell_distance`; with 0, all pass; with 1, all but networks with the same cells (of a
            user's own space, all but the same network).
        beside: further architectures to keep the distance from.

    Raises:
        SettingError: if there are fewer than k positions, or the distance is negative, or above 1 where networks of a
            user's own space have no cells.
    """
    whole("min_distance", min_distance, 0)
    chosen: list[int] = []
    passed: list[int] = []
    # Different networks may have the same cells, and one may be given twice: with 0 alone, nothing is to be compared.
    form = _cells_or_digest if min_distance == 1 else _edges
    taken = [form(other) for other in beside] if min_distance > 0 else []
    for position in order:
        if len(chosen) == k:
            return chosen
        if min_distance == 0:
            chosen.append(position)
            continue
        own = form(architecture(position))
        if all(_difference(own, other) >= min_distance for other in taken):
            chosen.append(position)
            taken.append(own)
        else:
            passed.append(position)
    if len(chosen) + len(passed) < k:
        raise SettingError(f"`k` is {k}, but there are only {len(chosen) + len(passed)} candidates left.")
    return chosen + passed[: k - len(chosen)]


def _edges(architecture: AnyArchitecture) -> Edges:
    if not isinstance(architecture, Architecture):
        raise SettingError(f"The network {architecture} has no cells, of which a distance could be told.")
    genotype = canonical_genotype(architecture.genotype)
    normal, reduce = (
        # A multiset, as a node may apply the same operation to the same input twice; `i // 2` is the node.
        Counter((i // 2, op, source) for i, (op, source) in enumerate(cell))
        for cell in (genotype.normal, genotype.reduce)
    )
    return normal, reduce


def _cells_or_digest(architecture: AnyArchitecture) -> Edges | str:
    """What tells whether two networks are different, also those of a user's own space, which have no cells."""
    return architecture.digest if isinstance(architecture, TrialArchitecture) else _edges(architecture)


def _difference(a: Edges | str, b: Edges | str) -> int:
    """The number of edges; of networks without cells only whether they differ, 0 or 1."""
    if isinstance(a, str) or isinstance(b, str):
        return int(a != b)
    return sum(max(x.total(), y.total()) - (x & y).total() for x, y in zip(a, b, strict=True))
