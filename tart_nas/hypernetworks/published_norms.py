"""A check of a published hypernetwork: the norms of what it predicts, against the list that its authors give.

The list is of 74 models of torchvision with 1,000 classes: ``published_norms.json``, from ``ghn3_results.json`` of
SamsungSAILMontreal/ghn3 (MIT).
"""

import json
import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from importlib import resources

import torch

from tart_nas.checks import one_of
from tart_nas.errors import SettingError
from tart_nas.hypernetworks.ghn import GHN, GHNWarning

__all__ = ["NORM_TOLERANCE", "NormCheck", "check_norms", "published_norms"]

NORM_TOLERANCE = 1e-2
"""The largest difference that the authors' own test allows."""

_INCEPTION_SIZE = 299


@dataclass(frozen=True)
class NormCheck:
    """The norm of all parameters of a model, those included that are not predicted.

    Args:
        model: its name in torchvision.
        norm: with the parameters predicted here.
        published: by the list.
    """

    model: str
    norm: float
    published: float

    @property
    def agrees(self) -> bool:
        """Whether the two are equal but for rounding."""
        return abs(self.norm - self.published) <= NORM_TOLERANCE


def published_norms(ghn: GHN) -> dict[str, float]:
    """The published norm for each model, by the hypernetwork's kind and size.

    Raises:
        SettingError: if there are none for its kind: there are for GHN-2, GHN-3-T and GHN-3-XL, trained on ImageNet.
    """
    config = ghn.config
    kinds = (("gatedgnn", 32), ("graphormer", 64), ("graphormer", 384))  # as in the list's rows
    kind = (config.hypernet, config.hid)
    if config.num_classes != 1000 or not config.ve or kind not in kinds:
        raise SettingError(
            "Norms are published for GHN-2, GHN-3-T and GHN-3-XL, trained on ImageNet, but this hypernetwork has "
            f"{config.num_classes} classes, hypernet {config.hypernet!r}, hid {config.hid}."
        )
    text = resources.files("tart_nas.hypernetworks").joinpath("published_norms.json").read_text("utf-8")
    return {model: norms[kinds.index(kind)] for model, norms in json.loads(text).items()}


def check_norms(ghn: GHN, models: Sequence[str]) -> Iterator[NormCheck]:
    """Predicts the parameters of models of torchvision and compares their norms with the published ones.

    Raises:
        SettingError: if there are no published norms for this kind, or for a model of this name.
    """
    from torchvision.models import get_model  # here, since importing torchvision takes seconds

    published = published_norms(ghn)
    for model in models:
        one_of("models", model, published)
    for model in models:
        options = {"init_weights": True} if model in ("inception_v3", "googlenet") else {}
        network = get_model(model, weights=None, **options)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", GHNWarning)  # that class tokens and tables of positions keep their values
            ghn(network, image_size=_INCEPTION_SIZE if model == "inception_v3" else 224)
        norms = torch.stack([parameter.detach().norm() for parameter in network.parameters()])
        yield NormCheck(model, float(norms.norm()), published[model])
