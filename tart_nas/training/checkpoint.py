"""A training on disk: all that an interrupted one needs to end with the weights of an undisturbed one.

One safetensors file: ``network.<name>`` and ``momentum.<name>``, and as metadata, in JSON, what the training is (its
recipe, seed and images) and the epochs that are done. What is random in an epoch depends on the seed and the epoch
alone, so that no state of a random number generator is kept.
"""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor, nn

from tart_nas.errors import CheckpointError, reason
from tart_nas.files import replacing
from tart_nas.training.metrics import EpochMetrics

__all__ = ["Progress", "read_checkpoint", "restore", "snapshot", "write_checkpoint"]

_FORMAT = "tart-nas training 1"


@dataclass(frozen=True)
class Progress:
    """How far a training is.

    Args:
        epochs: those that are done.
        training_seconds: that they took, without validation.
        parts: into how many parts a batch is split because it does not fit into memory whole.
        compiled: whether the network is compiled, which is another arithmetic than to call it as it is.
    """

    epochs: tuple[EpochMetrics, ...] = ()
    training_seconds: float = 0.0
    parts: int = 1
    compiled: bool = False

    def after(self, epoch: EpochMetrics, seconds: float) -> "Progress":
        """When another epoch is done."""
        return replace(self, epochs=(*self.epochs, epoch), training_seconds=self.training_seconds + seconds)


def snapshot(network: nn.Module, optimizer: torch.optim.SGD) -> dict[str, Tensor]:
    """Copies the state of a training, to the CPU."""
    tensors = {f"network.{name}": tensor for name, tensor in network.state_dict().items()}
    for name, parameter in network.named_parameters():
        momentum = optimizer.state.get(parameter, {}).get("momentum_buffer")
        if momentum is not None:  # there is none of parameters without a gradient
            tensors[f"momentum.{name}"] = momentum
    return {
        name: torch.empty(tensor.shape, dtype=tensor.dtype).copy_(tensor.detach()) for name, tensor in tensors.items()
    }


def restore(tensors: Mapping[str, Tensor], network: nn.Module, optimizer: torch.optim.SGD) -> None:
    """Sets the state of a training.

    Raises:
        CheckpointError: if it is that of another network.
    """
    weights = {name.removeprefix("network."): t for name, t in tensors.items() if name.startswith("network.")}
    own = {name: tensor.shape for name, tensor in network.state_dict().items()}
    if {name: tensor.shape for name, tensor in weights.items()} != own:
        raise CheckpointError("The checkpoint is that of another network: its weights have other names or shapes.")
    network.load_state_dict(weights)
    optimizer.state.clear()
    for name, parameter in network.named_parameters():
        if (momentum := tensors.get(f"momentum.{name}")) is not None:
            optimizer.state[parameter] = {"momentum_buffer": torch.empty_like(parameter).detach().copy_(momentum)}


def write_checkpoint(
    path: Path, tensors: Mapping[str, Tensor], progress: Progress, identity: Mapping[str, Any]
) -> None:
    """Writes the state of a training, whole or not at all."""
    values = {"format": _FORMAT, "identity": json.dumps(identity), "progress": json.dumps(asdict(progress))}
    with replacing(path) as temporary:
        save_file(dict(tensors), temporary, values)


def read_checkpoint(path: Path, identity: Mapping[str, Any]) -> tuple[dict[str, Tensor], Progress]:
    """Reads what :func:`write_checkpoint` wrote.

    Raises:
        CheckpointError: if the file is something else, or of a training that is another than ``identity``.
    """
    try:
        with safe_open(path, framework="pt") as file:
            values = file.metadata() or {}
            if values.get("format") != _FORMAT:
                raise CheckpointError(f"{path} is not the checkpoint of a training.")
            made = json.loads(values["identity"])
            progress = json.loads(values["progress"])
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118  # no dictionary
        progress["epochs"] = tuple(EpochMetrics(**epoch) for epoch in progress["epochs"])
        read = Progress(**progress)
    except (SafetensorError, OSError, ValueError, KeyError, TypeError) as error:
        if isinstance(error, CheckpointError):
            raise
        raise CheckpointError(f"{path} is not the checkpoint of a training: {reason(error)}.") from None
    then, now = _flat(made), _flat(identity)
    if differing := [name for name in {**then, **now} if then.get(name) != now.get(name)]:
        differences = ", ".join(f"{name} {then.get(name)} then, {now.get(name)} now" for name in differing)
        raise CheckpointError(f"{path} is of another training ({differences}): use another file.")
    return tensors, read


def _flat(values: Mapping[str, Any]) -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for name, value in values.items():
        flat |= value if isinstance(value, dict) else {name: value}
    return flat
