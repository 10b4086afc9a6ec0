"""The one network that a command is about, by the name or the file that its user gives."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from tart_nas.architecture import Architecture
from tart_nas.cli.models import find_model
from tart_nas.cli.options import is_there, one_of_two
from tart_nas.cli.own_spaces import builder, no_space
from tart_nas.errors import ArchitectureError, GraphError, TartError, first_line, reason
from tart_nas.file_kinds import HOLD_ARCHITECTURES, HOLD_NETWORKS, FileKind, recognise
from tart_nas.published import PUBLISHED, published

if TYPE_CHECKING:
    from torch import nn

    from tart_nas.graphs import ComputationalGraph
    from tart_nas.networks import NetworkDescription
    from tart_nas.search_spaces import TrialArchitecture

__all__ = ["FORMS", "FoundNetwork", "find_network", "found_candidate", "is_path"]

FORMS = (
    f"{', '.join(PUBLISHED)}; torchvision:NAME or timm:NAME; module:function, a function of yours that returns a "
    "torch.nn.Module"
)
"""What may be named as a network, for the help of commands."""

_OWN_SIZE, _MODULE_SIZE = 32, 224  # pixels: of CIFAR-10, which architectures are for, and of ImageNet
_OWN_CLASSES = 10  # CIFAR-10's


@dataclass(frozen=True)
class FoundNetwork:
    """A network that was found.

    Args:
        name: what to call it.
        architecture: None for a network that is not made of cells.
        model: the name of torchvision's model, None for others.
        build: makes the network with random weights; None for an architecture.
        candidate: of a user's own space, where it is one; ``architecture`` and ``model`` are then None.
        description: what a trained network is, where a folder holds it: it tells the classes, the images and the batch
            normalisation. Its architecture is the one that was trained, ``architecture`` is that at its full size.
    """

    name: str
    architecture: Architecture | None
    model: str | None = None
    build: "Callable[[], nn.Module] | None" = None
    candidate: "TrialArchitecture | None" = None
    description: "NetworkDescription | None" = None

    def module(self, image_size: int | None = None) -> "nn.Module":
        """The network with random weights, an architecture's for 10 classes or those of the trained network.

        Args:
            image_size: pixels, for which an architecture's network is built; None for its own.

        Raises:
            TartError: if it cannot be built.
        """
        if self.architecture is not None:
            from tart_nas.networks import build_network

            tracks = True if self.description is None else self.description.track_running_stats
            size = image_size or self._image_size()
            return build_network(self.architecture, self._num_classes, size, track_running_stats=tracks)
        assert self.build is not None, "what is no architecture is built by a function"
        try:
            return self.build()
        except TartError:
            raise
        except Exception as error:  # whatever the code of a model raises
            raise ArchitectureError(
                f"{self.name} cannot be built: {type(error).__name__}: {first_line(error)}"
            ) from error

    def check_trainable(self) -> None:
        """Makes sure that a command can train it, whose folder must tell how it is built again.

        Raises:
            ArchitectureError: if it is neither an architecture, nor a model of torchvision, nor of a user's own space.
        """
        if self.architecture is None and self.model is None and self.candidate is None:
            raise ArchitectureError(
                f"{self.name} cannot be trained by a command, which takes architectures, torchvision's models and "
                "what a search in your own space found: train it with `tart_nas.train`."
            )

    def input_size(self, image_size: int | None = None, module: "nn.Module | None" = None) -> tuple[int, int, int]:
        """Channels, height and width of its images.

        Args:
            image_size: pixels of square ones, in place of its own height and width.
            module: its module, if it has been built, which may tell for which images it was designed.
        """
        if self.candidate is not None:  # whose graph is of the size at which its space traces
            channels, height, width = self.candidate.input_size
            return channels, image_size or height, image_size or width
        size = image_size or self._image_size(module)
        return 3, size, size

    def _image_size(self, module: "nn.Module | None" = None) -> int:
        """The images that it was trained on or designed for, in pixels: the folder of a trained network and a model of
        timm tell it, others are for CIFAR-10's or ImageNet's.
        """
        if self.description is not None:
            return self.description.image_size
        if self.architecture is not None:
            return _OWN_SIZE
        config = getattr(module, "default_cfg", None)
        size = config.get("input_size") if isinstance(config, dict) else None
        return int(size[-1]) if size else _MODULE_SIZE

    def graph(self, image_size: int | None = None, module: "nn.Module | None" = None) -> "ComputationalGraph":
        """Its computational graph.

        Args:
            image_size: pixels; None for its own.
            module: its module, if it has been built.

        Raises:
            TartError: if it cannot be traced, or not be built for that.
        """
        from tart_nas.graphs import ComputationalGraph

        if self.architecture is not None:
            size = image_size or self._image_size()
            return ComputationalGraph.from_architecture(self.architecture, self._num_classes, size)
        if self.candidate is not None and self.input_size(image_size) == self.candidate.input_size:
            return self.candidate.graph
        module = self.module() if module is None else module
        try:
            return ComputationalGraph.from_module(module, self.input_size(image_size, module))
        except GraphError as error:
            raise GraphError(f"{self.name}: {error}") from error

    @property
    def _num_classes(self) -> int:
        return _OWN_CLASSES if self.description is None else self.description.num_classes


def is_path(text: str) -> bool:
    """Whether a text means a file or a folder, and not a name: it is there, or has a slash or an ending.

    Raises:
        typer.BadParameter: if it cannot be told whether it is there.
    """
    return is_there(text) or (":" not in text and ("/" in text or "." in text))


def find_network(
    what: str | None,
    split: str | None = None,
    index: int = 0,
    string: str | None = None,
    space: str | None = None,
) -> FoundNetwork:
    """Finds a network.

    Args:
        what: a name of :data:`tart_nas.published.PUBLISHED`; what :func:`tart_nas.cli.models.find_model` finds; the
            folder of a search, whose best network it is, by validation accuracy, or that of a trained network, both at
            the full size of their architecture, for the classes and images of the training; or what else
            :func:`tart_nas.runs.open_architectures` opens.
        split: of DeepNets-1M.
        index: of the network in the file or the split.
        string: an architecture string, in place of ``what``.
        space: ``module:function``, what builds a network of a user's own space; needed where it is built.

    Raises:
        TartError: if there is no such network, both are given or neither, or a space is given for another network.
    """
    found = _found(what, split, index, string, space)
    if found.candidate is None:
        no_space(space)
    return found


def found_candidate(name: str, candidate: "TrialArchitecture", space: str | None) -> FoundNetwork:
    """A candidate of a user's own space, which is built when its module is asked for."""
    return FoundNetwork(name, None, None, lambda: builder(candidate, space).network(candidate), candidate)


