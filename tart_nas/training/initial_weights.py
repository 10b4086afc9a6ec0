"""Weights that a training begins with instead of the network's own initialisation.

They may be of a network that predicts parameters, or of an earlier training.
"""

import logging
from collections.abc import Mapping
from hashlib import sha256
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor, nn

from tart_nas.checksums import DamagedFileError, check_file
from tart_nas.errors import CheckpointError, reason

__all__ = ["InitialWeights", "digest", "read_initial_weights", "set_initial_weights"]

InitialWeights = Mapping[str, Tensor] | Path | str
"""Tensors by their names in the network's ``state_dict``, a safetensors file of these, or the folder of a trained
network, which holds ``weights.safetensors``."""

_log = logging.getLogger(__name__)


def read_initial_weights(weights: InitialWeights) -> Mapping[str, Tensor]:
    """The tensors by name, read where a path was given.

    Raises:
        CheckpointError: if there is no such file, or it is no safetensors file.
    """
    if isinstance(weights, Mapping):
        return weights
    path = Path(weights)
    file = path / "weights.safetensors" if path.is_dir() else path
    try:
        check_file(file)
        return load_file(file)
    except (SafetensorError, OSError, DamagedFileError) as error:
        raise CheckpointError(f"{path} holds no initial weights in a safetensors file: {reason(error)}.") from None


def set_initial_weights(network: nn.Module, weights: Mapping[str, Tensor]) -> None:
    """Copies tensors into a network.

    Parameters and buffers that are not given keep their values: a network that predicts parameters predicts no running
    statistics and no auxiliary head. The log tells how many are kept.

    Args:
        network: on any device.
        weights: by name, at least one.

    Raises:
        CheckpointError: if a name or a shape is not one of the network, or a number is not finite.
    """
    state = network.state_dict()  # its tensors are the network's own
    if not weights:
        raise CheckpointError("The initial weights must hold at least one tensor, but are empty.")
    for name, tensor in weights.items():
        if name not in state:
            raise CheckpointError(f"The initial weights are of another network: it has no {name!r}.")
        if tensor.shape != state[name].shape:
            raise CheckpointError(
                f"The initial weights are of another network: {name!r} has the shape {tuple(tensor.shape)}, but must "
                f"have {tuple(state[name].shape)}."
            )
        if not tensor.isfinite().all():
            raise CheckpointError(f"The initial weights are not finite in {name!r}.")
    # Only after all tensors were checked: refused weights leave the network as it was.
    with torch.no_grad():
        for name, tensor in weights.items():
            state[name].copy_(tensor)
    kept = len(state) - len(weights)
    _log.info("%d tensors begin with the given weights, %d with the network's own", len(weights), kept)


def digest(weights: Mapping[str, Tensor]) -> str:
    """A hash of names, shapes, types and values, by which a training knows its initial weights again."""
    found = sha256()
    for name in sorted(weights):
        tensor = weights[name].detach().cpu().contiguous()
        found.update(f"{name} {tuple(tensor.shape)} {tensor.dtype}\n".encode())
        # As bytes, since numpy has no bfloat16.
        found.update(tensor.reshape(-1).view(torch.uint8).numpy().tobytes())
    return found.hexdigest()
