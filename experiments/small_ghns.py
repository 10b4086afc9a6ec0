"""How accurate the parameters are that small hypernetworks predict, by kind of network, beside short trainings.

``python -m tart_nas.experiments.small_ghns DATA CIFAR10 GHNS`` measures six hypernetworks: GHN-2 with three seeds,
GHN-1 and the variant without a graph (MLP) with one, and GHN-2 with three times as many steps, which is bundled. They
are trained with the presets ``ghn2-small``, ``ghn1-small`` and ``mlp-small`` on images of CIFAR-10 of 16x16 pixels: for
30 epochs, which are 3,000 steps and half an hour of a core, or for 90. Their trainings are in folders of GHNS, such as
``ghn1-small-0-30``, as ``tart-nas ghn train --preset ghn1-small --seed 0 --epochs 30 --dataset cifar10 --data-dir
CIFAR10 --image-size 16 --out GHNS/ghn1-small-0-30`` leaves them; what is missing is trained.

Networks are of DeepNets-1M's evaluation files in DATA, none of which was trained on, ResNets of torchvision, and the
published DARTS network. Those of "like training" are the first of split test within the limits of the hypernetworks'
training: at most 150 nodes, global average pooling, no attention. All but the wide ones and the last three have 8
channels. Batch normalisation takes the statistics of batches of 64 test images.

SGD: the same networks from PyTorch's initialisation, trained for 1, 5 or 0.1 epochs (one epoch on a tenth of the
images), with running statistics. ``--only NAME`` measures a part, so that processes may share the work.
"""

import argparse
import sys
from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from functools import cache, partial
from itertools import islice
from pathlib import Path
from typing import Any

import torch
import torchvision
from matplotlib.figure import Figure
from rich.table import Table
from torch import nn

from tart_nas.architecture import Architecture
from tart_nas.choices import GHNPreset
from tart_nas.deepnets1m import DeepNets1M
from tart_nas.errors import DivergenceError
from tart_nas.experiments.plots import bar_plot
from tart_nas.experiments.runner import CIFAR10, EVALUATION_FILES, Job, Plan, experiment
from tart_nas.experiments.tables import mean_and_error, table
from tart_nas.hypernetworks import GHN
from tart_nas.hypernetworks.training import GHN_PRESETS, train_ghn, untrained_ghn
from tart_nas.hypernetworks.training.networks import is_simple
from tart_nas.images import ImageData, load_images
from tart_nas.networks import build_network
from tart_nas.published import DARTS
from tart_nas.training import TrainingRecipe, evaluate, train

IMAGE_SIZE, CLASSES = 16, 10


@dataclass(frozen=True)
class Group:
    """Networks of one kind.

    Args:
        split: of DeepNets-1M; None for single networks.
        number: the first so many of the split.
        channels: of the first cells; None for the networks' own.
        images: the first so many test images; None for all 10,000.
        is_like_training: whether to leave out what is outside the limits of the hypernetworks' training.
    """

    split: str | None = None
    number: int = 1
    channels: int | None = 8
    images: int | None = 2000
    is_like_training: bool = False


GROUPS = {
    "like training": Group("test", 19, images=None, is_like_training=True),
    "test": Group("test", 20),
    "wide": Group("wide", 5, channels=None),
    "deep": Group("deep", 10),
    "dense": Group("dense", 10),
    "bnfree": Group("bnfree", 10),
    "ResNet-18": Group(),
    "ResNet-50": Group(),
    "DARTS": Group(),
}

GHNS: dict[str, tuple[GHNPreset, int, int]] = {
    "GHN-2, seed 0": ("ghn2-small", 0, 30),
    "GHN-2, seed 1": ("ghn2-small", 1, 30),
    "GHN-2, seed 2": ("ghn2-small", 2, 30),
    "GHN-1": ("ghn1-small", 0, 30),
    "MLP": ("mlp-small", 0, 30),
    "GHN-2, 9,000 steps": ("ghn2-small", 0, 90),
}
"""The preset, the seed and the epochs of each."""

