"""The networks that ``tart-nas measure`` is given: where they come from, and what builds them."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tart_nas.architecture import Architecture
from tart_nas.cli.networks import FoundNetwork, find_network, is_path
from tart_nas.cli.own_spaces import builder, no_space
from tart_nas.errors import GraphError, SettingError

if TYPE_CHECKING:
    from torch import nn

    from tart_nas.measurements.outcome import Build
    from tart_nas.search_spaces.trial_architecture import AnyArchitecture, TrialArchitecture

__all__ = ["MeasuredNetworks", "measured_networks"]

_TRACED_SIZE = 32  # pixels, at which networks of a user's own space are traced by default, as in a search
_CELLS_SIZE = 32  # at which architectures of cells are timed by default


@dataclass(frozen=True)
class MeasuredNetworks:
    """Networks to measure.

    Args:
        group: the name over their labels.
        source: where they come from, for the file of labels; JSON values.
        networks: by index.
        build: makes those that are not made of cells; None where there are none.
    """

    group: str
    source: dict[str, Any]
    networks: "dict[int, AnyArchitecture]"
    build: "Build | None" = None


def measured_networks(
    what: Sequence[str], split: str | None, n: int | None, space: str | None, image_size: int | None
) -> MeasuredNetworks:
    """Finds what is to be measured.

    Args:
        what: ``darts``; the names of networks; a file or folder that holds architectures; or nothing, for a sample of
            the user's own space.
        split: of a folder of DeepNets-1M.
        n: how many of a space or a file; None for all of a file.
        space: ``module:function``, what builds the networks of the user's own space.
        image_size: of the images that networks without cells take, in pixels; None for their own.

    Raises:
        TartError: if there are no such networks.
    """
    paths = [text for text in what if is_path(text)] if what != ["darts"] else []
    if split is not None and not paths:
        raise SettingError("`split` is for a folder of DeepNets-1M.")
    if not what:
        return _sampled(space, n, image_size)
    if what == ["darts"]:
        no_space(space)
        return _of_darts(n)
    if not paths:
        no_space(space)
        if n is not None:
            raise SettingError("`networks` is for darts, a file or `space`: of networks by their names, name so many.")
        return _named(what, image_size)
    if len(what) > 1:
        raise SettingError(f"{paths[0]} is a file or a folder, of which one at a time is measured, without others.")
    return _of_file(Path(paths[0]), split, n, space)


def _sampled(space: str | None, n: int | None, image_size: int | None) -> MeasuredNetworks:
    from tart_nas.search_spaces import TrialSpace

    if space is None:
        raise SettingError("Give what is measured: darts, names of networks, a file, or your own space as `space`.")
    own = TrialSpace(space, image_size or _TRACED_SIZE)
    sample = dict(enumerate(own.sample(_count(n, space), 0)))  # seed 0: see below
    return MeasuredNetworks(space, {"space": own.name, **own.settings, "seed": 0}, sample, own.network)


def _of_darts(n: int | None) -> MeasuredNetworks:
    from tart_nas.search_spaces import DartsSpace

    space = DartsSpace()
    # Seed 0 whatever --seed is: labels of two seeds are then of the same networks.
    sample = dict(enumerate(space.sample(_count(n, "the DARTS space"), 0)))
    return MeasuredNetworks("darts", {"space": space.name, **space.settings, "seed": 0}, {**sample})


def _count(n: int | None, space: str) -> int:
    if n is None:
        raise SettingError(f"`networks` must say how many architectures of {space} are measured.")
    return n


def _of_file(path: Path, split: str | None, n: int | None, space: str | None) -> MeasuredNetworks:
    from tart_nas.runs import open_architectures
    from tart_nas.search_spaces import DartsSpace, TrialArchitecture

    found = open_architectures(path, DartsSpace(), split)
    group = path.stem if found.split is None else found.split
    source = {"file": path.name} if found.split is None else {"data": f"DeepNets-1M {found.split}"}
    networks = dict(list(found.networks().items())[:n])
    candidate = next((one for one in networks.values() if isinstance(one, TrialArchitecture)), None)
    if candidate is None:
        no_space(space)
        return MeasuredNetworks(group, source, networks)
    return MeasuredNetworks(group, source, networks, builder(candidate, space).network)


def _named(names: Sequence[str], image_size: int | None) -> MeasuredNetworks:
    names = list(dict.fromkeys(names))
    found = [find_network(name) for name in names]
    networks = {i: network.architecture or _traced(network, image_size) for i, network in enumerate(found)}
    own = [image_size or _CELLS_SIZE if isinstance(a, Architecture) else a.input_size[-1] for a in networks.values()]
    sizes = sorted({*own})
    if len(sizes) > 1:  # each is timed relative to the reference network at its size, and two sizes do not compare
        raise SettingError(f"The networks are for images of {sizes[0]} to {sizes[-1]} pixels: give one `image_size`.")
    one = len(names) == 1
    source = {"name": names[0]} if one else {"names": names}
    return MeasuredNetworks(names[0] if one else "networks", source, networks, partial(_built, frozenset(names)))


def _traced(network: FoundNetwork, image_size: int | None) -> "TrialArchitecture":
    """A named network as what is built without suggestions."""
    from tart_nas.graphs import ComputationalGraph
    from tart_nas.graphs.module_graph import module_run
    from tart_nas.search_spaces import TrialArchitecture

    module = network.module()
    try:
        run = module_run(module, network.input_size(image_size, module))
    except GraphError as error:
        raise GraphError(f"{network.name}: {error}") from error
    return TrialArchitecture(network.name, {}, run.digest, ComputationalGraph(**run.arrays._asdict()))


def _built(names: Collection[str], candidate: "TrialArchitecture") -> "nn.Module":
    """Builds one of the networks whose names were typed: what a file names is not run unasked (docs/safety.md)."""
    if candidate.space not in names:
        raise SettingError(f"The folder has the network {candidate.space} too: name it as well, or use a new folder.")
    return find_network(candidate.space).module()
