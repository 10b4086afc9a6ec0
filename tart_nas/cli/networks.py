"""The one network that a command is about, by the name or the file that its user gives."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from tart_nas.architecture import Architecture
from tart_nas.cli.options import one_of_two
from tart_nas.errors import ArchitectureError, reason
from tart_nas.file_kinds import HOLD_ARCHITECTURES, HOLD_NETWORKS, recognise
from tart_nas.published import PUBLISHED, published

if TYPE_CHECKING:
    from torch import nn

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

    def module(self, num_classes: int = 1000) -> "nn.Module":
        """torchvision's model with random weights."""
        from torchvision import models

        module: nn.Module = models.get_model(self.model, weights=None, num_classes=num_classes)
        return module


def find_network(what: str | None, split: str | None = None, index: int = 0, string: str | None = None) -> FoundNetwork:
    """Finds a network.

    Args:
        what: a name of :data:`tart_nas.published.PUBLISHED`; the name of a classification model of torchvision; the
            folder of a search, whose best network it is, by validation accuracy, at its own size; the folder
            of a trained network; or what else :func:`tart_nas.runs.open_architectures` opens.
        split: of DeepNets-1M.
        index: of the network in the file or the split.
        string: an architecture string, in place of ``what``.

    Raises:
        TartError: if there is no such network, or both are given or neither.
    """
    one_of_two(what, string)
    if what is None:
        from tart_nas.strings import decode  # imports numpy, after the options are checked

        return FoundNetwork("the string's network", decode(str(string)))
    path = Path(what)
    # A published name comes before a file of that name, so that it means the same in every folder.
    if what.lower() in map(str.lower, PUBLISHED):
        return FoundNetwork(what, published(what))
    try:
        known = recognise(path) if path.exists() else None
    except OSError as error:
        raise ArchitectureError(f"Cannot read {path}: {reason(error)}.") from None
    if known is None:
        return _torchvision_model(what)
    if known.kind in HOLD_NETWORKS:
        return _described(path)
    is_of_split = split is not None and path.is_dir()  # `predefined` needs no files
    if known.kind not in HOLD_ARCHITECTURES and not is_of_split:
        raise ArchitectureError(known.refusal("a network or a file of architectures"))
    from tart_nas.runs import open_architectures  # what imports PyTorch, after all that needs no PyTorch
    from tart_nas.search_spaces import DartsSpace

    networks = open_architectures(path, DartsSpace(), split)
    architecture = networks.architecture(index)
    name = networks.name(index)
    # A name with its split or group (val/3) says enough; "entry 3" needs the file beside it.
    return FoundNetwork(name if "/" in name else f"{path.name}, {name}", architecture)


def _torchvision_model(what: str) -> FoundNetwork:
    from torchvision import models

    if what in models.list_models(models):
        return FoundNetwork(what, None, what)
    raise ArchitectureError(
        f"There is no network {what!r}: expected {', '.join(PUBLISHED)}, a classification model of torchvision, the "
        "folder of a search or of a trained network, a file of architectures, or a folder of DeepNets-1M."
    )


def _described(folder: Path) -> FoundNetwork:
    """The network of a folder at its own size; of a search the best one, so far where it has not finished."""
    from tart_nas.networks import describe

    description = describe(folder)
    name = description.about.get("name")
    named = folder.name if name is None else str(name)
    return FoundNetwork(
        f"{named} of {folder.name}" if (folder / "config.json").is_file() else named,  # the folder of a search
        description.full_size,
        description.model,
    )
