"""Whether a small graph hypernetwork's predicted parameters are a good start of a training.

``python -m tart_nas.experiments.ghn_finetuning DATA CIFAR10`` trains networks of DeepNets-1M's test split, from files
in DATA, on images of CIFAR-10 of 16x16 pixels, from three starts: PyTorch's initialisation (He), the parameters that
the bundled ``ghn2-cifar10-small`` predicts, and these made orthogonal with noise of 3e-5. Networks have 8 channels,
which the hypernetwork was trained on, and were not among its training networks.

100 shots: 100 images of each class, 20 epochs. short: 5,000 images, 3 epochs. SGD as of the published fine-tuning:
learning rate 0.025 with a cosine decay, momentum 0.9, weight decay 1e-3, batches of 96, clipping at 5. The same for all
starts; nothing was tuned. Accuracies are of the 10,000 test images. Each seed takes another network, other images, and
other random numbers, the same for all starts, so that differences are compared by pairs; networks whose training
diverges from a start are left out of its mean, and of its pairs.
"""

import argparse
import sys
from collections.abc import Iterator
from functools import cache, partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from matplotlib.figure import Figure
from rich.table import Table
from scipy import stats

from tart_nas.architecture import Architecture
from tart_nas.deepnets1m import DeepNets1M
from tart_nas.errors import DivergenceError
from tart_nas.experiments.plots import Line, line_plot
from tart_nas.experiments.runner import CIFAR10, EVALUATION_FILES, Plan, experiment
from tart_nas.experiments.tables import table
from tart_nas.hypernetworks import GHN, PredictedStart
from tart_nas.hypernetworks.training.networks import is_simple
from tart_nas.images import ImageData, load_images
from tart_nas.networks import build_network
from tart_nas.training import EpochMetrics, TrainingRecipe, evaluate, train

BUNDLED = "ghn2-cifar10-small"
STARTS: dict[str, PredictedStart | None] = {
    "He": None,
    "predicted": PredictedStart(ghn=BUNDLED),
    "predicted, orthogonal": PredictedStart(ghn=BUNDLED, noise=3e-5, orthogonal=True),
}
CHANNELS, IMAGE_SIZE = 8, 16
SETTINGS: dict[str, dict[str, Any]] = {
    "100 shots": {"images": {"shots": 100}, "epochs": 20},
    "short": {"images": {"train_images": 5000}, "epochs": 3},
}


def recipe(epochs: int) -> TrainingRecipe:
    """How networks are trained."""
    return TrainingRecipe(epochs=epochs, weight_decay=1e-3, crop=2)


@cache
def _networks(folder: Path) -> list[Architecture]:
    """Networks with global average pooling and without attention, as those of the hypernetwork's training."""
    found = DeepNets1M(folder, "test", image_size=IMAGE_SIZE).architectures()
    return [architecture.resized(C=CHANNELS) for architecture in found if is_simple(architecture)]


@cache
def _images(folder: Path, setting: str, seed: int) -> ImageData:
    # Nothing is chosen by the validation images: they show how the accuracy grows.
    shown = {"validation_images": 2000, "image_size": IMAGE_SIZE}
    return load_images("cifar10", folder, seed=seed, **shown, **SETTINGS[setting]["images"])


def accuracies(data: Path, folder: Path, setting: str, seed: int, name: str) -> dict[str, Any]:
    """A network trained from a start: its test accuracy, and on validation images after each epoch.

    The former is None where the training diverged or its output is not finite, as of few images it may.
    """
    images, architecture, start = _images(folder, setting, seed), _networks(data)[seed], STARTS[name]
    torch.manual_seed(seed)
    network = build_network(architecture, len(images.classes), IMAGE_SIZE)
    torch.manual_seed(seed)
    like = build_network(architecture, len(images.classes), IMAGE_SIZE)
    weights = None if start is None else start.weights(like, seed=seed)
    chosen = recipe(SETTINGS[setting]["epochs"])
    epochs: list[EpochMetrics] = []
    settings: dict[str, Any] = {"seed": seed, "initial_weights": weights, "device": "cpu"}
    test: float | None
    try:
        train(network, images, chosen, on_epoch=epochs.append, **settings)
        test = evaluate(network, images.test, images, device="cpu")
    except DivergenceError:
        test = None
    return {"test": test, "validation": [epoch.validation_accuracy for epoch in epochs]}


def _whole(by_seed: dict[str, Any]) -> list[dict[str, Any]]:
    """The seeds that were trained from each start."""
    return [found for found in by_seed.values() if STARTS.keys() <= found.keys()]


def tables(results: dict[str, Any]) -> Iterator[Table]:
    """Means, and differences to He with 95 % intervals of paired t."""
    rows = []
    for setting, by_seed in results.items():
        if not (whole := _whole(by_seed)):
            continue
        values = {name: 100 * np.array([found[name]["test"] for found in whole], dtype=np.float64) for name in STARTS}
        for name, of_all in values.items():
            of_start = of_all[np.isfinite(of_all)]
            difference = of_all - values["He"]
            difference = difference[np.isfinite(difference)]
            interval = "–"
            if name != "He" and len(difference) > 1:
                half = stats.t.ppf(0.975, len(difference) - 1) * difference.std(ddof=1) / len(difference) ** 0.5
                interval = f"{difference.mean():+.1f} ± {half:.1f}"
            rows.append((setting, name, len(of_start), f"{of_start.mean():.1f} ± {of_start.std():.1f}", interval))
    yield table(("training", "start", "networks", "test accuracy, %", "difference to He"), rows)


def figure(results: dict[str, Any]) -> Figure:
    """How the mean accuracy on validation images grows, with quartiles of the networks."""
    panels: dict[str, dict[str, Line]] = {}
    for setting, by_seed in results.items():
        finite = [found for found in _whole(by_seed) if all(found[name]["test"] is not None for name in STARTS)]
        if not finite:
            continue
        curves = {name: np.array([found[name]["validation"] for found in finite]) for name in STARTS}
        panels[setting] = {name: Line.quartiles(100 * of_start, mean=True) for name, of_start in curves.items()}
    return line_plot(panels, {"xlabel": "epochs", "ylabel": "validation accuracy, %"})


def plan(arguments: argparse.Namespace) -> Plan:
    about = {"settings": SETTINGS, "recipe": recipe(1).to_dict(), "channels": CHANNELS}
    jobs = [
        ((setting, str(seed), name), partial(accuracies, arguments.data, arguments.cifar10, setting, seed, name))
        for seed in range(arguments.seeds)  # whole seeds after an interruption
        for setting in SETTINGS
        for name in STARTS
    ]
    return Plan({"ghn": GHN.load(BUNDLED).identity, **about}, jobs, tables, figure)


main = partial(
    experiment,
    plan,
    {
        **EVALUATION_FILES,
        **CIFAR10,
        "--seeds": (10, "networks of each training"),
    },
)

if __name__ == "__main__":
    sys.exit(main())
