"""A training on disk: all that an interrupted one needs to end with the weights of an undisturbed one.

One safetensors file: the network's tensors as ``network.<name>``, the optimizer's as ``<state>.<parameter's name>``,
and as metadata, in JSON, what the training is (its recipe, seed and images) and the epochs that are done. What is
random in an epoch depends on the seed and the epoch alone, so that no state of a random number generator is kept.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from tart_nas.errors import CheckpointError
from tart_nas.training.metrics import EpochMetrics
from tart_nas.training.recipe import TrainingRecipe
from tart_nas.training.state_file import StateFile

__all__ = ["Progress", "read_checkpoint", "restore", "snapshot", "write_checkpoint"]

_STATES = {  # PyTorch's names of an optimizer's state -> those in the file
    "momentum_buffer": "momentum",  # of SGD, the only optimizer of version 0.1.0
    "exp_avg": "exp_avg",
    "exp_avg_sq": "exp_avg_sq",
    "step": "step",
}


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

    def with_arithmetic(self, compile: bool | None, device: torch.device) -> tuple["Progress", bool | None]:
        """How the network is computed: as it began, whatever is asked for now, so that the weights are the same.

        Args:
            compile: what is asked for; see :func:`tart_nas.training.train`.
            device: networks are compiled on GPUs only.

        Returns:
            The progress that notes it, and ``compile`` as it applies.
        """
        if self.epochs and bool(compile) != self.compiled:
            compile = self.compiled or None
        return replace(self, compiled=bool(compile) and device.type == "cuda"), compile

    def after(self, epoch: EpochMetrics, seconds: float, parts: int) -> "Progress":
        """When another epoch is done."""
        seconds += self.training_seconds
        return replace(self, epochs=(*self.epochs, epoch), training_seconds=seconds, parts=parts)


def snapshot(network: nn.Module, optimizer: Optimizer) -> dict[str, Tensor]:
    """Copies the state of a training, to the CPU."""
    tensors = {f"network.{name}": tensor for name, tensor in network.state_dict().items()}
    for name, parameter in network.named_parameters():
        state = optimizer.state.get(parameter, {})  # there is none of parameters without a gradient
        for key, in_file in _STATES.items():
            if isinstance(state.get(key), Tensor):
                tensors[f"{in_file}.{name}"] = state[key]
    # Contiguous copies: safetensors refuses weights that are channels last.
    return {
        name: torch.empty(tensor.shape, dtype=tensor.dtype).copy_(tensor.detach()) for name, tensor in tensors.items()
    }


def restore(tensors: Mapping[str, Tensor], network: nn.Module, optimizer: Optimizer) -> None:
    """Sets the state of a training.

    Raises:
        CheckpointError: if it is that of another network.
    """
    weights = {name.removeprefix("network."): t for name, t in tensors.items() if name.startswith("network.")}
    expected = {name: tensor.shape for name, tensor in network.state_dict().items()}
    if {name: tensor.shape for name, tensor in weights.items()} != expected:
        raise CheckpointError("The checkpoint is that of another network: its weights have other names or shapes.")
    network.load_state_dict(weights)
    # A parameter that has no state in the copy must not keep the state of a failed attempt.
    optimizer.state.clear()
    for name, parameter in network.named_parameters():
        state = {
            key: tensors[f"{in_file}.{name}"] for key, in_file in _STATES.items() if f"{in_file}.{name}" in tensors
        }
        for key, tensor in state.items():
            # As PyTorch makes them: laid out like the parameter; the number of steps as a scalar beside it, since
            # fused implementations want it on the device.
            place = torch.empty_like(parameter) if tensor.shape == parameter.shape else tensor.to(parameter.device)
            state[key] = place.detach().copy_(tensor)
        if state:
            optimizer.state[parameter] = state


def _read_progress(values: dict[str, Any]) -> Progress:
    return Progress(**{**values, "epochs": tuple(EpochMetrics(**epoch) for epoch in values["epochs"])})


def _complete(identity: dict[str, Any]) -> dict[str, Any]:
    """Settings that the version before did not have take their defaults."""
    if "recipe" in identity:
        identity["recipe"] = TrainingRecipe.from_dict(identity["recipe"]).to_dict()
    return identity


_FILE = StateFile("tart-nas training 1", "a training", asdict, _read_progress, _complete, place="file")


def write_checkpoint(
    path: Path, tensors: Mapping[str, Tensor], progress: Progress, identity: Mapping[str, Any]
) -> None:
    """Writes the state of a training, whole or not at all."""
    _FILE.write(path, tensors, progress, identity)


def read_checkpoint(path: Path, identity: Mapping[str, Any]) -> tuple[dict[str, Tensor], Progress]:
    """Reads what :func:`write_checkpoint` wrote, also in the version before.

    Raises:
        CheckpointError: if the file is something else, or of a training that is another than ``identity``.
    """
    return _FILE.read(path, identity)
