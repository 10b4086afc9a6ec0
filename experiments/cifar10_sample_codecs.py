"""How well picture formats keep CIFAR-10 in the bytes that the embedded sample may have.

``python -m tart_nas.experiments.cifar10_sample_codecs SOURCE`` encodes the 2,000 test images of the sample, taken from
CIFAR-10 without loss as :mod:`tart_nas.experiments.make_cifar10_sample` takes them, in each way at its best quality
that stays below their share of 5 MB, and prints the PSNR in dB: of the mean squared error of all images, the mean of
the images' own, and the least. The table is in the README of the sample. Ways that this machine's Pillow lacks are left
out.
"""

import argparse
import sys
from collections.abc import Callable, Sequence
from functools import partial
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image, features
from rich.console import Console
from torch import Tensor

from tart_nas.experiments.make_cifar10_sample import (
    COLUMNS,
    MOST_BYTES,
    PER_CLASS,
    SIZE,
    choose,
    psnr_of,
    squared_errors,
)
from tart_nas.experiments.runner import command
from tart_nas.experiments.tables import table
from tart_nas.images.cifar import find_cifar10
from tart_nas.images.tiles import to_picture, to_tiles

SHARE = MOST_BYTES * PER_CLASS["test"] // sum(PER_CLASS.values())
QUALITIES = range(1, 101)


def run(arguments: argparse.Namespace, console: Console) -> None:
    """Prints the table."""
    images, rows = choose(find_cifar10(arguments.source).test(), "test"), []
    for title, best in ways(to_picture(images, COLUMNS).numpy()):
        setting, data = best()
        psnr = psnr_of(squared_errors(images, decoded(data))).values()
        rows.append((title, setting, f"{len(data) / len(images):.0f}", *(f"{value:.2f}" for value in psnr)))
    console.print(table(("format", "setting", "bytes an image", "PSNR of all", "mean", "least"), rows))


def ways(picture: np.ndarray[Any, Any]) -> list[tuple[str, Callable[[], tuple[Any, bytes]]]]:
    """Each way's name, and what gives its best setting with the encoded picture."""

    def encoded(format: str, **options: Any) -> bytes:
        stream = BytesIO()
        Image.fromarray(picture).save(stream, format, **options)
        return stream.getvalue()

    def jpeg(**options: Any) -> bytes:
        return encoded("JPEG", optimize=True, progressive=True, **options)

    def flat(luma_and_chroma: tuple[int, int]) -> bytes:
        return jpeg(qtables=[[step] * 64 for step in luma_and_chroma], subsampling="4:4:4")

    steps = [(luma, luma + more) for luma in range(40, 4, -1) for more in (1, 0)]  # finer and finer
    rates = [rate / 10 for rate in range(200, 20, -1)]  # of compression
    listed: list[tuple[str, Sequence[Any], Callable[[Any], bytes]]] = [
        ("JPEG, usual tables, 4:2:0", QUALITIES, lambda q: jpeg(quality=q, subsampling="4:2:0")),
        ("JPEG, usual tables, 4:4:4", QUALITIES, lambda q: jpeg(quality=q, subsampling="4:4:4")),
        ("JPEG, flat tables, 4:4:4", steps, flat),
        ("WebP, 4:2:0", QUALITIES, lambda q: encoded("WEBP", quality=q, method=6)),
        (
            "JPEG 2000",
            rates,
            lambda rate: encoded("JPEG2000", quality_mode="rates", quality_layers=[rate], irreversible=True, mct=1),
        ),
        ("AVIF, 4:4:4", QUALITIES, lambda q: encoded("AVIF", quality=q, subsampling="4:4:4")),
    ]
    has = {"WebP, 4:2:0": "webp", "JPEG 2000": "jpg_2000", "AVIF, 4:4:4": "avif"}
    return [
        (title, partial(best_of, settings, encode))
        for title, settings, encode in listed
        if title not in has or features.check(has[title])
    ]


def best_of(settings: Sequence[Any], encode: Callable[[Any], bytes]) -> tuple[Any, bytes]:
    """The last setting whose picture is small enough, by halving; pictures grow along the settings."""
    low, high = 0, len(settings) - 1
    found = settings[0], encode(settings[0])
    while low <= high:
        middle = (low + high) // 2
        data = encode(settings[middle])
        if len(data) <= SHARE:
            found, low = (settings[middle], data), middle + 1
        else:
            high = middle - 1
    return found


def decoded(data: bytes) -> Tensor:
    with Image.open(BytesIO(data)) as image:
        return to_tiles(torch.from_numpy(np.array(image.convert("RGB"))), SIZE)


main = partial(command, __doc__, {"source": (Path, "the folder with CIFAR-10, without loss")}, run)

if __name__ == "__main__":
    sys.exit(main())
