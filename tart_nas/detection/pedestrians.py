"""Images with objects to detect, in the layout of the Penn-Fudan database (Wang et al., ACCV 2007).

``PNGImages/<name>.png`` are the images. ``PedMasks/<name>_mask.png`` has for each pixel the number of the instance that
it belongs to, 0 for none. ``Annotation/`` may be there and is not read. All instances are of one class.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property
from hashlib import sha256
from io import BytesIO
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
from PIL import Image
from torch import Tensor

from tart_nas.checks import whole
from tart_nas.errors import ImageDataError, reason
from tart_nas.images.decoding import decode_image

__all__ = ["DetectionData", "DetectionImage", "load_pedestrians", "mask_boxes"]

LAYOUT = "PNGImages/<name>.png and PedMasks/<name>_mask.png"
FOLDER = "PennFudanPed"  # inside the published archive

# The protocol of Knyazev et al., NeurIPS 2021: of the 170 images in the order of a permutation the last 50 for testing.
_PERMUTATION_SEED, _IMAGES, _TEST_IMAGES = 1111, 170, 50
# Of masks: whole numbers. A colour image tells no instances.
_MASK_MODES = ("1", "L", "P", "I", "I;16")


@dataclass(frozen=True, eq=False)
class DetectionImage:
    """An image and the boxes in it.

    Args:
        name: of its file, without the ending.
        pixels: (3, H, W), uint8.
        boxes: (n, 4), float32: the first column and row of each instance, and its last column and row, in pixels.
    """

    name: str
    pixels: Tensor = field(repr=False)
    boxes: Tensor = field(repr=False)


@dataclass(frozen=True, eq=False)
class DetectionData:
    """A data set, which is in memory: the images of Penn-Fudan take 0.1 GB.

    Args:
        train: what a detector is trained on.
        test: what it is measured on.
        source: where the images are.
    """

    train: tuple[DetectionImage, ...]
    test: tuple[DetectionImage, ...]
    source: str

    @cached_property
    def fingerprint(self) -> str:
        """A hash of all pixels and boxes, and of which images are for testing."""
        digest = sha256()
        for part in (self.train, self.test):
            digest.update(f"{len(part)}\n".encode())
            for image in part:
                digest.update(f"{tuple(image.pixels.shape)} {image.boxes.tolist()}\n".encode())
                digest.update(image.pixels.numpy().tobytes())
        return digest.hexdigest()


def load_pedestrians(folder: str | Path, *, test_images: int | None = None) -> DetectionData:
    """Reads all images and masks of a folder, and sets some apart for testing.

    The images, sorted by name, are permuted with the seed 1111, whatever seed a training has. The last ones are for
    testing: 50, and of fewer than 170 images their share of 50 in 170.

    Args:
        folder: with ``PNGImages`` and ``PedMasks``, or with ``PennFudanPed``, in which they are.
        test_images: so many for testing instead, at least one; one is left for training.

    Raises:
        ImageDataError: if the folder has another layout, or an image or a mask is missing, damaged or of another kind.
        SettingError: if so many images are not there.
    """
    root = Path(folder).expanduser()
    if not (root / "PNGImages").is_dir() and (root / FOLDER).is_dir():
        root /= FOLDER
    images = [_read(image, mask) for image, mask in _files(root)]
    n = len(images)
    if n < 2:
        raise ImageDataError(f"{root}: one image is too few to train and test on.")
    if test_images is None:
        test_images = min(_TEST_IMAGES, max(1, round(n * _TEST_IMAGES / _IMAGES)))
    whole("test_images", test_images, 1, n - 1)
    order = torch.randperm(n, generator=torch.Generator().manual_seed(_PERMUTATION_SEED)).tolist()
    chosen = [images[i] for i in order]
    return DetectionData(tuple(chosen[:-test_images]), tuple(chosen[-test_images:]), str(root))


def mask_boxes(mask: npt.NDArray[np.integer]) -> Tensor:
    """The smallest box around each instance of a mask.

    Args:
        mask: (H, W), the number of the instance at each pixel, 0 for none.

    Returns:
        (n, 4), float32, in the order of the numbers: first column, first row, last column, last row.
    """
    boxes = []
    for instance in np.unique(mask[mask != 0]):
        rows, columns = np.nonzero(mask == instance)
        boxes.append([columns.min(), rows.min(), columns.max(), rows.max()])
    return torch.tensor(np.array(boxes), dtype=torch.float32).reshape(-1, 4)


def _files(root: Path) -> Iterator[tuple[Path, Path]]:
    """Each image and its mask, by name."""
    images, masks = root / "PNGImages", root / "PedMasks"
    for part in (images, masks):
        if not part.is_dir():
            raise ImageDataError(
                f"{root}: there is no folder {part.name}; expected {LAYOUT}. "
                "`tart-nas data download penn-fudan` downloads the Penn-Fudan database."
            )
    names = sorted(path.stem for path in images.glob("*.png"))
    if not names:
        raise ImageDataError(f"{images}: no images there, expected .png files.")
    known = {path.stem for path in masks.glob("*.png")}
    if without := [name for name in names if f"{name}_mask" not in known]:
        raise ImageDataError(f"{images / without[0]}.png has no mask: expected {masks / without[0]}_mask.png.")
    if odd := sorted(known - {f"{name}_mask" for name in names}):
        raise ImageDataError(f"{masks / odd[0]}.png is the mask of no image in {images}.")
    for name in names:
        yield images / f"{name}.png", masks / f"{name}_mask.png"


def _read(path: Path, mask_path: Path) -> DetectionImage:
    mask = _read_mask(mask_path)
    boxes = mask_boxes(mask)
    if not len(boxes):
        raise ImageDataError(f"{mask_path}: no instances, all pixels are 0; remove it and its image.")
    flat = (boxes[:, 2:] <= boxes[:, :2]).any(1)
    if flat.any():
        instance = np.unique(mask[mask != 0])[int(flat.nonzero()[0])]
        raise ImageDataError(f"{mask_path}: instance {instance} is one pixel wide or high, its box has no area.")
    height, width = mask.shape
    try:
        content = path.read_bytes()
    except OSError as error:
        raise ImageDataError(f"Cannot read {path}: {reason(error)}.") from None
    pixels = decode_image(content, f"{path}, whose mask is {mask_path.name}", width, height)
    return DetectionImage(path.stem, torch.from_numpy(pixels.copy()).permute(2, 0, 1).contiguous(), boxes)


def _read_mask(path: Path) -> npt.NDArray[np.integer]:
    try:
        with Image.open(BytesIO(path.read_bytes()), formats=("PNG",)) as image:
            if image.mode not in _MASK_MODES:
                raise ImageDataError(
                    f"{path}: expected a mask with one number at each pixel, but the image's mode is {image.mode}."
                )
            return np.asarray(image).astype(np.int64)
    except ImageDataError:
        raise
    except Exception as error:  # Pillow raises what its decoders raise
        raise ImageDataError(f"{path}: expected a mask in PNG, but it cannot be decoded ({reason(error)}).") from None
