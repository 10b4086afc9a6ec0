"""A trained network as a folder: ``network.json``, which says what it is, and ``weights.safetensors``.

::

    from tart_nas.networks import load

    network = load("runs/retrain")             # of tart-nas retrain
    network = load("runs/search/weights/top-1")  # of tart-nas search
    network = load("runs/search")              # the best that it picked, by validation accuracy

Searches of version 0.1.0 wrote ``weights/top-1.safetensors`` instead, with the architecture in the file's metadata;
these are read too (:mod:`tart_nas.networks.earlier_runs`).
"""

import json
import logging
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import nn

from tart_nas.checksums import UNSTAMPED, check_file, check_values, stamp_file, stamped
from tart_nas.errors import ArchitectureError, CheckpointError, TartError, reason
from tart_nas.files import replacing
from tart_nas.networks.description import FORMAT, NetworkBuilder, NetworkDescription
from tart_nas.networks.earlier_runs import best_of_earlier, describe_earlier, is_earlier, weights_of_earlier

__all__ = ["describe", "load", "save", "write_description"]

_log = logging.getLogger(__name__)

# The folder says all of the network, so that it loads without its run's study, which may be on another machine.
_DESCRIPTION, _WEIGHTS = "network.json", "weights.safetensors"
_AUXILIARY = "auxiliary_head."  # of training only
_IF_CHANGED = '; if you changed it yourself, remove its last member, "sha256"'


def save(network: nn.Module, description: NetworkDescription, folder: Path | str) -> None:
    """Writes a network into a folder, without its auxiliary head; each file is there whole or not at all.

    Args:
        network: that the description builds.
        description: what it is.
        folder: made if it is missing.
    """
    folder = Path(folder)
    weights = {
        # Copies, since a file cannot hold tensors that share their memory, as tied weights do.
        name: tensor.detach().cpu().contiguous().clone()
        for name, tensor in network.state_dict().items()
        if not name.startswith(_AUXILIARY)
    }
    with replacing(folder / _WEIGHTS) as temporary:
        save_file(weights, temporary, dict(UNSTAMPED))
        stamp_file(temporary)
    write_description(description, folder)


def write_description(description: NetworkDescription, folder: Path | str) -> None:
    """Writes what a network in a folder is: when more becomes known of it than :func:`save` was told."""
    with replacing(Path(folder) / _DESCRIPTION) as temporary:
        temporary.write_text(json.dumps(stamped(description.to_dict()), indent=1, allow_nan=False) + "\n")


def describe(folder: Path | str) -> NetworkDescription:
    """Reads what a network in a folder is.

    Args:
        folder: as for :func:`load`.

    Raises:
        CheckpointError: if the folder holds no network.
    """
    folder = _network_folder(Path(folder))
    if is_earlier(folder):
        return describe_earlier(folder)
    path = folder / _DESCRIPTION
    try:
        values = json.loads(path.read_text())
        check_values(values, _IF_CHANGED)
        if values["format"] != FORMAT:
            raise CheckpointError(f"{path} is of the format {values['format']!r}, expected {FORMAT!r}.")
        return NetworkDescription.from_dict(values)
    except FileNotFoundError:
        raise CheckpointError(f"{folder} holds no trained network: there is no {_DESCRIPTION}.") from None
    except CheckpointError:
        raise
    except (OSError, ValueError, KeyError, TypeError, RecursionError) as error:
        raise CheckpointError(f"{path} does not describe a network: {reason(error)}.") from None


def load(folder: Path | str, device: torch.device | str = "cpu", *, space: NetworkBuilder | None = None) -> nn.Module:
    """Reads a trained network from a folder that :func:`save`, ``tart-nas retrain`` or ``tart-nas search`` wrote.

    Args:
        folder: where it is; of a search's own folder the best network that it picked, by validation accuracy. Of a
            search that has not finished this is the best so far, which a warning of the log says.
        device: where it is put.
        space: what builds the network, where it is of a user's own :class:`tart_nas.search_spaces.TrialSpace`. A file
            names the function, but nothing that a file names is run unasked.

    Returns:
        The network in evaluation mode. It maps normalised images (B, 3, image_size, image_size) to logits
        (B, num_classes); ``describe(folder).about`` has the mean and the deviation to normalise by.

    Raises:
        CheckpointError: if the folder holds no network, or its files do not belong together.
    """
    folder = _network_folder(Path(folder))
    description = describe(folder)
    if description.trial is not None and space is None:
        try:
            description.build()
        except ArchitectureError as error:  # which says what is missing
            raise CheckpointError(f"{folder}: {error}") from None
    path = weights_of_earlier(folder) if is_earlier(folder) else folder / _WEIGHTS
    try:
        check_file(path)
        weights = {name: w for name, w in load_file(path).items() if not name.startswith(_AUXILIARY)}
        with torch.device("meta"):  # where nothing is allocated, whatever sizes a file asks for
            shapes = {name: tensor.shape for name, tensor in description.build(space=space).state_dict().items()}
        if shapes != {name: tensor.shape for name, tensor in weights.items()}:
            raise CheckpointError("its tensors have other names or shapes")
        network = description.build(space=space)
        network.load_state_dict(weights)
    except (SafetensorError, OSError, RuntimeError, ValueError, TypeError, TartError) as error:
        raise CheckpointError(f"{path} does not hold the weights of the network: {reason(error)}.") from None
    return network.to(device).eval()


def _network_folder(folder: Path) -> Path:
    """The folder itself or, of a run folder of a search, that of the best network among those that it picked.

    Raises:
        CheckpointError: if the search has trained none of them yet.
    """
    if (folder / _DESCRIPTION).exists() or not (folder / "config.json").exists() or is_earlier(folder):
        return folder
    if (best := best_of_earlier(folder)) is not None:
        return best
    accuracies = {}
    for path in folder.glob(f"weights/*/{_DESCRIPTION}"):
        about = describe(path.parent).about
        if not about.get("is_random", False):  # drawn for comparison
            accuracies[path.parent] = float(about.get("validation_accuracy", 0.0))
    if not accuracies:
        raise CheckpointError(f"The search in {folder} has trained no picked network yet.")
    # Of equally good ones the first, and top-2 before top-10: `max` keeps the first of equals.
    best = max(sorted(accuracies, key=lambda path: (len(path.name), path.name)), key=lambda path: accuracies[path])
    if not (folder / "report.json").exists():
        _log.warning("the search in %s has not finished: %s is the best so far", folder, best.name)
    return best
