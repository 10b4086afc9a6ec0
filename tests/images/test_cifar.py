import os

import numpy as np
import pytest
import torch
from torchvision.datasets import CIFAR10
from torchvision.datasets.utils import calculate_md5

from tart_nas.errors import ImageDataError
from tart_nas.images import load_images
from tart_nas.images.cifar import CIFAR100_CLASSES, find_cifar10, find_cifar100
from tests.images.conftest import (
    CLASSES,
    Images,
    encoded,
    python2_batch,
    write_archive,
    write_batches,
    write_class_folders,
    write_parquet,
)
from tests.web_server import serving


def as_parquet(folder, train, test):
    write_parquet(folder / "train-00000-of-00001.parquet", train)
    write_parquet(folder / "test-00000-of-00001.parquet", test)


def as_published_parquet(folder, train, test):
    """Two files, in a folder of their own, with the other name of the column."""
    half = len(train) // 2
    for k, part in enumerate((slice(half), slice(half, None))):
        images = Images(train.pixels[part], train.labels[part])
        write_parquet(folder / "plain_text" / f"train-{k:05d}-of-00002.parquet", images, column="image")
    write_parquet(folder / "plain_text" / "test-00000-of-00001.parquet", test, column="image")


def as_batches(folder, train, test):
    write_batches(folder / "cifar-10-batches-py", train, test)


def as_class_folders(folder, train, test):
    write_class_folders(folder / "train", train)
    write_class_folders(folder / "test", test)


FORMS = (as_parquet, as_published_parquet, as_batches, as_class_folders)


def assert_same(raw, images, by_class):
    """Whether a split was read back as it was written, in its order or class by class."""
    order = np.argsort(images.labels, kind="stable") if by_class else np.arange(len(images))
    assert raw.labels.tolist() == images.labels[order].tolist()
    read = raw.read(torch.arange(len(images)))
    assert read.dtype == torch.uint8
    np.testing.assert_array_equal(read.permute(0, 2, 3, 1), images.pixels[order])
    np.testing.assert_array_equal(raw.read(torch.tensor([7, 3])), read[[7, 3]])


@pytest.mark.parametrize("write", FORMS)
def test_every_form_is_read_back_equal(tmp_path, train_images, test_images, write):
    write(tmp_path, train_images, test_images)
    found = find_cifar10(tmp_path)
    assert found.classes == CLASSES
    assert str(tmp_path) in found.source
    assert_same(found.train(), train_images, by_class=write is as_class_folders)
    assert_same(found.test(), test_images, by_class=write is as_class_folders)


def test_the_batches_folder_itself(tmp_path, train_images, test_images):
    as_batches(tmp_path, train_images, test_images)
    assert_same(find_cifar10(tmp_path / "cifar-10-batches-py").train(), train_images, by_class=False)


def test_ordered_forms_split_alike(tmp_path, train_images, test_images):
    loaded = []
    for write in (as_parquet, as_published_parquet, as_batches):
        folder = tmp_path / write.__name__
        write(folder, train_images, test_images)
        loaded.append(load_images("cifar10", folder, validation_fraction=0.25, train_images=50))
    for other in loaded[1:]:
        assert torch.equal(other.train.images, loaded[0].train.images)
        assert torch.equal(other.validation.images, loaded[0].validation.images)
        assert torch.equal(other.test.images, loaded[0].test.images)


@pytest.mark.parametrize(("mode", "suffix"), [("L", ".png"), ("P", ".PNG"), ("RGBA", ".png"), ("L", ".jpeg")])
def test_grey_and_palette_and_transparent_images_become_rgb(tmp_path, train_images, test_images, mode, suffix):
    as_class_folders(tmp_path, train_images, test_images)
    path = next((tmp_path / "train" / "airplane").iterdir())
    path.unlink()
    path.with_suffix(suffix).write_bytes(encoded(train_images.pixels[0], mode, "JPEG" if "j" in suffix else "PNG"))
    read = find_cifar10(tmp_path).train().read(torch.arange(12))
    assert read.shape == (12, 3, 32, 32)


@pytest.fixture
def published(tmp_path, monkeypatch):
    """A folder on a web server, whose cifar-10-python.tar.gz is taken for the published one."""
    folder = tmp_path / "published"
    folder.mkdir()
    with serving(folder) as address:
        monkeypatch.setenv("no_proxy", "*")
        monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
        monkeypatch.setattr(CIFAR10, "url", f"{address}/cifar-10-python.tar.gz")
        yield folder


