"""Architectures from whatever holds them: lists, and the files and folders that the commands write."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tart_nas.architecture import Architecture
from tart_nas.errors import ArchitectureError, SettingError, reason
from tart_nas.file_kinds import FileKind, KnownFile, recognise
from tart_nas.genotype import Genotype
from tart_nas.runs.candidates import ScoredCandidates
from tart_nas.search_spaces import DartsSpace
from tart_nas.search_spaces.trial_architecture import AnyArchitecture, TrialArchitecture, architecture_from_dict
from tart_nas.strings import decode

__all__ = ["ArchitectureFile", "open_architectures", "read_candidates"]


@dataclass(frozen=True)
class ArchitectureFile:
    """Architectures in a file or a folder, each of which is read when it is asked for.

    Args:
        path: the file or the folder.
        n: how many networks it holds.
        name: what a network is called there, by its place in [0, n).
        read: the network at a place; None where it has no genotype.
        split: of DeepNets-1M, if they are one.
    """

    path: Path
    n: int
    name: Callable[[int], str]
    read: Callable[[int], AnyArchitecture | None]
    split: str | None = None

    def __len__(self) -> int:
        return self.n

    def network(self, index: int) -> AnyArchitecture:
        """The architecture, or the candidate of a user's own space, at a place.

        Raises:
            ArchitectureError: if there is no such place, or neither there.
        """
        if not 0 <= index < self.n:
            raise ArchitectureError(f"{self.path} has no entry {index}: expected an index in [0, {self.n}).")
        network = self._checked(index)
        if network is None:
            raise ArchitectureError(f"{self._sentence(index)} has no genotype: it is torchvision's resnet50.")
        return network

    def architecture(self, index: int) -> Architecture:
        """The architecture at a place.

        Raises:
            ArchitectureError: if there is no such place, or no architecture there, such as a network of a user's space.
        """
        return self._of_cells(index, self.network(index))

    def all(self) -> dict[int, Architecture]:
        """All architectures by their places.

        Raises:
            ArchitectureError: naming the first entry that is none.
        """
        return {i: self._of_cells(i, network) for i, network in self.networks().items()}

    def networks(self) -> dict[int, AnyArchitecture]:
        """All architectures and candidates of users' own spaces by their places.

        Raises:
            ArchitectureError: naming the first entry that is none.
        """
        return {i: network for i in range(self.n) if (network := self._checked(i)) is not None}

    def candidates(self) -> list[AnyArchitecture]:
        """All that a search can take, networks of users' spaces too, in order.

        Raises:
            ArchitectureError: naming the first entry that is none.
        """
        return [*self.networks().values()]

    def _of_cells(self, index: int, network: AnyArchitecture) -> Architecture:
        if isinstance(network, TrialArchitecture):
            raise ArchitectureError(
                f"{self._sentence(index)} is a network of {network.space}, which is not made of cells: here an "
                "architecture of cells is needed. `tart-nas score`, `summary`, `draw` and `retrain` take it."
            )
        return network

    def _checked(self, index: int) -> AnyArchitecture | None:
        try:
            return self.read(index)
        except ArchitectureError as error:
            raise ArchitectureError(f"{self._sentence(index)}: {error}") from None

    def _sentence(self, index: int) -> str:
        name = self.name(index)
        return f"{name[:1].upper()}{name[1:]} of {self.path}"


def open_architectures(path: Path | str, space: DartsSpace, split: str | None = None) -> ArchitectureFile:
    """Opens what holds architectures.

    Args:
        path: one of these, told apart by their content:

            - a JSON list, a file of one JSON value a line, or a single JSON value. Each value is an architecture
              (:meth:`Architecture.to_dict`, a net of a DeepNets-1M meta file), a genotype in any form that
              :meth:`Genotype.from_dict` reads, DARTS' text, or an architecture string;
            - a text with one genotype as DARTS prints it, or with an architecture string (:mod:`tart_nas.strings`) a
              line;
            - ``candidates.parquet`` of a search, or what ``tart-nas score --out`` wrote;
            - ``report.json`` of a search: the networks that it trained;
            - the folder of a search, finished or not: its candidates;
            - ``labels.json`` of ``tart-nas measure``, or the folder that it is in;
            - the folder of a trained network, or its ``network.json``;
            - a meta file of DeepNets-1M, or a folder of its files.
        space: gives the macro settings to bare genotypes.
        split: of DeepNets-1M; not needed where a meta file has one split only.

    Raises:
        ArchitectureError: if it is something else, which the message names.
        SettingError: if a split is needed and not given.
        TartError: if it is damaged.
    """
    try:
        known = recognise(path)
    except OSError as error:
        raise ArchitectureError(f"Cannot read {path}: {reason(error)}.") from None
    path = known.path
    match known.kind:
        case FileKind.ARCHITECTURES | FileKind.LABELLED:
            entries = known.content if isinstance(known.content, list) else [known.content]
            return _of_entries(path, [(f"entry {i}", entry) for i, entry in enumerate(entries)], space)
        case FileKind.CANDIDATES:
            return _of_candidates(path)
        case FileKind.RUN | FileKind.UNFINISHED_RUN if (path / "candidates.parquet").is_file():
            return _of_candidates(path / "candidates.parquet")
        case FileKind.REPORT:
            picks = _members(known, known.content["picks"], "architecture")
            return _of_entries(path, [(str(pick.get("name")), pick["architecture"]) for pick in picks], space)
        case FileKind.MEASURED:
            return _of_labels(known, space)
        case FileKind.MEASURED_FOLDER:
            return open_architectures(path / "labels.json", space)
        # A model of torchvision has none: it is refused below.
        case FileKind.NETWORK if (entry := known.content["architecture"] or known.content.get("trial")) is not None:
            return _of_entries(path, [("the network", entry)], space)
        case FileKind.NETWORK_FOLDER:
            return open_architectures(path / "network.json", space)
        case FileKind.META | FileKind.DEEPNETS_FOLDER:
            return _of_deepnets(known, split)
        case FileKind.FOLDER | FileKind.EMPTY_FOLDER if split is not None:  # which says what is missing there
            return _of_deepnets(known, split)
    raise ArchitectureError(known.refusal("a file of architectures"))


def read_candidates(path: Path | str, space: DartsSpace, split: str | None = None) -> list[AnyArchitecture]:
    """Reads all that a file or folder gives a search; arguments and errors are those of :func:`open_architectures`."""
    return open_architectures(path, space, split).candidates()


def _of_entries(path: Path, entries: Sequence[tuple[str, Any]], space: DartsSpace) -> ArchitectureFile:
    """Of names and JSON values."""
    return ArchitectureFile(path, len(entries), lambda i: entries[i][0], lambda i: _architecture(entries[i][1], space))


def _of_candidates(path: Path) -> ArchitectureFile:
    scored = ScoredCandidates.read(path)
    return ArchitectureFile(path, len(scored), lambda i: f"candidate {i + 1}", scored.architecture)


def _of_labels(known: KnownFile, space: DartsSpace) -> ArchitectureFile:
    """The networks of a file of measured labels: those with labels, and by the same indices as there."""
    groups = {name: group for name, group in known.content.items() if name not in ("about", "failed")}
    entries = []
    for name, group in groups.items():
        labels = _members(known, list(group.values()) if isinstance(group, Mapping) else None, "architecture")
        entries += [(f"{name}/{i}", label["architecture"]) for i, label in zip(group, labels, strict=True)]
    return _of_entries(known.path, entries, space)


def _members(known: KnownFile, values: Any, key: str) -> list[Mapping[str, Any]]:
    """A list of objects that all have a key.

    Raises:
        ArchitectureError: if it is something else.
    """
    if not isinstance(values, list) or not all(isinstance(value, Mapping) and key in value for value in values):
        raise ArchitectureError(f"{known.path} is {known.kind.noun}, but not all networks in it have {key!r}.")
    return values


def _of_deepnets(known: KnownFile, split: str | None) -> ArchitectureFile:
    from tart_nas.deepnets1m import DeepNets1M, split_files  # here, since it imports PyTorch
    from tart_nas.deepnets1m.meta_file import MetaFile, split_names

    path, folder = known.path, known.path
    if known.kind is FileKind.META:
        folder = path.parent
        splits = split_names(path)
        split = splits[0] if split is None and len(splits) == 1 else split
        if split is None:
            raise SettingError(f"`split` must say which networks of {path} are meant: {', '.join(splits)}.")
    if split is None:
        raise SettingError(f"`split` must say which networks of {path}, a folder of DeepNets-1M, are meant.")
    if known.kind is FileKind.META and split_files(folder, split)[1].name != path.name:
        meta = MetaFile(path, split)
        name = f"{split}/{{}}".format
        return ArchitectureFile(path, len(meta), name, lambda i: meta.architecture(i, meta.net(i)), split)
    dataset = DeepNets1M(folder, split)
    return ArchitectureFile(path, len(dataset), f"{split}/{{}}".format, dataset.architecture, split)


def _architecture(entry: Any, space: DartsSpace) -> AnyArchitecture:
    if isinstance(entry, str):
        return decode(entry) if entry.lstrip().startswith("[") else space.architecture(Genotype.from_text(entry))
    if isinstance(entry, Mapping) and ("genotype" in entry or "graph" in entry):
        return architecture_from_dict(entry)
    return space.architecture(Genotype.from_dict(entry))
