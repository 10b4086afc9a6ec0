"""The one network that a command is about, by the name or the file that its user gives."""

from dataclasses import dataclass
from pathlib import Path

from torch import nn
from torchvision import models

from tart_nas.architecture import Architecture
from tart_nas.deepnets1m import DeepNets1M
from tart_nas.errors import ArchitectureError, SettingError
from tart_nas.networks import describe
from tart_nas.published import PUBLISHED, published
from tart_nas.runs import read_candidates
from tart_nas.search_spaces import DartsSpace

__all__ = ["FoundNetwork", "find_network"]


@dataclass(frozen=True)
class FoundNetwork:
    """A network that was found.

    Args:
        name: what to call it.
        architecture: None for a model of torchvision.
        model: the name of torchvision's model, None for an architecture.
    """

    name: str
    architecture: Architecture | None
    model: str | None = None

    def module(self, num_classes: int = 1000) -> nn.Module:
        """torchvision's model with random weights."""
        module: nn.Module = models.get_model(self.model, weights=None, num_classes=num_classes)
        return module


def find_network(what: str, split: str | None = None, index: int = 0) -> FoundNetwork:
    """Finds a network.

    Args:
        what: a name of :data:`tart_nas.published.PUBLISHED`, the name of a classification model of torchvision, a JSON
            file of architectures or genotypes (see :func:`tart_nas.runs.read_candidates`), a folder of DeepNets-1M, or
            the folder of a finished search, whose best network it is, by validation accuracy, at its own size.
        split: the split of such a folder.
        index: of the network in the file or the split.

    Raises:
        TartError: if there is no such network.
    """
    path = Path(what)
    if what.lower() in map(str.lower, PUBLISHED):
        return FoundNetwork(what, published(what))
    if (path / "config.json").is_file():
        return _best_of(path)
    if path.is_dir():
        if split is None:
            raise SettingError(f"{path} is a folder: give the split of DeepNets-1M with --split.")
        architecture = DeepNets1M(path, split).architecture(index)
        if architecture is None:
            raise ArchitectureError(f"{split}/{index} has no genotype: it is torchvision's resnet50.")
        return FoundNetwork(f"{split}/{index}", architecture)
    if path.is_file():
        candidates = read_candidates(path, DartsSpace())
        if not 0 <= index < len(candidates):
            raise ArchitectureError(f"{path} has no entry {index}: expected an index in [0, {len(candidates)}).")
        return FoundNetwork(f"{path.name}, entry {index}", candidates[index])
    if what in models.list_models(models):
        return FoundNetwork(what, None, what)
    raise ArchitectureError(
        f"There is no network {what!r}: expected {', '.join(PUBLISHED)}, a classification model of torchvision, a JSON "
        "file of architectures or genotypes, or a folder of DeepNets-1M."
    )


def _best_of(folder: Path) -> FoundNetwork:
    """The best network of a search at its own size, the best so far of one that has not finished."""
    description = describe(folder)
    name = f"{description.about.get('name', 'the best')} of {folder.name}"
    return FoundNetwork(name, description.full_size)
