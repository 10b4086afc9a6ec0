"""The networks that a hypernetwork is trained on: an endless sequence that depends on the seed alone."""

import multiprocessing
import pickle
from collections import deque
from collections.abc import Iterator, Mapping
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache
from itertools import count
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from tart_nas.architecture import Architecture
from tart_nas.errors import ArchitectureError, MachineError, SettingError
from tart_nas.hypernetworks.config import GHNConfig
from tart_nas.hypernetworks.graph_inputs import GraphInputs, architecture_inputs
from tart_nas.hypernetworks.shape_encoding import ShapeEncoding
from tart_nas.hypernetworks.training.recipe import GHNRecipe
from tart_nas.hypernetworks.training.widths import WIDTHS
from tart_nas.operations import ATTENTION_OPS
from tart_nas.search_spaces.deepnets1m import PART, DeepNets1MSpace
from tart_nas.worker_process import begin_worker

__all__ = ["MetaBatches", "NetworkSource", "PreparedNetwork", "Preparer", "SampledNetworks", "is_simple"]

_CHUNK = 8  # networks that a worker process prepares in one go: some 50 ms
_AHEAD = 4  # chunks that a worker process has before it
# Networks in a row that lead to no meta-batch. By the strictest preset one in three fits, so that large meta-batches
# need more: this is a hundred of them in a row, of which none has few enough nodes.
_MOST_UNFIT, _MOST_UNFIT_EACH = 2_000, 300  # at least, and for each network of a meta-batch


class NetworkSource(Protocol):
    """Where training networks come from; :class:`tart_nas.deepnets1m.DeepNets1M` is such a source too."""

    @property
    def settings(self) -> Mapping[str, Any]:
        """JSON values that tell it from others."""

    def __len__(self) -> int: ...

    def architecture(self, index: int) -> Architecture | None:
        """The network of an index, None if it has no architecture."""


