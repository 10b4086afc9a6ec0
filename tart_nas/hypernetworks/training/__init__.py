"""Training graph hypernetworks: recipes, the networks that they are trained on, the loop."""

from tart_nas.hypernetworks.training.checkpoint import EpochSums, GHNProgress
from tart_nas.hypernetworks.training.initial import untrained_ghn
from tart_nas.hypernetworks.training.loop import train_ghn
from tart_nas.hypernetworks.training.networks import NetworkSource, SampledNetworks
from tart_nas.hypernetworks.training.recipe import GHN_PRESETS, GHNPresetSettings, GHNRecipe
from tart_nas.hypernetworks.training.widths import WIDTHS, Widths

__all__ = [
    "GHN_PRESETS",
    "WIDTHS",
    "EpochSums",
    "GHNPresetSettings",
    "GHNProgress",
    "GHNRecipe",
    "NetworkSource",
    "SampledNetworks",
    "Widths",
    "train_ghn",
    "untrained_ghn",
]
