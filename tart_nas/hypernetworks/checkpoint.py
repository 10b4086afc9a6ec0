"""Checkpoints of graph hypernetworks: ours, and the published ones in each form that they have."""

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from math import isqrt
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from tart_nas.checksums import UNSTAMPED, check_file, stamp_file
from tart_nas.errors import CheckpointError, SettingError, reason
from tart_nas.files import replacing
from tart_nas.hypernetworks.config import GHNConfig
from tart_nas.hypernetworks.pickles import read_pickle

__all__ = ["FORMAT", "Checkpoint", "read_checkpoint", "write_checkpoint"]

FORMAT = "tart-nas hypernetwork"
_VERSION = "1"

_OF_FIRST_LAYER = ("centrality_embed_in.", "centrality_embed_out.", "input_dist_embed.")
"""Tables of GHN-3's first layer, which its released files have at the top."""


@dataclass(frozen=True)
class Checkpoint:
    """What a file holds.

    Args:
        config: the settings.
        tensors: the weights by the names of :class:`tart_nas.hypernetworks.layers.HypernetworkLayers`.
        about: what else is known, JSON values.
    """

    config: GHNConfig
    tensors: dict[str, Tensor]
    about: Mapping[str, Any]


def write_checkpoint(path: str | os.PathLike[str], checkpoint: Checkpoint) -> None:
    """Writes a checkpoint as one safetensors file, whole or not at all.

    Raises:
        CheckpointError: if the file cannot be written.
    """
    header = {
        "format": FORMAT,
        "version": _VERSION,
        "config": json.dumps(checkpoint.config.as_dict()),
        "about": json.dumps(checkpoint.about, allow_nan=False),
    }
    tensors = {name: tensor.detach().cpu().contiguous() for name, tensor in checkpoint.tensors.items()}
    try:
        with replacing(Path(path)) as temporary:
            save_file(tensors, temporary, {**header, **UNSTAMPED})
            stamp_file(temporary)
    except OSError as error:
        raise CheckpointError(f"Cannot write the hypernetwork to {path}: {reason(error)}.") from None


def read_checkpoint(path: str | os.PathLike[str]) -> Checkpoint:
    """Reads a checkpoint of ours, or a published one; nothing in it is run.

    Of a file that holds weights alone the settings are worked out from their shapes.

    Raises:
        CheckpointError: if the file is missing, damaged, of another kind or version, or has numbers
            that are not finite.
    """
    path = Path(path)
    try:
        if not path.is_file():
            raise CheckpointError(f"There is no file of a hypernetwork at {path}.")
        checkpoint = _published(path, read_pickle(path)) if _is_pickle(path) else _own(path)
    except OSError as error:
        raise CheckpointError(f"{path} cannot be read: {reason(error)}.") from None
    except SettingError as error:
        raise CheckpointError(f"The settings in {path} are not those of a hypernetwork: {reason(error)}.") from None
    bad = next((name for name, tensor in checkpoint.tensors.items() if not tensor.isfinite().all()), None)
    if bad is not None:
        raise CheckpointError(f"{path} has numbers that are not finite, in {bad!r}.")
    return checkpoint


def _is_pickle(path: Path) -> bool:
    """Whether a file is an archive of ``torch.save`` or a pickle; any byte may be a safetensors file's first one."""
    with path.open("rb") as file:
        head = file.read(9)
    is_safetensors = head[8:] == b"{" and int.from_bytes(head[:8], "little") <= path.stat().st_size
    return not is_safetensors and head.startswith((b"PK\x03\x04", b"\x80"))


def _own(path: Path) -> Checkpoint:
    try:
        check_file(path)
        with safe_open(path, framework="pt") as file:
            header = file.metadata() or {}
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118  (not a mapping)
        if header.get("format") == FORMAT and header.get("version") == _VERSION:
            config, about = json.loads(header["config"]), json.loads(header["about"])
            return Checkpoint(GHNConfig.from_mapping(config), _weights(path, tensors), about)
    except (SafetensorError, KeyError, ValueError, TypeError, AttributeError, RecursionError) as error:
        if isinstance(error, SettingError | CheckpointError):
            raise
        raise CheckpointError(f"{path} is no complete file of a hypernetwork: {reason(error)}.") from None
    raise CheckpointError(
        f"{path} is no hypernetwork that this TART-NAS reads: its format is {header.get('format')!r}, "
        f"version {header.get('version')!r}."
    )


def _published(path: Path, content: Any) -> Checkpoint:
    if not isinstance(content, Mapping):
        raise CheckpointError(f"{path} is no checkpoint of a hypernetwork: it holds a {type(content).__name__}.")
    if "state_dict" not in content:
        tensors = _weights(path, content)
        return Checkpoint(_inferred(path, tensors), tensors, {})
    if not isinstance(content["state_dict"], Mapping) or not isinstance(content.get("config"), Mapping):
        raise CheckpointError(f"{path} is no checkpoint of a hypernetwork: it lacks 'config' or the weights.")
    about = {name: content[name] for name in ("epoch", "step") if isinstance(content.get(name), int)}
    return Checkpoint(GHNConfig.from_mapping(content["config"]), _weights(path, content["state_dict"]), about)


def _weights(path: Path, content: Mapping[Any, Any]) -> dict[str, Tensor]:
    """Weights by our names and in our shapes: 1x1 convolutions are linear layers here, as they are in GHN-3."""
    result = {}
    for name, tensor in content.items():
        if not isinstance(name, str) or not isinstance(tensor, Tensor) or not tensor.is_floating_point():
            raise CheckpointError(f"{path} is no checkpoint of a hypernetwork: {name!r} is no tensor of weights.")
        name = name.removeprefix("module.")  # of a model that was trained on several devices
        if name.startswith(_OF_FIRST_LAYER):
            name = f"gnn.0.{name}"
        if tensor.dim() == 4 and tensor.shape[2:] == (1, 1):
            tensor = tensor[:, :, 0, 0]
        result[name] = tensor.detach().to(torch.float32)
    return result


def _inferred(path: Path, tensors: Mapping[str, Tensor]) -> GHNConfig:
    """The settings by the shapes of weights."""
    try:
        hid = tensors["embed.weight"].shape[1]
        classes, out = tensors["decoder.class_layer_predictor.1.weight"].shape
        size = isqrt(tensors["decoder.fc.0.weight"].shape[0] // (4 * hid))
        into = tensors["decoder.conv.2.weight"].shape[0] // out
        kind: dict[str, Any] = {"hypernet": "mlp"}
        if "gnn.0.ln1.weight" in tensors:
            layers = sum(name.endswith(".ln1.weight") for name in tensors)
            kind = {"hypernet": "graphormer", "layers": layers, "heads": len(tensors["gnn.0.attn.proj_e.2.weight"])}
        elif "gnn.gru.weight_ih" in tensors:
            kind = {"hypernet": "gatedgnn"}
    except (KeyError, ValueError, IndexError, ZeroDivisionError):
        raise CheckpointError(f"{path} has no settings, and its weights are not those of a hypernetwork.") from None
    normalised = "ln.weight" in tensors  # in all published kinds but GHN-1, which normalises neither
    return GHNConfig(
        max_shape=(out, into, size, size),
        num_classes=classes,
        hid=hid,
        layernorm=normalised,
        weight_norm=normalised,
        ve="gnn.mlp_ve.fc.0.weight" in tensors or kind["hypernet"] != "gatedgnn",
        **kind,
    )
