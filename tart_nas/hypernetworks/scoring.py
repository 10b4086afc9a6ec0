"""What a hypernetwork tells of architectures without training them: embeddings, and accuracies of predicted parameters.

Everything is kept by architecture, so that a predictor that is fitted many times asks once.
"""

from functools import cached_property, lru_cache
from hashlib import sha256

import numpy as np
import numpy.typing as npt
import torch

from tart_nas.architecture import Architecture
from tart_nas.errors import ArchitectureError, DivergenceError
from tart_nas.hypernetworks.ghn import GHN
from tart_nas.hypernetworks.graph_inputs import architecture_inputs
from tart_nas.images import ImageData, load_images
from tart_nas.networks import build_network
from tart_nas.training import evaluate
from tart_nas.training.initial_weights import digest

__all__ = ["GHNScores", "ghn_scores"]

_TRAIN_IMAGES = 1000  # of whose pixels the mean and deviation are taken, by which images are normalised
_MOST_DOUBLED = 256  # channels; attention needs as many as heads: at most 8 in DeepNets-1M


class GHNScores:
    """Embeddings and accuracies by one hypernetwork.

    Args:
        ghn: its file or name, see :meth:`GHN.load`.
        image_size: of the images, in pixels.
        channels: of the first cells of all networks; None for their own.
        dataset: whose validation images are classified.
        data_dir: where that is.
        images: how many.
    """

    def __init__(
        self, ghn: str, image_size: int, channels: int | None, dataset: str, data_dir: str | None, images: int
    ) -> None:
        self._ghn, self._image_size, self._channels = GHN.load(ghn).eval(), image_size, channels
        self._dataset, self._data_dir, self._count = dataset, data_dir, images
        self._embeddings: dict[Architecture, npt.NDArray[np.float64]] = {}
        self._accuracies: dict[Architecture, float] = {}
        self.digest = np.frombuffer(sha256(digest(self._ghn.layers.state_dict()).encode()).digest(), dtype=np.uint8)
        """Tells the hypernetwork's weights, (32,)."""

    @property
    def hid(self) -> int:
        """Numbers in an embedding."""
        return self._ghn.config.hid

    def to(self, device: torch.device) -> None:
        """Computes on a device from now on; what is known already stays."""
        self._ghn.to(device)

    def embedding(self, architecture: Architecture) -> npt.NDArray[np.float64]:
        """The mean of the node vectors (hid,)."""
        if architecture not in self._embeddings:
            sized, config, layers = self._sized(architecture), self._ghn.config, self._ghn.layers
            inputs = architecture_inputs(sized, config.num_classes, self._image_size, layers.shape_enc, config)
            with torch.no_grad():
                vector = layers.node_vectors([inputs]).mean(0)
            self._embeddings[architecture] = vector.double().cpu().numpy()
        return self._embeddings[architecture]

    def accuracy(self, architecture: Architecture) -> float:
        """The share of images that the network classifies correctly with predicted parameters; 0 if it gives NaN."""
        if architecture not in self._accuracies:
            device = next(self._ghn.parameters()).device
            network = build_network(
                self._sized(architecture), len(self._images.classes), self._image_size, track_running_stats=False
            ).to(device)
            try:
                self._ghn(network)
                accuracy = evaluate(network, self._images.validation, self._images, device=device)
            except DivergenceError:
                accuracy = 0.0
            self._accuracies[architecture] = accuracy
        return self._accuracies[architecture]

    @cached_property
    def _images(self) -> ImageData:
        return load_images(
            self._dataset,
            self._data_dir,
            image_size=self._image_size,
            train_images=_TRAIN_IMAGES,
            validation_images=self._count,
        )

    def _sized(self, architecture: Architecture) -> Architecture:
        """The architecture with the channels asked for, or the next multiple of these that it can have.

        Raises:
            ArchitectureError: if there is none.
        """
        channels = self._channels
        while channels is not None:
            try:
                return architecture.resized(C=channels)
            except ArchitectureError:
                channels *= 2
                if channels > _MOST_DOUBLED:
                    raise
        return architecture


@lru_cache(maxsize=4)
def ghn_scores(
    ghn: str, image_size: int, channels: int | None, dataset: str, data_dir: str | None, images: int
) -> GHNScores:
    """The scores of these settings, the same object for the same settings.

    Raises:
        CheckpointError: if there is no such hypernetwork.
    """
    return GHNScores(ghn, image_size, channels, dataset, data_dir, images)
