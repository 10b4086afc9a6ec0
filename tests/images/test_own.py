"""Images of a user's own: class folders in all layouts, parquet of any classes, PyTorch's data sets, tensors."""

from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from torch.utils.data import TensorDataset

from tart_nas.errors import ImageDataError, SettingError
from tart_nas.images import load_image_folder, load_images
from tests.images.conftest import Images, write_parquet

CLASSES = ("ant", "bee", "cow")


def _write(folder, counts, size=None):
    """So many images of each class, of a colour of their own, of many sizes, in all formats."""
    for label, (name, count) in enumerate(zip(CLASSES, counts, strict=True)):
        (folder / name).mkdir(parents=True)
        for k in range(count):
            shape = size or (20 + k, 31 - k)
            suffix = (".png", ".jpg", ".webp")[k % 3]
            Image.new("RGB", shape, (80 * label, 0, 0)).save(folder / name / f"{k}{suffix}", quality=95)
    return folder


def _labels(split):
    return split.labels.bincount(minlength=3).tolist()


def _reds(images):
    """The label that each image's colour says."""
    return (images.images[:, 0].float().mean((1, 2)) / 80).round().long()


def test_class_folders_without_parts(tmp_path):
    _write(tmp_path, (10, 20, 30))
    images = load_images("folder", tmp_path, image_size=16)
    assert images.classes == CLASSES
    assert [_labels(split) for split in (images.train, images.validation, images.test)] == [
        [7, 14, 22], [1, 2, 2], [2, 4, 6],
    ]  # fmt: skip
    for split in (images.train, images.validation, images.test):
        assert split.images.shape[1:] == (3, 16, 16)
        assert torch.equal(_reds(split), split.labels)
    other = load_images("folder", tmp_path, image_size=16, seed=7)
    assert torch.equal(other.test.labels.sort().values, images.test.labels.sort().values)
    files = load_image_folder(tmp_path, image_size=16)
    assert [len(split) for split in (files.train, files.validation, files.test)] == [43, 5, 12]
    assert not {*files.train.files, *files.validation.files} & {*files.test.files}


def test_all_three_parts(tmp_path):
    for part, counts in (("train", (4, 5, 6)), ("valid", (1, 2, 1)), ("test", (2, 1, 3))):
        _write(tmp_path / part, counts)
    for images in (load_images("folder", tmp_path, image_size=16), load_image_folder(tmp_path, image_size=16)):
        assert [_labels(split) for split in (images.train, images.validation, images.test)] == [
            [4, 5, 6], [1, 2, 1], [2, 1, 3],
        ]  # fmt: skip
    few = load_images("folder", tmp_path, image_size=16, train_images=6, validation_images=3)
    assert (len(few.train), len(few.validation)) == (6, 3)


def test_images_of_one_size_keep_it(tmp_path):
    _write(tmp_path, (4, 4, 4), size=(24, 24))
    assert load_images("folder", tmp_path).image_size == 24


def test_parquet_of_any_classes(tmp_path):
    rng = np.random.default_rng(0)
    labels = np.repeat(np.arange(3), 8)
    pixels = rng.integers(0, 256, (24, 40, 24, 3), dtype=np.uint8)
    write_parquet(tmp_path / "data/train-00000-of-00001.parquet", Images(pixels, labels), classes=CLASSES)
    images = load_images("folder", tmp_path, image_size=12)
    assert images.classes == CLASSES
    assert [len(split) for split in (images.train, images.validation, images.test)] == [16, 3, 5]
    middle = np.asarray(Image.fromarray(pixels[0]).crop((0, 8, 24, 32)).resize((12, 12), Image.Resampling.BICUBIC))
    everything = torch.cat([images.train.images, images.validation.images, images.test.images]).permute(0, 2, 3, 1)
    assert min(np.abs(other.numpy().astype(int) - middle).mean() for other in everything) < 2  # of 256 levels
    write_parquet(tmp_path / "data/train-00000-of-00001.parquet", Images(pixels, labels + 1), classes=CLASSES)
    with pytest.raises(ImageDataError, match=r"train-.*: image 16 has the label 3, expected \[0, 3\)"):
        load_images("folder", tmp_path, image_size=12)


def _deep():
    """A grey image of 16 bits per channel, almost all of which is above 255."""
    return Image.fromarray(np.linspace(0, 65535, 144).reshape(12, 12).astype(np.uint16))


@pytest.mark.parametrize(
    ("labels", "said"),
    [
        ([], "there is no image in the parquet files of train"),
        ([0] * 9, "are all of one class, but at least two are expected"),
        ([10**12] * 9, "labels must count the classes from 0, but there is the label 1000000000000 and only 9 images"),
    ],
)
def test_parquet_without_names_of_classes(labels, said, tmp_path):
    pixels = np.zeros((len(labels), 8, 8, 3), dtype=np.uint8)
    write_parquet(tmp_path / "train-00000-of-00001.parquet", Images(pixels, labels), classes=None)
    with pytest.raises(ImageDataError, match=said):
        load_images("folder", tmp_path)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda f: (f / "bee/5.webp").write_bytes(b"nothing"), r"bee/5\.webp: .* cannot be decoded\.$"),
        (
            lambda f: [p.unlink() for p in sorted((f / "cow").iterdir())[1:]],
            "the class cow has 1 image, but each class",
        ),
        (lambda f: [p.unlink() for p in (f / "cow").iterdir()], "cow: no images there, expected .jpeg"),
        (lambda f: (f / "test").mkdir(), "there is test but no train"),
        (lambda f: _deep().save(f / "bee/7.png"), "bee/7.png: expected 8 bits per channel, but .* mode is I;16"),
    ],
)
def test_what_is_wrong_with_a_folder(change, said, tmp_path):
    change(_write(tmp_path / "mine", (6, 6, 6)))
    with pytest.raises(ImageDataError, match=said) as error:
        load_images("folder", tmp_path / "mine", image_size=8)
    assert "\n" not in str(error.value)