BUNDLED = "GHN-2, 9,000 steps"

SGD = {"SGD, 0.1 epochs": (0.1, 1), "SGD, 1 epoch": (1.0, 1), "SGD, 5 epochs": (1.0, 5)}
"""The share of the training images, and the epochs."""

TRAINED_GROUP = "like training"
TRAINED_NETWORKS = 6  # of that group: five epochs of all of them take an hour and a half of a core


def recipe(epochs: int) -> TrainingRecipe:
    """How networks are trained: as in DARTS, with crops for small images."""
    return TrainingRecipe(epochs=epochs, crop=2)


@cache
def _images(folder: Path, test_images: int | None, train_images: int | None = None) -> ImageData:
    # As few validation images as there may be: nothing is chosen by them.
    few: dict[str, Any] = {} if train_images is None else {"train_images": train_images, "validation_images": 10}
    return load_images("cifar10", folder, image_size=IMAGE_SIZE, test_images=test_images, **few)


@cache
def _ghn(folder: Path, images: Path, name: str) -> tuple[GHN, dict[str, float]]:
    """A hypernetwork, and what its training took; trained if it is not there yet."""
    if name == BUNDLED:
        return GHN.load("ghn2-cifar10-small"), {}
    preset, seed, epochs = GHNS[name]
    settings = GHN_PRESETS[preset]
    ghn, place = untrained_ghn(settings.config, seed), folder / f"{preset}-{seed}-{epochs}"
    place.mkdir(parents=True, exist_ok=True)
    checkpoint = place / "checkpoint.safetensors"
    of_ghn = replace(settings.recipe, epochs=epochs)
    done = train_ghn(ghn, _images(images, None), of_ghn, seed=seed, device="cpu", checkpoint=checkpoint)
    return ghn, {"cpu_minutes": done.total.cpu_seconds / 60, "discarded": done.total.discarded}


def _training(folder: Path, images: Path, name: str) -> dict[str, float]:
    return _ghn(folder, images, name)[1]


@cache
def _architectures(folder: Path, group: str) -> list[Architecture]:
    """Those of a group, which is of a split."""
    chosen, settings = GROUPS[group], GHN_PRESETS["ghn2-small"]
    encoder = untrained_ghn(settings.config)

    def is_within_limits(architecture: Architecture) -> bool:
        nodes = encoder.prepare(build_network(architecture, CLASSES, IMAGE_SIZE)).num_nodes
        return is_simple(architecture) and nodes <= (settings.recipe.max_network_nodes or nodes)

    assert chosen.split is not None
    found = DeepNets1M(folder, chosen.split, image_size=IMAGE_SIZE).architectures()
    sized = (a if chosen.channels is None else a.resized(C=chosen.channels) for a in found)
    return list(islice((a for a in sized if not chosen.is_like_training or is_within_limits(a)), chosen.number))


def network(data: Path, group: str, index: int, running_statistics: bool = False) -> nn.Module:
    """A network of a group, with PyTorch's initialisation."""
    if group.startswith("ResNet"):
        made: nn.Module = getattr(torchvision.models, group.lower().replace("-", ""))(num_classes=CLASSES)
        return made
    architecture = DARTS if group == "DARTS" else _architectures(data, group)[index]
    return build_network(architecture, CLASSES, IMAGE_SIZE, track_running_stats=running_statistics)


def predicted(data: Path, folder: Path, ghns: Path, name: str, group: str, index: int) -> float | None:
    """The accuracy with predicted parameters; None if the output is not finite."""
    images, ghn = _images(folder, GROUPS[group].images), _ghn(ghns, folder, name)[0].eval()
    made = network(data, group, index)
    ghn(made, image_size=IMAGE_SIZE)
    try:
        return evaluate(made, images.test, images, device="cpu", fill_last_batch=False)
    except DivergenceError:
        return None


