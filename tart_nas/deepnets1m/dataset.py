"""DeepNets-1M as a sequence of architectures with their graphs and labels.

Knyazev et al., "Parameter Prediction for Unseen Deep Architectures", NeurIPS 2021.
"""

import math
import operator
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, fields
from hashlib import file_digest
from pathlib import Path
from typing import Any, overload

import numpy as np
from torch.utils.data import Dataset

from tart_nas.architecture import Architecture
from tart_nas.checks import whole
from tart_nas.deepnets1m.graph_reader import GraphReader
from tart_nas.deepnets1m.labels import no_labels, read_labels
from tart_nas.deepnets1m.layout import MAX_DISTANCE, checked_split, split_files
from tart_nas.deepnets1m.meta_file import MetaFile
from tart_nas.deepnets1m.predefined import NAMES, predefined_graph
from tart_nas.errors import DeepNetsError, DeepNetsIndexError
from tart_nas.graphs import ComputationalGraph
from tart_nas.layout import IMAGENET_IMAGE_SIZE, parameter_count
from tart_nas.published import VIT

__all__ = ["DeepNets1M", "Example"]

_SETTINGS = frozenset(field.name for field in fields(Architecture))


@dataclass(frozen=True)
class Example:
    """One network of a split.

    Args:
        architecture: what it is; None for the ResNet-50 of ``predefined``, which has no genotype.
        graph: its graph as it is stored: primitives, cells, names, edges and, up to ``virtual_edges``, distances. The
            sizes are 0; ``ComputationalGraph.from_architecture(example.architecture)`` has these too.
        index: its place in the split.
        labels: the measurements :data:`tart_nas.deepnets1m.LABELS`, NaN where there is none.
        extra: what else the meta file says of it: ``num_nodes``, ``num_params`` and fields unknown to this version.
    """

    architecture: Architecture | None
    graph: ComputationalGraph
    index: int
    labels: Mapping[str, float]
    extra: Mapping[str, Any]


