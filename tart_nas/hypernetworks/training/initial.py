"""A hypernetwork's weights before its training."""

import torch
from torch import nn

from tart_nas.hypernetworks.config import GHNConfig
from tart_nas.hypernetworks.ghn import GHN

__all__ = ["untrained_ghn"]


def untrained_ghn(config: GHNConfig, seed: int = 0) -> GHN:
    """A hypernetwork to train, with the initial weights of the published training: PyTorch's, smaller ones in GHN-3.

    torch's global random numbers are afterwards as they were.

    Args:
        config: its settings.
        seed: of the weights, at least 0.
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        ghn = GHN(config)
        if config.hypernet == "graphormer":
            _make_smaller(ghn)
    return ghn


@torch.no_grad()
def _make_smaller(ghn: GHN) -> None:
    """The initial weights of GHN-3: the layers that give predicted tensors are divided by 5, without biases."""
    for name, module in ghn.layers.named_modules():
        if isinstance(module, nn.Embedding):
            deviation = module.embedding_dim**-0.5
            nn.init.trunc_normal_(module.weight, std=deviation, a=-2.0, b=2.0)
        elif name in ("decoder_1d.fc.2", "decoder.conv.2", "decoder.class_layer_predictor.1"):
            assert isinstance(module, nn.Linear)
            module.weight.div_(5)
            module.bias.zero_()
