"""Graphs of networks that were traced before: a module that has not changed since is not traced again.

Whether it has changed is told by its pickle without the numbers of its tensors: every attribute of every part, classes,
training mode, and the shapes, types and identities of tensors. A graph is remembered only where these decide it. So
what cannot be pickled (a lambda, hooks) is traced each time, and so is a network that looked at numbers. The globals
and class attributes that a network's code reads are taken not to change.
"""

import hashlib
import pickle
from io import BytesIO
from typing import Any, NamedTuple
from weakref import ReferenceType, WeakKeyDictionary, ref

from torch import Tensor, nn
from torch.nn.parameter import is_lazy

from tart_nas.graphs.computational_graph import ComputationalGraph
from tart_nas.graphs.module_graph import module_run

__all__ = ["remembered_graph"]


class _Remembered(NamedTuple):
    """A graph, and what it is of.

    Attributes:
        state: the digest of the network's state.
        classes: of its parts: while all of them live, no other class has the number by which the state names one.
        image_size: of the images.
        graph: of the network on them.
    """

    state: bytes
    classes: tuple[ReferenceType[type], ...]
    image_size: int
    graph: ComputationalGraph


_remembered: WeakKeyDictionary[nn.Module, _Remembered] = WeakKeyDictionary()


def remembered_graph(module: nn.Module, image_size: int) -> ComputationalGraph:
    """As :meth:`ComputationalGraph.from_module`, for which the same module is run once while it stays as it is.

    Args:
        module: the network; its graph is forgotten with it.
        image_size: height and width of its images of three channels; the graph for the last one is remembered.

    Raises:
        GraphError: see there.
        SettingError: see there.
    """
    state, classes = _state(module)
    known = _remembered.get(module)
    if (
        known is not None
        and (known.state, known.image_size) == (state, image_size)
        and all(kind() is not None for kind in known.classes)
    ):
        return known.graph
    run = module_run(module, image_size)
    graph = ComputationalGraph(**run.arrays._asdict())
    if state and not run.looked_at_numbers:
        _remembered[module] = _Remembered(state, classes, image_size, graph)
    return graph


def _state(module: nn.Module) -> tuple[bytes, tuple[ReferenceType[type], ...]]:
    """The digest of all that decides the graph, and the classes that it names; empty where that cannot be told."""
    pickled = BytesIO()
    pickler = _StatePickler(pickled, pickle.HIGHEST_PROTOCOL)
    try:
        pickler.dump(module)
    except Exception:  # whatever the attributes of a user's network raise
        return b"", ()
    return hashlib.sha256(pickled.getvalue()).digest(), tuple(pickler.classes.values())


class _StatePickler(pickle.Pickler):
    """Writes shapes in place of tensors and numbers in place of classes; nobody reads it again.

    Attributes:
        classes: what was met, by number.
    """

    def __init__(self, file: BytesIO, protocol: int) -> None:
        super().__init__(file, protocol)
        self.classes: dict[int, ReferenceType[type]] = {}

    def reducer_override(self, value: Any) -> Any:
        """What stands for a value that is neither plain nor a container; the pickler knows those it has met before."""
        if isinstance(value, Tensor):
            shape = () if is_lazy(value) else tuple(value.shape)
            return _tensor, (type(value), shape, str(value.dtype), str(value.device))
        if isinstance(value, type):  # one of a function or of a notebook's cell, too: no name finds these
            self.classes[id(value)] = ref(value)
            return _class, (id(value),)
        return NotImplemented


def _tensor(*facts: Any) -> None:
    """Stands for a tensor."""


def _class(number: int) -> None:
    """Stands for a class."""
