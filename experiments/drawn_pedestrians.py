"""Draws a small data set for detection in the layout of the Penn-Fudan database: ellipses instead of pedestrians.

``python -m tart_nas.experiments.drawn_pedestrians FOLDER`` writes ``PNGImages/`` and ``PedMasks/``. Each image has one
to three upright ellipses of their own colours and sizes, which may hide parts of each other, on a background of two
colours and noise, with bars and squares that are no instances.
"""

import argparse
import sys
from functools import partial
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw
from rich.console import Console

from tart_nas.checks import whole
from tart_nas.experiments.runner import Options, command

__all__ = ["draw_pedestrians"]

_MOST = 3  # ellipses in an image
_HEIGHTS, _RATIO = (0.3, 0.6), (0.35, 0.5)  # of an ellipse: share of the image; width by height
_LEAST_SEEN = 0.4  # share of an ellipse that must not be hidden by later ones


def draw_pedestrians(folder: Path, images: int = 60, *, size: int = 96, seed: int = 0) -> None:
    """Writes images and their masks.

    Args:
        folder: made if it is missing.
        images: how many, at least 1.
        size: height and width, in pixels, at least 32.
        seed: of all that is drawn; image k is the same however many there are.

    Raises:
        SettingError: if a number is out of range.
    """
    whole("images", images, 1)
    whole("size", size, 32)
    for part in ("PNGImages", "PedMasks"):
        (folder / part).mkdir(parents=True, exist_ok=True)
    for k in range(images):
        picture, mask = _drawn(np.random.default_rng([seed, k]), size)
        picture.save(folder / "PNGImages" / f"Drawn{k:05d}.png")
        mask.save(folder / "PedMasks" / f"Drawn{k:05d}_mask.png")


def _drawn(rng: np.random.Generator, size: int) -> tuple[Image.Image, Image.Image]:
    """An image and its mask."""
    picture = Image.new("RGB", (size, size), _colour(rng))
    draw = ImageDraw.Draw(picture)
    draw.rectangle((0, int(rng.uniform(0.3, 0.8) * size), size, size), fill=_colour(rng))
    for _ in range(rng.integers(1, 4)):  # what is no instance
        x, y, side = rng.uniform(0, 0.9) * size, rng.uniform(0, 0.9) * size, rng.uniform(0.1, 0.3) * size
        draw.rectangle((x, y, x + side, y + side * rng.choice((0.2, 1.0))), fill=_colour(rng))
    mask = np.zeros((size, size), dtype=np.uint8)
    for instance in range(1, rng.integers(1, _MOST + 1) + 1):
        height = rng.uniform(*_HEIGHTS) * size
        width = rng.uniform(*_RATIO) * height
        x, y = rng.uniform(0, size - width), rng.uniform(0, size - height)
        shape = Image.new("L", (size, size))
        ImageDraw.Draw(shape).ellipse((x, y, x + width, y + height), fill=1)
        inside = np.asarray(shape) == 1
        if any((mask[inside] == k).sum() > (1 - _LEAST_SEEN) * (mask == k).sum() for k in range(1, instance)):
            continue  # it would hide another
        mask[inside] = instance
        draw.ellipse((x, y, x + width, y + height), fill=_colour(rng))
    pixels = np.asarray(picture) + rng.normal(0, 12, (size, size, 3))  # of 255, so that no area is of one value
    return Image.fromarray(pixels.clip(0, 255).astype(np.uint8)), Image.fromarray(mask)


def _colour(rng: np.random.Generator) -> tuple[int, int, int]:
    red, green, blue = rng.integers(20, 236, 3).tolist()
    return red, green, blue


def _run(arguments: argparse.Namespace, console: Console) -> None:
    draw_pedestrians(arguments.folder, arguments.images, size=arguments.size, seed=arguments.seed)
    console.print(f"{arguments.images} images in {arguments.folder}")


_OPTIONS: Options = {
    "folder": (Path, "where to write"),
    "--images": (60, "how many"),
    "--size": (96, "height and width in pixels"),
    "--seed": 0,
}

main = partial(command, __doc__, _OPTIONS, _run)

if __name__ == "__main__":
    sys.exit(main())