def trained(data: Path, folder: Path, name: str, group: str, index: int) -> float:
    """The accuracy after a short training."""
    share, epochs = SGD[name]
    images = _images(folder, GROUPS[group].images, round(share * 45_000))  # as many as the hypernetworks' trainings
    torch.manual_seed(index)
    made = network(data, group, index, running_statistics=True)
    train(made, images, recipe(epochs), seed=index, device="cpu")
    return evaluate(made, images.test, images, device="cpu")


def _percent(accuracies: dict[str, float | None]) -> list[float]:
    return [100 * accuracy for accuracy in accuracies.values() if accuracy is not None]


def tables(results: dict[str, Any]) -> Iterator[Table]:
    """Means with standard errors over networks, and the trainings."""
    by_method = {name: results[name] for name in (*GHNS, *SGD) if name in results}
    rows = [
        [name, *(mean_and_error(_percent(found.get(group, {}))) for group in GROUPS)]
        for name, found in by_method.items()
    ]
    yield table(("test accuracy, %", *GROUPS), rows)
    lowest_rows = []
    for name, found in by_method.items():
        values = sorted(_percent(found.get(TRAINED_GROUP, {})))
        first = _percent(dict(islice(found.get(TRAINED_GROUP, {}).items(), TRAINED_NETWORKS)))
        about = results.get("training", {}).get(name, {})
        lowest = ", ".join(f"{value:.1f}" for value in values[:3])
        minutes = f"{about['cpu_minutes']:.0f}" if about else ""
        lowest_rows.append((name, len(values), mean_and_error(first), lowest, minutes))
    columns = (TRAINED_GROUP, "networks", f"mean of the first {TRAINED_NETWORKS}", "the lowest three", "CPU minutes")
    yield table(columns, lowest_rows)


def figure(results: dict[str, Any]) -> Figure:
    """Mean accuracies by group."""
    shown = {"GHN-2, 3,000 steps, three seeds": [name for name in GHNS if name.startswith("GHN-2, seed")]}
    whole = [name for name in SGD if len(results.get(name, {}).get(TRAINED_GROUP, {})) == TRAINED_NETWORKS]
    shown |= {name: [name] for name in ("GHN-1", "MLP", "GHN-2, 9,000 steps", *whole)}
    series = {}
    for label, names in shown.items():
        of_group = {
            group: [value for name in names for value in _percent(results.get(name, {}).get(group, {}))]
            for group in GROUPS
        }
        series[label] = {group: sum(v) / len(v) if v else float("nan") for group, v in of_group.items()}
    return bar_plot({"CIFAR-10 at 16x16 pixels": series}, "test accuracy, % (chance: 10)")


def plan(arguments: argparse.Namespace) -> Plan:
    data, folder, ghns = arguments.data, arguments.cifar10, arguments.ghns
    jobs: list[Job] = []
    for name in GHNS:
        if name != BUNDLED:
            jobs.append((("training", name), partial(_training, ghns, folder, name)))
        for group, chosen in GROUPS.items():
            for index in range(chosen.number):
                jobs.append(((name, group, str(index)), partial(predicted, data, folder, ghns, name, group, index)))
    for name in SGD:
        for index in range(TRAINED_NETWORKS):
            job = partial(trained, data, folder, name, TRAINED_GROUP, index)
            jobs.append(((name, TRAINED_GROUP, str(index)), job))
    presets = {preset: GHN_PRESETS[preset] for preset, _, _ in GHNS.values()}
    setting = {
        "groups": {name: asdict(group) for name, group in GROUPS.items()},
        "recipes": {name: preset.recipe.to_dict() for name, preset in presets.items()},
        "sgd": {name: list(chosen) for name, chosen in SGD.items()},
        "sgd_recipe": recipe(1).to_dict(),
    }
    return Plan(setting, jobs, tables, figure)


main = partial(
    experiment,
    plan,
    {
        **EVALUATION_FILES,
        **CIFAR10,
        "ghns": (Path, "where the hypernetworks' trainings are, or are to be"),
    },
)

if __name__ == "__main__":
    sys.exit(main())