def test_different_sizes_ask_for_one(tmp_path):
    with pytest.raises(ImageDataError, match="is 20x31 pixels large: `image_size` must say to which square"):
        load_images("folder", _write(tmp_path, (4, 4, 4)))
    with pytest.raises(SettingError, match="`data_dir` must name the folder"):
        load_images("folder")


class Pictures(torch.utils.data.Dataset[Any]):
    """Images of Pillow, of different sizes, as torchvision's data sets give them."""

    classes = ("dark", "light")

    def __len__(self):
        return 20

    def __getitem__(self, index):
        return Image.new("L", (10 + index, 12), 255 * (index % 2)), index % 2


def test_data_sets_of_pytorch():
    images = load_images(Pictures(), image_size=8)
    assert images.classes == ("dark", "light")
    assert [len(split) for split in (images.train, images.validation, images.test)] == [14, 2, 4]
    assert torch.equal(images.train.images[:, 0, 0, 0] // 255, images.train.labels)
    with pytest.raises(ImageDataError, match=r"differ in size \(12x10 and 12x11\): `image_size` must say"):
        load_images(Pictures())


class Troubled(torch.utils.data.Dataset[Any]):
    """Twenty grey images, of which the eighth is not as the others."""

    def __init__(self, eighth):
        self.eighth = eighth

    def __len__(self):
        return 20

    def __getitem__(self, index):
        image, label = torch.rand(1, 8, 8), index % 2
        return self.eighth(image, label) if index == 7 else (image, label)


def _fails(image, label):
    raise OSError("the disk is gone\nand more")


@pytest.mark.parametrize(
    ("eighth", "said"),
    [
        (_fails, "Item 7 of train cannot be read: OSError: the disk is gone"),
        (lambda image, label: image, r"must give \(image, label\) pairs, but item 7 of train is none"),
        (lambda image, label: (image, 0.5), "Labels must be whole numbers, but item 7 of train has 0.5"),
        (lambda image, label: (image, "cat"), "Labels must be whole numbers, but item 7 of train has 'cat'"),
        (lambda image, label: (image.expand(3, 8, 8), 1), "differ in their numbers of channels: 1 and 3"),
        (lambda image, label: (image / 0, 1), "they are in"),
        (lambda image, label: (_deep(), 1), "Item 7 of train: expected 8 bits per channel, but .* mode is I;16"),
    ],
)
def test_one_item_that_is_not_as_the_others(eighth, said):
    with pytest.raises((ImageDataError, SettingError), match=said) as error:
        load_images(Troubled(eighth))
    assert "\n" not in str(error.value)
    images = load_images(Troubled(lambda image, label: (image, torch.tensor(1.0))))
    assert images.classes == ("0", "1")


class Labelled(TensorDataset):
    """Tensors whose classes have names."""

    classes = ("dark", "light")


def test_tensors_with_parts():
    pixels, labels = torch.rand(30, 1, 9, 9), torch.arange(30) % 3
    parts = {"train": (pixels, labels), "validation": TensorDataset(pixels[:6], labels[:6]), "test": (pixels, labels)}
    images = load_images(parts)
    assert [len(split) for split in (images.train, images.validation, images.test)] == [30, 6, 30]
    assert images.train.images.shape == (30, 3, 9, 9)
    assert (
        images.train.images[images.train.labels == 1].float().mean() / 255 - pixels[labels == 1].mean()
    ).abs() < 0.01
    again = load_images(images, train_images=9, image_size=3)
    assert (len(again.train), again.image_size, len(again.test)) == (9, 3, 30)


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ((torch.randn(9, 3, 8, 8), torch.arange(9) % 3), r"floats in \[0, 1\] \(normalised ones"),
        ({"training": ()}, "must have train, and may have validation and test, but has no 'train'"),
        ({"train": (), "all": ()}, "but has 'all'"),
        ([1, 2, 3], r"must give \(image, label\) pairs, but item 0 of train is none"),
        ((torch.rand(9, 3, 8, 8), torch.arange(9) / 2), "Labels must be whole numbers, but those of train are others"),
        ((torch.rand(9, 3, 8, 8), torch.zeros(9)), "are all of one class, but at least two are expected"),
        ((torch.rand(9, 3, 8, 8), torch.arange(9) * 10**9), "the label 8000000000 and only 9 images"),
        (Labelled(torch.rand(9, 3, 8, 8), torch.arange(9) * 10**9), r"Label 8000000000 in train .* expected \[0, 2\)"),
        ((torch.rand(9, 3, 8, 8), ["cat"] * 9), "train cannot be made tensors of"),
        ((torch.rand(0, 3, 8, 8), torch.zeros(0)), "There is no image in train"),
        (torch.utils.data.Subset(Pictures(), []), "There is no image in train"),
        (iter([]), "must be the name of a data set, an ImageData, a torch.utils.data.Dataset with a length"),
    ],
)
def test_what_is_no_data_set(given, said):
    with pytest.raises((SettingError, ImageDataError), match=said):
        load_images(given)
