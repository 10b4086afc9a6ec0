"""Batch normalisation by the statistics of the batch: a hypernetwork does not predict running ones."""

import torch
from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm

__all__ = ["use_batch_statistics", "use_running_statistics"]


def use_batch_statistics(network: nn.Module) -> None:
    """Has every batch normalisation of a network take the statistics of its batch, in training and in evaluation.

    It then tracks none: this is what :func:`tart_nas.evaluate` goes by. :func:`use_running_statistics` undoes it.
    """
    for module in network.modules():
        if isinstance(module, _BatchNorm):
            module.track_running_stats = False
            module.running_mean = module.running_var = module.num_batches_tracked = None


def use_running_statistics(network: nn.Module) -> None:
    """Has every batch normalisation of a network track running statistics for evaluation, as PyTorch's do at first.

    Those that do already are left as they are; the others begin with a mean of 0 and a variance of 1.
    """
    for module in network.modules():
        if isinstance(module, _BatchNorm) and module.running_mean is None:
            like = next(module.parameters(), torch.empty(0))
            module.track_running_stats = True
            module.running_mean = torch.zeros(module.num_features, device=like.device, dtype=like.dtype)
            module.running_var = torch.ones(module.num_features, device=like.device, dtype=like.dtype)
            module.num_batches_tracked = torch.zeros((), dtype=torch.long, device=like.device)
