"""Detection end to end on drawn images: average precision of Faster R-CNN on a small DARTS network.

``python -m tart_nas.experiments.drawn_detection`` draws 170 images with ``drawn_pedestrians``, as many as Penn-Fudan
has, and trains a detector for each seed, as ``tart-nas detect`` does, from random weights: 120 images for training, 50
for testing, 96x96 pixels. The published recipe is for fine-tuning and decays after 3 of 10 epochs. Here the learning
rate is 0.02 and decays after 8, and 64 regions of an image are trained on, where the published 512 take most of the
time. A seed takes some three minutes of one core.

One other setting was tried before: a network in the form for large images, whose map has 6x6 places, and 512 regions.
It was stopped after 5 epochs, at an AP50 of 0.18.
"""

import argparse
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

from rich.table import Table

from tart_nas.detection import DetectionRecipe, ImageScaling, detect, load_pedestrians
from tart_nas.experiments.drawn_pedestrians import draw_pedestrians
from tart_nas.experiments.runner import Plan, experiment, jobs_for
from tart_nas.experiments.tables import table
from tart_nas.networks import NetworkDescription
from tart_nas.published import DARTS

IMAGES, SIZE = 170, 96
# Without more channels in deeper cells: most of the time goes into the regions' layers, whose inputs these are.
ARCHITECTURE = replace(DARTS.resized(n_cells=4, C=16), C_mult=1, stem_type=1)
RECIPE = DetectionRecipe(lr=0.02, lr_step=8, regions=64)
NETWORK_IMAGE_SIZE = 32  # a network in the form for CIFAR-10: a feature map of 12x12 places


def curve(seed: int, runs: Path) -> list[dict[str, float]]:
    """What was measured of each epoch.

    Args:
        seed: of the weights and the training; the images are the same for all.
        runs: where the folder of the training is made, with its report.
    """
    with tempfile.TemporaryDirectory() as folder:
        draw_pedestrians(Path(folder), IMAGES, size=SIZE)
        data = load_pedestrians(folder)
    name = f"a DARTS network of {ARCHITECTURE.n_cells} cells and {ARCHITECTURE.C} channels"
    description = NetworkDescription(ARCHITECTURE, None, 10, NETWORK_IMAGE_SIZE, about={"name": name})
    scaling = ImageScaling(min_size=SIZE, max_size=SIZE)
    result = detect(description, data, RECIPE, out=runs / str(seed), scaling=scaling, seed=seed, device="cpu")
    return [epoch.to_dict() for epoch in result.epochs]


def tables(results: dict[str, Any]) -> Iterator[Table]:
    """Average precision after each epoch."""
    for seed, epochs in results.items():
        rows = [
            (e["epoch"], f"{e['loss']:.3f}", *(f"{e[name]:.3f}" for name in ("AP", "AP50", "AP75"))) for e in epochs
        ]
        yield table(("epoch", "training loss", "AP", "AP50", "AP75"), rows, f"seed {seed}")


def plan(arguments: argparse.Namespace) -> Plan:
    setting = {
        "images": IMAGES,
        "size": SIZE,
        "architecture": ARCHITECTURE.to_dict(),
        "network_image_size": NETWORK_IMAGE_SIZE,
        "recipe": RECIPE.to_dict(),
    }
    return Plan(setting, jobs_for(partial(curve, runs=arguments.runs), range(arguments.seeds)), tables)


main = partial(
    experiment,
    plan,
    {"--seeds": (1, "how many"), "--runs": (Path("runs/drawn-detection"), "folder of the trainings")},
)

if __name__ == "__main__":
    sys.exit(main())
