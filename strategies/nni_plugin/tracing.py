"""Networks of any model space of NNI: built and traced, some ten a second."""

import hashlib
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from tart_nas.strategies.nni_plugin.spaces import Sample

if TYPE_CHECKING:
    from tart_nas.graphs import ComputationalGraph

__all__ = ["NetworkTracer", "initialized"]


class NetworkTracer:
    """Builds the network of a sample and traces it.

    Args:
        model_space: what NNI gives a strategy, or one of its models.
        input_size: of the images, (channels, height, width), or a number for (3, number, number).
    """

    def __init__(self, model_space: Any, input_size: int | Sequence[int]) -> None:
        self._space = initialized(model_space)
        self._input_size = input_size
        self._identities: dict[str, bytes] = {}

    def __call__(self, sample: Sample) -> "ComputationalGraph":
        """The graph of a sample's network."""
        from tart_nas.graphs import ComputationalGraph

        module = self._module(sample)
        graph = ComputationalGraph.from_module(module, self._input_size)
        self._identities[repr(sorted(sample.items()))] = _digest(module, graph)
        return graph

    def identity(self, sample: Sample) -> bytes:
        """A digest, equal for samples whose networks have equal modules and graphs; kept, since tracing is slow."""
        if (key := repr(sorted(sample.items()))) not in self._identities:
            self(sample)
        return self._identities[key]

    def _module(self, sample: Sample) -> Any:
        frozen = self._space.freeze(sample)
        return frozen.executable_model() if hasattr(frozen, "executable_model") else frozen


def initialized(model_space: Any) -> Any:
    """The model space behind one of its models, without an evaluator: NNI freezes no model again."""
    if not hasattr(model_space, "status") or not model_space.status.frozen():
        return model_space
    if hasattr(model_space, "mutables"):
        return type(model_space)(model_space.model, model_space.mutables, None)
    return type(model_space)(model_space.model_space, None)


def _digest(module: Any, graph: "ComputationalGraph") -> bytes:
    """Of the modules with their settings, and of the graph: each tells what the other does not."""
    parts = (repr(module), graph.names, graph.primitives.tolist(), graph.edges.tolist(), graph.parameters)
    return hashlib.sha256(repr(parts).encode()).digest()
