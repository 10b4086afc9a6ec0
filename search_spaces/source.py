"""What a search needs of a place that candidates come from."""

from collections.abc import Mapping
from typing import Any, Protocol

from tart_nas.architecture import Architecture

__all__ = ["ArchitectureSource"]


class ArchitectureSource(Protocol):
    """A search space, or a data set of architectures (:class:`tart_nas.deepnets1m.DeepNets1M`)."""

    @property
    def name(self) -> str:
        """Its kind, such as ``"darts"``."""

    @property
    def settings(self) -> Mapping[str, Any]:
        """JSON values that, with the name, tell it from others."""

    def sample(self, n: int, seed: int) -> list[Architecture]:
        """Draws n different architectures, or all there are where these are fewer; the same ones from the same seed."""