class DeepNets1M(Sequence[Example], Dataset[Example]):
    """A split of DeepNets-1M: a sequence, a torch data set, an iterator over architectures, and what a search samples.

    Networks are read when they are asked for, in any order and in any process. Example::

        dataset = DeepNets1M("data", "val")
        print(dataset[0].architecture, dataset[0].graph, dataset[0].labels["test_acc"])

    Each graph is checked when it is read: in a file of this package by its checksum, in another one against the
    network's genotype (see :class:`tart_nas.deepnets1m.graph_reader.GraphReader`).

    Args:
        root: the folder of the files.
        split: one of :data:`tart_nas.deepnets1m.SPLITS`.
        virtual_edges: the longest distance to keep, in [1, 250]; 1 keeps those of real edges only.
        image_size: of the images the networks are for, in pixels. It decides how much wider the networks of ``wide``
            are than their file says (4 times, from 128 pixels on 2 times), and the graphs of ``predefined``.
        labels: a file like ``results_cifar10.json``; by default that one in ``root``, if it is there. Labels go by
            index, but only to a network with as many parameters as they state: the released ones are those of the
            released files only.
        verify: False only checks that a graph is one, which is faster where there are no checksums. The files of the
            data set's present generator are read wrong then, as by its own loader.

    Raises:
        SettingError: if an argument is out of range.
        DeepNetsError: if the meta file or the labels cannot be read. Reading a network raises it when its graph cannot
            be read or is wrong, or its settings are no architecture.
    """

    def __init__(
        self,
        root: str | os.PathLike[str],
        split: str,
        virtual_edges: int = 50,
        image_size: int = 32,
        labels: str | os.PathLike[str] | None = None,
        verify: bool = True,
    ) -> None:
        self.root, self.split = Path(root), checked_split(split)
        self.virtual_edges = whole("virtual_edges", virtual_edges, 1, MAX_DISTANCE)
        self.image_size = whole("image_size", image_size, 1)
        results = self.root / "results_cifar10.json" if labels is None else Path(labels)
        self._labels = read_labels(results, split) if labels is not None or results.is_file() else {}
        self._labels_given = labels is not None
        if split != "predefined":
            graphs, meta = split_files(self.root, split)
            if not meta.is_file():
                raise DeepNetsError(
                    f"There is no {meta}: `tart-nas data download` fetches it, `tart-nas data generate` makes another."
                )
            self._meta = MetaFile(meta, split)
            self._graphs = GraphReader(graphs, self._meta, verify)

    def __len__(self) -> int:
        return len(NAMES) if self.split == "predefined" else len(self._meta)

    @overload
    def __getitem__(self, index: int) -> Example: ...

    @overload
    def __getitem__(self, index: slice) -> list[Example]: ...

    def __getitem__(self, index: int | slice) -> Example | list[Example]:
        if isinstance(index, slice):
            return [self[i] for i in range(len(self))[index]]
        index = self._checked(index)
        if self.split == "predefined":
            architecture = VIT if NAMES[index] == "ViT" else None
            graph = predefined_graph(index, self.image_size)
            return Example(architecture, graph, index, self._labels.get(index, no_labels()), {"name": NAMES[index]})
        net = self._meta.net(index)
        stored = self._meta.architecture(index, net)
        graph = self._graphs.read(index, net, stored, self.virtual_edges)
        extra = {name: value for name, value in net.items() if name not in _SETTINGS}
        labels = self._labels_of(index, stored)
        return Example(self._widened(stored, self.image_size), graph, index, labels, extra)

    def architecture(self, index: int) -> Architecture | None:
        """The architecture of one network, from the meta file alone."""
        index = self._checked(index)
        if self.split == "predefined":
            return VIT if NAMES[index] == "ViT" else None
        return self._widened(self._meta.architecture(index, self._meta.net(index)), self.image_size)

    def architectures(self) -> Iterator[Architecture]:
        """All architectures in order, from the meta file alone; the ResNet-50 of ``predefined`` is left out."""
        for index in range(len(self)):
            architecture = self.architecture(index)
            if architecture is not None:
                yield architecture

    # Not the name of the space: a run by the files has other candidates than one that samples by the split's rules.
    name = "deepnets1m-files"

    @property
    def settings(self) -> dict[str, Any]:
        """What tells this split from others: its name, size and the checksum of its meta file."""
        if self.split == "predefined":
            return {"split": self.split}
        with self._meta.path.open("rb") as file:
            return {"split": self.split, "networks": len(self), "sha256": file_digest(file, "sha256").hexdigest()}

    def sample(self, n: int, seed: int) -> list[Architecture]:
        """Draws n different architectures of the split, all of them where there are fewer; no graph is read.

        Raises:
            SettingError: if an argument is negative.
        """
        whole("n", n)
        whole("seed", seed)
        # A mapping, since a file may hold an architecture twice, and a set would lose the order of the draws.
        drawn: dict[Architecture, None] = {}
        for index in np.random.default_rng(seed).permutation(len(self)).tolist():
            if len(drawn) == n:
                break
            architecture = self.architecture(index)
            if architecture is not None:
                drawn[architecture] = None
        return list(drawn)

    def __repr__(self) -> str:
        return f"DeepNets1M({str(self.root)!r}, {self.split!r}): {len(self)} networks"

    def _checked(self, index: int) -> int:
        checked = operator.index(index)
        if not -len(self) <= checked < len(self):
            raise DeepNetsIndexError(
                f"{self.root}: {self.split} has no network {index}: expected an index in [0, {len(self)})."
            )
        return checked % len(self)

    def _widened(self, architecture: Architecture, image_size: int) -> Architecture:
        if self.split != "wide":
            return architecture
        return architecture.resized(C=architecture.C * (2 if image_size >= IMAGENET_IMAGE_SIZE else 4))

    def _labels_of(self, index: int, stored: Architecture) -> Mapping[str, float]:
        labels = self._labels.get(index)
        if labels is None:
            return no_labels()
        # Labels were measured on CIFAR-10, whatever images the split is opened for.
        count = parameter_count(self._widened(stored, 32))
        if labels["params"] == count or math.isnan(labels["params"]):
            return labels
        # Labels that only happen to lie in the folder may be those of the released files; those that were named must
        # fit.
        if self._labels_given:
            raise DeepNetsError(
                f"The labels given are not those of {self._meta.path}: that of {self.split}/{index} is of a network of "
                f"{labels['params']:.0f} parameters, but the network has {count}."
            )
        return no_labels()