def _found(what: str | None, split: str | None, index: int, string: str | None, space: str | None) -> FoundNetwork:
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
        return _named(what)
    if known.kind in HOLD_NETWORKS:
        return _described(path, space)
    if known.kind is FileKind.NETWORK and path.name == "network.json":  # with its folder's name, classes and images
        return _described(path.parent, space)
    is_of_split = split is not None and path.is_dir()  # `predefined` needs no files
    if known.kind not in HOLD_ARCHITECTURES and not is_of_split:
        raise ArchitectureError(known.refusal("a network or a file of architectures"))
    from tart_nas.runs import open_architectures  # what imports PyTorch, after all that needs no PyTorch
    from tart_nas.search_spaces import DartsSpace, TrialArchitecture

    networks = open_architectures(path, DartsSpace(), split)
    network = networks.network(index)
    name = networks.name(index)
    # A name with its split or group (val/3) says enough; "entry 3" needs the file beside it.
    name = name if "/" in name else f"{path.name}, {name}"
    if isinstance(network, TrialArchitecture):
        return found_candidate(name, network, space)
    return FoundNetwork(name, network)


def _named(what: str) -> FoundNetwork:
    """A network that no file holds."""
    model = find_model(what)
    if model is None:
        raise ArchitectureError(
            f"There is no network {what!r}: expected {FORMS}; the folder of a search or of a trained network, a file "
            "of architectures, or a folder of DeepNets-1M."
        )
    if isinstance(model.built, Architecture):
        return FoundNetwork(what, model.built)
    return FoundNetwork(what, None, model.torchvision_name, model.module)


def _described(folder: Path, space: str | None) -> FoundNetwork:
    """The network of a folder at its full size, else as it was trained; of a search the best one, so far where it has
    not finished.
    """
    from tart_nas.networks import describe

    description = describe(folder)
    name = description.about.get("name")
    named = folder.name if name is None else str(name)
    named = f"{named} of {folder.name}" if (folder / "config.json").is_file() else named  # the folder of a search
    if description.trial is not None:
        from tart_nas.search_spaces import TrialArchitecture

        return replace(
            found_candidate(named, TrialArchitecture.from_dict(description.trial), space), description=description
        )
    if description.model is None:
        return FoundNetwork(named, description.full_size, description=description)
    return FoundNetwork(named, None, description.model, description.build, description=description)
