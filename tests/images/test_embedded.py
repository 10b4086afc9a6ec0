import json
import shutil
from hashlib import sha256
from pathlib import Path

import pytest
import torch

import tart_nas.images
from tart_nas.errors import ImageDataError, SettingError
from tart_nas.images import load_images
from tart_nas.images.cifar import CIFAR10_CLASSES
from tart_nas.images.embedded import find_cifar10_sample

FOLDER = Path(tart_nas.images.__file__).parent / "cifar10_sample"


@pytest.fixture(scope="module")
def sample():
    return find_cifar10_sample()


@pytest.mark.parametrize(("part", "per_class"), [("train", 1000), ("test", 200)])
def test_as_many_images_of_each_class(sample, part, per_class):
    split = getattr(sample, part)()
    assert split.labels.bincount().tolist() == [per_class] * 10
    images = split.read(torch.arange(len(split.labels)))
    assert images.shape == (10 * per_class, 3, 32, 32)
    assert images.dtype == torch.uint8
    assert len({image.numpy().tobytes() for image in images}) == len(images)
    assert torch.equal(split.read(torch.tensor([per_class, 3])), images[[per_class, 3]])


def test_the_images_have_the_statistics_of_cifar10(sample):
    images = sample.train().read(torch.arange(10_000)).double() / 255
    # Of the 50,000 training images; the standard error of a mean over 10,000 images is below 0.0015.
    assert images.mean((0, 2, 3)).tolist() == pytest.approx([0.4914, 0.4822, 0.4465], abs=0.005)
    assert images.std((0, 2, 3)).tolist() == pytest.approx([0.2470, 0.2435, 0.2616], abs=0.005)


def test_labels_are_right(sample):
    """Colours tell classes apart a little: what a linear rule learns of one part holds for the other."""

    def means(split):
        images = split.read(torch.arange(len(split.labels))).double()
        return torch.nn.functional.avg_pool2d(images, 8).flatten(1) / 255, split.labels

    (features, labels), (test_features, test_labels) = means(sample.train()), means(sample.test())
    ones = [torch.cat([some, torch.ones(len(some), 1)], 1) for some in (features, test_features)]
    weights = torch.linalg.lstsq(ones[0], torch.nn.functional.one_hot(labels).double()).solution
    accuracy = ((ones[1] @ weights).argmax(1) == test_labels).double().mean()
    assert accuracy > 0.25  # 0.1 by chance
    blue = features.view(-1, 3, 16).mean(2)
    excess = blue[:, 2] - blue[:, 0]  # of blue over red: ships and airplanes are before water and sky
    by_class = torch.stack([excess[labels == label].mean() for label in range(10)])
    assert set(by_class.topk(2).indices.tolist()) == {0, 8}


def test_files_are_as_small_as_was_promised():
    assert sum(path.stat().st_size for path in FOLDER.iterdir()) <= 5_000_000


def test_load_images_needs_no_folder():
    images = load_images("cifar10-sample", train_images=500, validation_images=100, test_images=200)
    assert images.classes == CIFAR10_CLASSES
    assert (len(images.train), len(images.validation), len(images.test)) == (500, 100, 200)
    assert images.train.labels.bincount().tolist() == [50] * 10
    assert images.flippable
    assert images.source == "CIFAR-10, the sample that comes with the package (10,000 and 2,000 images, as JPEG)"
    sizes = load_images("cifar10-sample")
    assert (len(sizes.train), len(sizes.validation), len(sizes.test)) == (9000, 1000, 2000)


def test_a_folder_is_refused():
    with pytest.raises(SettingError, match="`data_dir` must be left out for cifar10-sample, which comes with the"):
        load_images("cifar10-sample", "here")


@pytest.fixture
def copy(tmp_path):
    shutil.copytree(FOLDER, tmp_path / "sample")
    return tmp_path / "sample"


def edited(folder, change):
    path = folder / "manifest.json"
    manifest = json.loads(path.read_text())
    change(manifest)
    path.write_text(json.dumps(manifest))


class TestSpoilt:
    @pytest.mark.parametrize("name", ["train.jpg", "test.jpg"])
    @pytest.mark.parametrize("change", [lambda data: data[:-1], lambda data: data[:999] + b"?" + data[1000:]])
    def test_a_truncated_or_changed_picture(self, copy, name, change):
        path = copy / name
        path.write_bytes(change(path.read_bytes()))
        found = find_cifar10_sample(copy)
        with pytest.raises(
            ImageDataError, match=rf"{name}: expected the SHA-256 \w+\.\.\., but the file is truncated or"
        ):
            getattr(found, name.removesuffix(".jpg"))()

    @pytest.mark.parametrize("name", ["train.jpg", "manifest.json"])
    def test_a_missing_file(self, copy, name):
        (copy / name).unlink()
        with pytest.raises(ImageDataError, match=rf"{name}: cannot be read \(No such file .*install the package again"):
            find_cifar10_sample(copy).train()

    @pytest.mark.parametrize(
        "change",
        [
            lambda manifest: manifest.pop("columns"),
            lambda manifest: manifest["parts"].pop("test"),
            lambda manifest: manifest.update(parts=[]),
            lambda manifest: manifest["parts"]["train"].update(images_per_class=7),
            lambda manifest: manifest.update(tile_size=0),
            lambda manifest: manifest.update(columns="many"),
        ],
    )
    def test_a_changed_manifest(self, copy, change):
        edited(copy, change)
        with pytest.raises(
            ImageDataError, match=r"manifest\.json: expected tile_size, columns and the parts train and"
        ):
            find_cifar10_sample(copy)

    @pytest.mark.parametrize("content", [b"", b"[]", b"\xff", b'{"tile_size": 32'])
    def test_no_manifest(self, copy, content):
        (copy / "manifest.json").write_bytes(content)
        with pytest.raises(ImageDataError, match=r"manifest\.json: expected tile_size"):
            find_cifar10_sample(copy)

    def test_a_picture_of_another_size(self, copy):
        edited(copy, lambda manifest: manifest["parts"]["train"].update(images_per_class=990))
        with pytest.raises(
            ImageDataError, match=r"train\.jpg: expected an image of 3200x3168 pixels, but got 3200x3200"
        ):
            find_cifar10_sample(copy).train()

    def test_a_manifest_does_not_lead_out_of_its_folder(self, copy):
        outside = copy.parent / "train.jpg"
        (copy / "train.jpg").rename(outside)
        edited(copy, lambda manifest: manifest["parts"]["train"].update(file=str(outside)))
        with pytest.raises(ImageDataError, match=r"sample.train\.jpg: cannot be read"):
            find_cifar10_sample(copy).train()


def test_the_manifest_holds_the_digests_of_the_files():
    parts = json.loads((FOLDER / "manifest.json").read_text())["parts"]
    for part in parts.values():
        assert sha256((FOLDER / part["file"]).read_bytes()).hexdigest() == part["sha256"]
