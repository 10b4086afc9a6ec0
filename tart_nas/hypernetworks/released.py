"""Hypernetworks by name: those that come with the package, and where the published ones are."""

import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import torch

from tart_nas.downloading import fetch
from tart_nas.errors import CheckpointError, reason

__all__ = ["BUNDLED", "RELEASED", "Release", "bundled_file", "released_file"]

BUNDLED = ("ghn2-cifar10-small",)
"""The hypernetworks that come with the package: small ones, trained in minutes (docs/hypernetworks.md)."""

_PPUDA = "https://github.com/facebookresearch/ppuda/raw/main/checkpoints/"
_GHN3 = "https://huggingface.co/SamsungSAILMontreal/ghn3/resolve/main/"


@dataclass(frozen=True)
class Release:
    """A published file. Its authors give no checksum.

    Args:
        url: where it is.
        parameters: how many the hypernetwork has.
    """

    url: str
    parameters: int

    @property
    def file_name(self) -> str:
        """The file's name."""
        return self.url.rpartition("/")[2]


RELEASED: dict[str, Release] = {
    "ghn1-cifar10": Release(f"{_PPUDA}ghn1_cifar10.pt", 1_620_668),
    "ghn2-cifar10": Release(f"{_PPUDA}ghn2_cifar10.pt", 1_620_764),
    "mlp-cifar10": Release(f"{_PPUDA}mlp_cifar10.pt", 1_614_396),
    "ghn1-imagenet": Release(f"{_PPUDA}ghn1_imagenet.pt", 2_319_624),
    "ghn2-imagenet": Release(f"{_PPUDA}ghn2_imagenet.pt", 2_319_720),
    "ghn3tm8": Release(f"{_GHN3}ghn3tm8.pt", 6_906_632),
    "ghn3sm8": Release(f"{_GHN3}ghn3sm8.pt", 35_810_368),
    "ghn3lm8": Release(f"{_GHN3}ghn3lm8.pt", 214_668_960),
    "ghn3xlm16": Release(f"{_GHN3}ghn3xlm16.pt", 654_365_184),
}
"""The hypernetworks of Knyazev et al., NeurIPS 2021 (GHN-1, GHN-2, MLP) and ICML 2023 (GHN-3)."""


def bundled_file(name: str) -> Path:
    """The file of a hypernetwork that comes with the package, one of :data:`BUNDLED`."""
    return Path(__file__).parent / "bundled" / f"{name}.safetensors"


def released_file(
    name: str,
    folder: str | os.PathLike[str] | None = None,
    progress: Callable[[str, int, int | None], None] | None = None,
) -> Path:
    """The file of a published hypernetwork, downloaded if it is not there.

    A download that broke off leaves a file with the ending ``.part``, from which the same call goes on.

    Args:
        name: one of :data:`RELEASED`.
        folder: where files are kept; by default PyTorch's folder of downloads (``TORCH_HOME``).
        progress: called with the file's name, the bytes that are there and all bytes, None if their number is unknown.

    Raises:
        CheckpointError: if there is none of that name, the server cannot be reached, the connection breaks off, or the
            file cannot be written.
    """
    if name not in RELEASED:
        raise CheckpointError(f"There is no published hypernetwork {name!r}: expected one of {', '.join(RELEASED)}.")
    release = RELEASED[name]
    path = (Path(torch.hub.get_dir()) / "checkpoints" if folder is None else Path(folder)) / release.file_name
    if path.exists():
        return path
    # The weights are float32: 4 bytes each.
    by_hand = (
        f"The same call goes on when there is a connection; or download the file ({release.parameters * 4 / 1e6:,.0f} "
        f"MB) by other means to {path}."
    )
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        fetch(release.url, path, md5=None, progress=progress, advice=by_hand, error=CheckpointError)
    except OSError as error:
        raise CheckpointError(f"Cannot write {path}: {reason(error)}.") from None
    return path
