"""A device that fails in the middle of real work, which no machine can be asked to have."""

import torch

from tart_nas.networks.network import Network

FAULT = torch.AcceleratorError("CUDA error: unspecified launch failure\nCompile with `TORCH_USE_CUDA_DSA`")


class FailingDevice:
    """Has forward passes of networks in training raise an error."""

    def __init__(self, monkeypatch):
        self._monkeypatch, self._forward = monkeypatch, Network.forward

    def start(self, error, after=0, of=lambda network: True):
        """From now on, after so many passes in training of the networks that ``of`` chooses."""
        passes, forward = iter(range(10_000)), self._forward

        def faulty(network, x):
            if network.training and x.device.type != "meta" and of(network) and next(passes) >= after:
                raise error
            return forward(network, x)

        self._monkeypatch.setattr(Network, "forward", faulty)

    def stop(self):
        self._monkeypatch.setattr(Network, "forward", self._forward)
