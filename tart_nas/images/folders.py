"""Images in folders as ImageNet has them, ``train/<class>/*`` and ``val/<class>/*``, of any size, read when needed.

Training images pass through ImageNet's usual augmentation, as in DARTS (Liu et al., ICLR 2019): a crop of 8 to 100 % of
the area at 3/4 to 4/3 of the aspect ratio (Szegedy et al., CVPR 2015), mirroring, and changes of brightness, contrast,
saturation (up to 40 %) and hue (20 %). Others are resized to 256/224 of the size and cropped in the middle.
"""

import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from hashlib import sha256
from pathlib import Path

import torch
from PIL import Image
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from tart_nas.errors import ImageDataError, reason
from tart_nas.images.augmentation import Augmentation
from tart_nas.images.class_folders import ImageFiles, find_class_folders
from tart_nas.images.decoding import decode_rgb
from tart_nas.images.raw import RawSplit, test_set_apart

__all__ = ["FileSplit", "FolderData", "load_folder"]

_MEAN, _STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)  # of ImageNet's training images
_MOST_WORKERS = 8

_Item = tuple[int, int | None]  # an image and the seed of its augmentation, None for none


@dataclass(frozen=True, eq=False)
class FileSplit(Dataset[Tensor | ImageDataError]):
    """Images in files, decoded by several processes ahead of their use.

    Args:
        files: n paths.
        labels: (n,), int64.
        size: height and width to which images are brought, in pixels.
    """

    files: Sequence[Path] = field(repr=False)
    labels: Tensor = field(repr=False)
    size: int

    def __len__(self) -> int:
        return len(self.labels)

    def to(self, device: torch.device | str) -> "FileSplit":
        """The split itself: images are moved batch by batch."""
        return self

    def batches(self, chosen: Sequence[Tensor | slice], seed: int | None = None) -> Iterator[tuple[Tensor, Tensor]]:
        """Gives images and labels batch by batch.

        Args:
            chosen: the indices of each batch.
            seed: of the augmentation, which then depends on it and the image alone; None for none.

        Yields:
            (B, 3, size, size), uint8, and (B,), int64.

        Raises:
            ImageDataError: naming the file that is no image.
        """
        everything = torch.arange(len(self))
        indices = [everything[some] for some in chosen]
        loader: DataLoader[Tensor | ImageDataError] = DataLoader(
            self,
            batch_sampler=[[(i, seed) for i in batch.tolist()] for batch in indices],
            collate_fn=_collated,
            num_workers=min(_MOST_WORKERS, os.cpu_count() or 1, len(indices)),
            pin_memory=torch.cuda.is_available(),
            generator=torch.Generator(),  # the loader draws a number nobody needs, not from the global ones
        )
        for batch, images in zip(indices, loader, strict=True):
            if isinstance(images, ImageDataError):
                raise images
            yield images, self.labels[batch]

    def __getitem__(self, item: _Item) -> Tensor | ImageDataError:
        """An image, (3, size, size), uint8; or the error that it is none, which workers cannot raise as it is."""
        index, seed = item
        path = self.files[index]
        try:
            rgb = decode_rgb(path.read_bytes(), str(path))
        except ImageDataError as error:
            return error
        except OSError as error:
            return ImageDataError(f"{path}: {reason(error)}.")
        with torch.random.fork_rng(devices=[]):
            if seed is not None:
                # The hash of whole numbers is the same in every process, unlike that of a text.
                torch.manual_seed(hash((seed, index)))
            pixels: Tensor = _view(self.size, seed is not None)(rgb)
        return pixels


def _view(size: int, augmented: bool) -> Callable[[Image.Image], Tensor]:
    from torchvision.transforms import v2  # here, since importing torchvision takes seconds

    if augmented:
        first = [v2.RandomResizedCrop(size), v2.ColorJitter(0.4, 0.4, 0.4, 0.2)]  # mirrored in batches, by the recipe
    else:
        first = [v2.Resize(round(size * 256 / 224)), v2.CenterCrop(size)]
    composed: Callable[[Image.Image], Tensor] = v2.Compose([*first, v2.PILToTensor()])
    return composed


def _collated(items: list[Tensor | ImageDataError]) -> Tensor | ImageDataError:
    tensors = []
    for item in items:
        if isinstance(item, ImageDataError):
            return item
        tensors.append(item)
    return torch.stack(tensors)


@dataclass(frozen=True, eq=False)
class FolderData:
    """A data set in folders, as :class:`~tart_nas.images.ImageData` is one in memory.

    Args:
        classes: their names, which are those of the folders, sorted.
        train: what networks are trained on.
        validation: what they are compared on, a part of ``train/``.
        test: the images of ``val/``.
        source: where the images are, for people.
    """

    classes: tuple[str, ...]
    train: FileSplit
    validation: FileSplit
    test: FileSplit
    source: str
    name: str = "folder"
    flippable: bool = True
    mean: tuple[float, ...] = _MEAN
    std: tuple[float, ...] = _STD

    @property
    def image_size(self) -> int:
        """Height and width that images are brought to, in pixels."""
        return self.train.size

    def augmentation(self, crop: int, flip: bool, cutout: int) -> Augmentation:
        """What is left to do when images come from their files cropped, whatever the recipe's ``crop``."""
        return Augmentation(self.mean, self.std, crop=0, flip=flip and self.flippable, cutout=cutout)

    def for_test(self, join: bool = True) -> "FolderData":
        """As :meth:`tart_nas.images.ImageData.for_test`."""
        if not join:
            return replace(self, validation=self.test)
        files = [*self.train.files, *self.validation.files]
        train = FileSplit(files, torch.cat([self.train.labels, self.validation.labels]), self.image_size)
        return replace(self, train=train, validation=self.test)

    @cached_property
    def fingerprint(self) -> str:
        """A hash of the names, sizes and labels of the files that are trained and validated on."""
        digest = sha256()
        for split in (self.train, self.validation):
            for path, label in zip(split.files, split.labels.tolist(), strict=True):
                digest.update(f"{path.parent.name}/{path.name} {path.stat().st_size} {label}\n".encode())
        return digest.hexdigest()


def load_folder(
    folder: Path, size: int, choose: Callable[[Tensor, Tensor | None, tuple[str, ...]], tuple[Tensor, Tensor]]
) -> FolderData:
    """Finds the images of a folder; none is read yet.

    Args:
        folder: in one of the layouts of :mod:`tart_nas.images.class_folders`.
        size: height and width to which they are brought, in pixels.
        choose: maps the labels of the training part, those of the validation part if there is one, and the classes to
            the indices of training and validation images; the latter are of the training part if there is no other.

    Raises:
        ImageDataError: if there are no such folders, or their classes differ.
    """
    found = find_class_folders(folder)
    train, test = found.train, found.test
    if test is None:
        everything = RawSplit(train.labels, lambda indices: indices)  # of which the numbers alone are wanted
        rest, apart = test_set_apart(everything, found.classes, str(folder))
        train, test = (_taken(found.train, part.read(torch.arange(len(part.labels)))) for part in (rest, apart))
    held = found.validation
    chosen, validation = choose(train.labels, None if held is None else held.labels, found.classes)
    parts = (_taken(train, chosen), _taken(train if held is None else held, validation), test)
    splits = [FileSplit(part.files, part.labels, size) for part in parts]
    source = f"{folder} (folders of images)"
    return FolderData(found.classes, train=splits[0], validation=splits[1], test=splits[2], source=source)


def _taken(part: ImageFiles, indices: Tensor) -> ImageFiles:
    return ImageFiles([part.files[i] for i in indices.tolist()], part.labels[indices])