def kept_in(cache):
    """What lies in the cache, but for the lock by which several processes download once."""
    return [name for name in os.listdir(cache / "tart-nas") if not name.endswith(".lock")]


def test_download(tmp_path, monkeypatch, published, train_images, test_images):
    archive = published / "cifar-10-python.tar.gz"
    write_archive(archive, train_images, test_images)
    monkeypatch.setattr(CIFAR10, "tgz_md5", calculate_md5(archive))
    assert_same(find_cifar10(None).train(), train_images, by_class=False)
    assert kept_in(tmp_path / "cache") == ["cifar-10-batches-py"]
    archive.unlink()
    assert_same(find_cifar10(None).test(), test_images, by_class=False)  # once is enough


@pytest.mark.parametrize("problem", ["offline", "not there", "other content"])
def test_failed_download(tmp_path, monkeypatch, published, problem):
    if problem == "offline":
        monkeypatch.setattr(CIFAR10, "url", "http://127.0.0.1:9/cifar-10-python.tar.gz")  # nobody listens
    elif problem == "other content":
        (published / "cifar-10-python.tar.gz").write_bytes(b"not what was published")
    with pytest.raises(ImageDataError, match="cannot be downloaded .* unpack it to .*cifar-10-batches-py, or name"):
        find_cifar10(None)
    assert kept_in(tmp_path / "cache") == []


class TestBadFolders:
    def test_missing(self, tmp_path):
        with pytest.raises(ImageDataError, match="nowhere: no such folder; expected CIFAR-10 there"):
            find_cifar10(tmp_path / "nowhere")

    def test_empty(self, tmp_path):
        with pytest.raises(ImageDataError, match=r"no CIFAR-10 images there; expected train-\*\.parquet"):
            find_cifar10(tmp_path)

    @pytest.mark.parametrize("write", FORMS)
    def test_half_of_it_missing(self, tmp_path, train_images, test_images, write):
        write(tmp_path, train_images, test_images)
        missing = next(path for path in tmp_path.rglob("test*"))
        missing.rename(tmp_path / "elsewhere")
        with pytest.raises(
            ImageDataError, match=r"no test-\*\.parquet|test_batch: no such file|there is no folder test"
        ):
            find_cifar10(tmp_path)

    def test_a_shard_missing(self, tmp_path, train_images, test_images):
        as_published_parquet(tmp_path, train_images, test_images)
        (tmp_path / "plain_text" / "train-00001-of-00002.parquet").unlink()
        with pytest.raises(ImageDataError, match="expected 2 files of this name, but there are 1"):
            find_cifar10(tmp_path).train()

    def test_truncated_parquet(self, tmp_path, train_images, test_images):
        as_parquet(tmp_path, train_images, test_images)
        path = tmp_path / "train-00000-of-00001.parquet"
        path.write_bytes(path.read_bytes()[:-100])
        with pytest.raises(ImageDataError, match=r"train-00000-of-00001\.parquet: expected a parquet file, but it"):
            find_cifar10(tmp_path).train()

    def test_parquet_of_another_data_set(self, tmp_path, train_images, test_images):
        write_parquet(tmp_path / "test-0.parquet", test_images)
        write_parquet(tmp_path / "train-0.parquet", train_images, column="pixels")
        with pytest.raises(ImageDataError, match=r"expected the columns img \(or image\).*it has pixels struct"):
            find_cifar10(tmp_path).train()
        write_parquet(tmp_path / "train-0.parquet", train_images, classes=("apple", "baby"))
        with pytest.raises(ImageDataError, match="its classes are apple, baby; expected CIFAR-10's"):
            find_cifar10(tmp_path).train()

    @pytest.mark.parametrize("write", [as_parquet, as_batches])
    def test_wrong_label(self, tmp_path, train_images, test_images, write):
        labels = train_images.labels.copy()
        labels[5] = 10
        write(tmp_path, Images(train_images.pixels, labels), test_images)
        with pytest.raises(ImageDataError, match=r"image 5 has the label 10, expected \[0, 10\)"):
            find_cifar10(tmp_path).train()

    def test_wrong_class(self, tmp_path, train_images, test_images):
        as_class_folders(tmp_path, train_images, test_images)
        (tmp_path / "train" / "bird").rename(tmp_path / "train" / "birds")
        with pytest.raises(ImageDataError, match="birds: no class of CIFAR-10, expected airplane, "):
            find_cifar10(tmp_path).train()

    def test_class_without_images(self, tmp_path, train_images, test_images):
        as_class_folders(tmp_path, train_images, test_images)
        for path in (tmp_path / "train" / "ship").iterdir():
            path.rename(path.with_suffix(".txt"))
        with pytest.raises(ImageDataError, match=r"ship: no images there, expected \.png or \.jpg files"):
            find_cifar10(tmp_path).train()


