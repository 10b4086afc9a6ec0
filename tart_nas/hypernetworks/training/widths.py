"""How wide the networks are that a hypernetwork is trained on: channels are drawn anew each time a network is used.

So is, in one published recipe, how far the stem of narrow and shallow ones reduces large images.
"""

from dataclasses import dataclass, replace

import numpy as np

from tart_nas.architecture import Architecture
from tart_nas.layout import IMAGENET_IMAGE_SIZE, parameter_count

__all__ = ["WIDTHS", "Widths"]

_BASE_CHANNELS = 32  # those of the training networks' file, by whose number of parameters the rules go
_WIDE_KERNELS = ("conv_5x5", "conv_7x7")


@dataclass(frozen=True)
class Widths:
    """A rule by which channels and hidden features are drawn: small networks may become wide, large ones not.

    Args:
        channels: to draw from, increasing.
        features: of a hidden layer before the logits, to draw from, increasing.
        few_features: how many of these other networks choose from.
        limits: (million parameters, cells, number of channels): a network within the first two may have the first so
            many channels, of several limits the last that it is within; one within none has the least.
        narrow: networks that may have all ``channels`` and got at most so many may have all ``features``.
        counted_at: image size for which parameters are counted; None for that of the training.
        strides: to draw the simple stem's from; () for 4 always, which networks for large images have.
    """

    channels: tuple[int, ...]
    features: tuple[int, ...]
    few_features: int
    limits: tuple[tuple[float, int, int], ...]
    narrow: int = 64
    counted_at: int | None = None
    strides: tuple[int, ...] = ()

    def draw(self, architecture: Architecture, image_size: int, rng: np.random.Generator) -> Architecture:
        """The architecture with other channels and hidden features."""
        choices = self._choices(architecture, image_size)
        C = self.channels[rng.integers(choices)]
        is_small = choices == len(self.channels) and self.narrow >= C
        features = self.features[rng.integers(len(self.features) if is_small else self.few_features)]
        return replace(
            architecture.resized(C=C), fc_dim=features if architecture.fc_layers > 1 else architecture.fc_dim
        )

    def stem_stride(self, architecture: Architecture, image_size: int, rng: np.random.Generator) -> int | None:
        """The stride of a network's stem, or None for its own: only the smallest networks with a pooling stem have
        another, whose cells then see images of twice the size.
        """
        is_large = image_size >= IMAGENET_IMAGE_SIZE
        # A vision transformer has patches in place of a stem, whatever its settings of the stem say.
        has_pool = architecture.stem_type == 0 and architecture.stem_pool and not architecture.is_vit
        if not self.strides or not is_large or not has_pool:
            return None
        if self._choices(architecture, image_size) < len(self.channels):
            return None
        return self.strides[rng.integers(len(self.strides))]

    def _choices(self, architecture: Architecture, image_size: int) -> int:
        """How many of the channels the architecture may have."""
        if not self.limits:
            return len(self.channels)
        if not architecture.glob_avg or any(op in _WIDE_KERNELS for op in architecture.genotype.ops):
            return 1
        count = parameter_count(architecture.resized(C=_BASE_CHANNELS), image_size=self.counted_at or image_size)
        within = [n for most, cells, n in self.limits if count <= most * 1e6 and architecture.n_cells <= cells]
        return within[-1] if within else 1


_CHANNELS = tuple(range(32, 129, 16))
_FEATURES = tuple(range(64, 513, 64))

WIDTHS: dict[str, Widths] = {
    "deepnets1m": Widths(_CHANNELS, _FEATURES, 4, ((0.8, 12, 2), (0.4, 10, 3), (0.2, 8, 7))),
    "wider": Widths(_CHANNELS, _FEATURES, 4, ((2.0, 14, 4), (0.4, 10, 5), (0.2, 8, 7)), counted_at=32, strides=(2, 4)),
    "small": Widths((8, 16), (64,), 1, ()),
}
"""By name: that of GHN-1 and GHN-2, that of GHN-3 on ImageNet, and one for a CPU."""
