"""A training's first weights, predicted by a hypernetwork."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from functools import cached_property
from typing import Any

import torch
from torch import Tensor, nn

from tart_nas.checks import number, whole
from tart_nas.errors import CheckpointError, SettingError
from tart_nas.hypernetworks.ghn import GHN
from tart_nas.hypernetworks.reinitialisation import reinitialise
from tart_nas.training.initial_weights import digest

__all__ = ["PredictedStart"]


@dataclass(frozen=True, kw_only=True)
class PredictedStart:
    """How a network gets its first weights from a hypernetwork.

    Without noise and orthogonal weights, as Knyazev et al. fine-tune (NeurIPS 2021); with them as in "Pretraining a
    Neural Network before Knowing Its Architecture" (2022), which uses both, the noise 3e-5.

    Example::

        start = PredictedStart(ghn="ghn2-imagenet", noise=3e-5, orthogonal=True, from_layer=37)
        train(network, images, recipe, initial_weights=start.weights(network, image_size=32))

    Args:
        ghn: the hypernetwork's file or name, see :meth:`GHN.load`.
        noise: see :func:`tart_nas.hypernetworks.reinitialise`; so are the next two.
        orthogonal: whether weights are made orthogonal.
        from_layer: the first layer that is changed, from 1.

    Raises:
        SettingError: if a value is out of range, or layers are named though nothing is changed.
    """

    ghn: str
    noise: float = 0.0
    orthogonal: bool = False
    from_layer: int = 0

    def __post_init__(self) -> None:
        number("init_noise", self.noise, 0)
        if whole("init_from_layer", self.from_layer) and not (self.noise or self.orthogonal):
            raise SettingError("`init_from_layer` needs `init_noise` or `init_orthogonal`.")

    @cached_property
    def loaded(self) -> GHN:
        """The hypernetwork.

        Raises:
            CheckpointError: if there is none, or it cannot be read.
        """
        return GHN.load(self.ghn)

    def weights(self, network: nn.Module, *, image_size: int | None = None, seed: int = 0) -> dict[str, Tensor]:
        """The first weights of all parameters, by full name.

        What the hypernetwork does not predict keeps its value, and so does the layer that gives the logits, if the
        hypernetwork was trained for another number of classes.

        Args:
            network: the network, without auxiliary heads. It is changed.
            image_size: of the images, for networks that are not ours; see :meth:`GHN.prepare`.
            seed: of the noise, at least 0.

        Raises:
            GraphError: if no graph can be made of the network.
            DivergenceError: if a predicted value is not finite.
        """
        inputs = self.loaded.prepare(network, image_size=image_size)
        # For other classes the predicted rows would be repetitions. As published, the layer then keeps PyTorch's
        # values.
        same_classes = inputs.num_classes in (None, self.loaded.config.num_classes)
        self.loaded(network, graph=inputs, predict_class_layers=same_classes, batch_statistics=False)
        generator = torch.Generator().manual_seed(seed)
        reinitialise(
            network,
            noise=self.noise,
            orthogonal_weights=self.orthogonal,
            from_layer=self.from_layer,
            generator=generator,
        )
        return {name: parameter.detach() for name, parameter in network.named_parameters()}

    def identity(self) -> dict[str, Any]:
        """JSON values that tell this start from others: the settings, and a hash of the hypernetwork's weights."""
        return {**asdict(self), "sha256": digest(self.loaded.layers.state_dict())}

    @classmethod
    def identified(cls, identity: Mapping[str, Any]) -> "PredictedStart":
        """The start that :meth:`identity` tells.

        Raises:
            CheckpointError: if the hypernetwork there is not the same any more, or the values tell none.
        """
        values = dict(identity)
        sha256 = values.pop("sha256", None)
        try:
            start = cls(**values)
        except TypeError:
            raise CheckpointError(f"These values tell no start from a hypernetwork: {identity}.") from None
        # A file of the same name may have been replaced since the run began.
        if start.identity()["sha256"] != sha256:
            raise CheckpointError(f"The hypernetwork {start.ghn} has other weights than the run began with.")
        return start