class TestBadImages:
    """One image of the class folders, or of the parquet file, is replaced."""

    @pytest.mark.parametrize(
        ("content", "message"),
        [
            (lambda pixels: encoded(pixels)[:-40], "cannot be decoded"),
            (lambda pixels: encoded(pixels)[:500] + bytes(20) + encoded(pixels)[520:], "cannot be decoded"),
            (lambda pixels: encoded(pixels, format="JPEG")[:300], "cannot be decoded"),
            (lambda pixels: b"", "cannot be decoded"),
            (lambda pixels: encoded(pixels, format="GIF"), "expected a PNG or JPEG image"),
            (lambda pixels: encoded(pixels[:, :31]), "expected an image of 32x32 pixels, but got 31x32"),
            (lambda pixels: encoded(pixels[..., 0].astype(np.uint16), "I;16"), "expected 8 bits per channel"),
        ],
    )
    def test_named(self, tmp_path, train_images, test_images, content, message):
        as_class_folders(tmp_path, train_images, test_images)
        path = min((tmp_path / "train" / "deer").iterdir())
        path.write_bytes(content(train_images.pixels[0]))
        raw = find_cifar10(tmp_path).train()
        with pytest.raises(ImageDataError, match=rf"deer.{path.stem}\.png: .*{message}"):
            raw.read(torch.tensor([48]))  # the 49th, after 12 of each class before
        raw.read(torch.tensor([47]))

    def test_row_of_a_parquet_file(self, tmp_path, train_images, test_images):
        pixels = np.delete(train_images.pixels, 31, axis=1)
        as_published_parquet(tmp_path, Images(pixels, train_images.labels), test_images)
        half = len(train_images) // 2
        with pytest.raises(ImageDataError, match=r"train-00001-of-00002\.parquet, row 2: expected an image of 32x32"):
            find_cifar10(tmp_path).train().read(torch.tensor([half + 2]))


class TestCifar100:
    """The same images under fine labels, since only the form of the files differs."""

    @pytest.fixture
    def labelled(self, train_images, test_images):
        assert len(CIFAR100_CLASSES) == 100
        return tuple(
            Images(images.pixels, (np.arange(len(images)) * 37 + 5) % 100) for images in (train_images, test_images)
        )

    def test_published(self, labelled, tmp_path):
        folder = tmp_path / "cifar-100-python"
        folder.mkdir()
        for name, images in zip(("train", "test"), labelled, strict=True):
            (folder / name).write_bytes(python2_batch(images, labels_key=b"fine_labels"))
        for place in (tmp_path, folder):
            found = find_cifar100(place)
            assert found.classes == CIFAR100_CLASSES
            assert_same(found.train(), labelled[0], by_class=False)
            assert_same(found.test(), labelled[1], by_class=False)
        (folder / "test").unlink()
        with pytest.raises(ImageDataError, match=r"test: no such file; cifar-100-python has 2"):
            find_cifar100(tmp_path)

    def test_parquet(self, labelled, tmp_path):
        for name, images in zip(("train", "test"), labelled, strict=True):
            path = tmp_path / f"{name}-00000-of-00001.parquet"
            write_parquet(path, images, classes=CIFAR100_CLASSES, label="fine_label")
        assert_same(find_cifar100(tmp_path).train(), labelled[0], by_class=False)
        with pytest.raises(ImageDataError, match=r"expected the columns img .* and label \(integer\)"):
            find_cifar10(tmp_path).train()

    def test_labels_out_of_range(self, labelled, tmp_path):
        labelled[0].labels[3] = 100
        for name, images in zip(("train", "test"), labelled, strict=True):
            path = tmp_path / f"{name}-00000-of-00001.parquet"
            write_parquet(path, images, classes=CIFAR100_CLASSES, label="fine_label")
        with pytest.raises(ImageDataError, match=r"image 3 has the label 100, expected \[0, 100\)"):
            find_cifar100(tmp_path).train()