@dataclass(frozen=True)
class SampledNetworks:
    """Networks that are drawn by the rules of DeepNets-1M's training split when they are asked for.

    Args:
        n: how many there are.
        seed: of their sequence, at least 0.
    """

    n: int
    seed: int = 0

    @property
    def settings(self) -> Mapping[str, Any]:
        """``SampledNetworks(**settings)`` is this source."""
        return {"n": self.n, "seed": self.seed}

    def __len__(self) -> int:
        return self.n

    def architecture(self, index: int) -> Architecture:
        """The network of an index."""
        return _part(self.seed, index // PART)[index % PART]


@lru_cache(maxsize=2)  # they are asked for in order
def _part(seed: int, index: int) -> list[Architecture]:
    return DeepNets1MSpace("train").part(index, seed)


@dataclass(frozen=True)
class PreparedNetwork:
    """A network of a step.

    Args:
        draw: its place in the sequence.
        architecture: with the channels that were drawn for it.
        inputs: what the hypernetwork is given of it.
        stem_stride: of the first convolution; None for the architecture's own.
    """

    draw: int
    architecture: Architecture
    inputs: GraphInputs
    stem_stride: int | None = None


class Preparer:
    """Makes the networks of the sequence, each independently of the others.

    Args:
        source: of the architectures. Each pass over it has another order.
        config: the hypernetwork's settings.
        recipe: tells how many networks of the source are used, their widths, and which are too large.
        num_classes: of the images.
        image_size: of the images, in pixels.
        seed: of orders and widths.
    """

    def __init__(
        self,
        source: NetworkSource,
        config: GHNConfig,
        recipe: GHNRecipe,
        num_classes: int,
        image_size: int,
        seed: int,
    ) -> None:
        self._source, self._config, self._recipe, self._seed = source, config, recipe, seed
        self._num_classes, self._image_size = num_classes, image_size
        self._encoding = ShapeEncoding(config.hid, config.num_classes, config.max_shape[2])
        self._n = min(len(source), recipe.networks)
        if not self._n:
            raise SettingError("There are no networks to train on: the source is empty.")
        self._order: tuple[int, npt.NDArray[np.int64]] | None = None

    def __call__(self, draw: int) -> PreparedNetwork | None:
        """The network of a place in the sequence; None if the recipe drops it."""
        recipe = self._recipe
        turn, place = divmod(draw, self._n)
        if not isinstance(self._source, SampledNetworks):  # which are in random order, and are drawn by the hundred
            if self._order is None or self._order[0] != turn:
                self._order = turn, np.random.default_rng([self._seed, turn]).permutation(self._n)
            place = int(self._order[1][place])
        architecture = self._source.architecture(place)
        if architecture is None or (recipe.simple_networks and not is_simple(architecture)):
            return None
        rng = np.random.default_rng([self._seed, draw, 1])
        try:
            architecture = WIDTHS[recipe.widths].draw(architecture, self._image_size, rng)
            inputs = architecture_inputs(
                architecture, self._num_classes, self._image_size, self._encoding, self._config
            )
        except ArchitectureError:  # attention needs as many channels as heads
            return None
        if inputs.num_nodes > (recipe.max_network_nodes or recipe.max_nodes):
            return None
        stride = WIDTHS[recipe.widths].stem_stride(architecture, self._image_size, rng)
        return PreparedNetwork(draw, architecture, inputs, stride)


def is_simple(architecture: Architecture) -> bool:
    """Whether a network has global average pooling and no attention: one of small hypernetworks' trainings."""
    return architecture.glob_avg and not any(op in ATTENTION_OPS for op in architecture.genotype.ops)


class MetaBatches:
    """The meta-batches of a training, prepared ahead by other processes.

    Args:
        preparer: makes networks.
        meta_batch: networks in each.
        max_nodes: meta-batches with more nodes than this are left out.
        first: the place in the sequence to begin at.
        workers: number of processes; 0 to prepare networks when they are needed.
    """

    def __init__(self, preparer: Preparer, meta_batch: int, max_nodes: int, first: int, workers: int) -> None:
        self._preparer, self._workers = preparer, workers
        self._meta_batch, self._max_nodes = meta_batch, max_nodes
        self.next = first
        """The place in the sequence at which the next meta-batch begins."""

    @contextmanager
    def running(self) -> Iterator[Iterator[list[PreparedNetwork]]]:
        """The meta-batches, without end; worker processes end with the block.

        Raises:
            SettingError: if none of many meta-batches is small enough.
            MachineError: if a worker process was killed.
        """
        if not self._workers:
            yield self._grouped(self._preparer(draw) for draw in count(self.next))
            return
        context = multiprocessing.get_context("spawn")  # a fork would copy the locks of PyTorch's threads
        pool = ProcessPoolExecutor(self._workers, context, _begin_worker, (pickle.dumps(self._preparer),))
        try:
            yield self._grouped(self._prepared_by(pool))
        except BrokenProcessPool:
            raise MachineError(
                "A process that prepares networks was killed, maybe for want of memory: the same call goes on."
            ) from None
        finally:
            pool.shutdown(cancel_futures=True)

    def _prepared_by(self, pool: ProcessPoolExecutor) -> Iterator[PreparedNetwork | None]:
        waiting: deque[Future[bytes]] = deque()
        for first in count(self.next, _CHUNK):
            waiting.append(pool.submit(_prepare_chunk, first))
            if len(waiting) > _AHEAD * self._workers:
                yield from pickle.loads(waiting.popleft().result())

    def _grouped(self, networks: Iterator[PreparedNetwork | None]) -> Iterator[list[PreparedNetwork]]:
        group: list[PreparedNetwork] = []
        most = max(_MOST_UNFIT, _MOST_UNFIT_EACH * self._meta_batch)
        unfit = 0  # since the last meta-batch that was given: networks may fit alone, and never together
        for draw, network in zip(count(self.next), networks, strict=False):
            unfit += 1
            if unfit > most:
                raise SettingError(
                    f"No meta-batch of {most:,} networks is within the recipe's limits: `max_network_nodes` or "
                    "`max_nodes` is too small, or `meta_batch` too large."
                )
            if network is None:
                continue
            group.append(network)
            if len(group) == self._meta_batch:
                self.next = draw + 1
                if sum(member.inputs.num_nodes for member in group) <= self._max_nodes:
                    yield group
                    unfit = 0
                group = []


_preparer: Preparer | None = None  # of a worker process


def _begin_worker(preparer: bytes) -> None:
    global _preparer
    begin_worker()
    _preparer = pickle.loads(preparer)


def _prepare_chunk(first: int) -> bytes:
    """Some networks, as bytes: tensors of their own would each be shared by a file that stays open."""
    assert _preparer is not None
    return pickle.dumps([_preparer(draw) for draw in range(first, first + _CHUNK)])
