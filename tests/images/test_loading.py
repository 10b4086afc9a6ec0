from typing import Any

import numpy as np
import pytest
import torch

from tart_nas.errors import ImageDataError, SettingError
from tart_nas.images import IMAGE_DATASETS, load_images
from tart_nas.images.cifar import find_cifar10
from tart_nas.images.embedded import find_cifar10_sample
from tests.images.conftest import Images, write_class_folders, write_parquet


def as_set(split):
    return {image.numpy().tobytes() for image in split.images}


@pytest.fixture(scope="module")
def some():
    return load_images("cifar10-sample", train_images=500, validation_images=200)


@pytest.mark.slow
def test_all_of_cifar10(all_of_cifar10):
    images = load_images("cifar10", all_of_cifar10)
    assert images.train.images.shape == (45_000, 3, 32, 32)
    assert images.train.labels.bincount().tolist() == [4500] * 10
    assert images.validation.labels.bincount().tolist() == [500] * 10
    assert images.test.labels.bincount().tolist() == [1000] * 10
    assert images.source.startswith(f"CIFAR-10 from {all_of_cifar10} (")
    # What every user of CIFAR-10 normalises by, of the 50,000 original images.
    assert images.mean == pytest.approx((0.491, 0.482, 0.447), abs=0.005)
    assert images.std == pytest.approx((0.247, 0.243, 0.262), abs=0.005)


@pytest.mark.slow
@pytest.mark.parametrize("part", ["train", "test"])
def test_the_sample_is_a_part_of_cifar10_under_its_labels(all_of_cifar10, part):
    """The most alike image of CIFAR-10 is the same one, encoded another way, and has the same label."""

    def quarter(images):
        """Every other pixel each way, which is enough and needs a quarter of the memory."""
        return images[:, :, ::2, ::2].flatten(1).float()

    whole = getattr(find_cifar10(all_of_cifar10), part)()
    pixels = quarter(whole.read(torch.arange(len(whole.labels))))
    sample = getattr(find_cifar10_sample(), part)()
    chosen = torch.arange(0, len(sample.labels), len(sample.labels) // 100)
    distances = torch.cdist(quarter(sample.read(chosen)), pixels) ** 2 / pixels.shape[1]
    nearest = distances.min(1)
    assert nearest.values.max() < 255**2 / 10**2.0  # 20 dB: the source may be encoded with losses too
    assert len(nearest.indices.unique()) == len(chosen)
    assert torch.equal(whole.labels[nearest.indices], sample.labels[chosen])


def test_smaller_subsets_lie_in_larger_ones_and_splits_are_disjoint(some):
    assert some.train.labels.bincount().tolist() == [50] * 10
    assert some.validation.labels.bincount().tolist() == [20] * 10
    smaller = load_images("cifar10-sample", train_images=100, validation_images=50)
    assert as_set(smaller.train) < as_set(some.train)
    assert as_set(smaller.validation) < as_set(some.validation)
    assert not as_set(some.train) & as_set(some.validation)


def test_digits_are_split_stratified_and_disjoint():
    digits = load_images("digits")
    assert [len(split) for split in (digits.train, digits.validation, digits.test)] == [1350, 150, 297]
    assert digits.validation.labels.bincount().min() >= 14
    assert not digits.flippable
    sets = [as_set(split) for split in (digits.train, digits.validation, digits.test)]
    assert len(set.union(*sets)) == sum(map(len, sets)) == 1797


def test_seed_and_fraction():
    first, again, other = (load_images("digits", seed=seed) for seed in (0, 0, 1))
    assert torch.equal(first.train.images, again.train.images)
    assert as_set(first.validation) != as_set(other.validation)
    assert as_set(first.test) == as_set(other.test)
    assert len(load_images("digits", validation_fraction=0.4).validation) == 600


def test_only_what_is_used_is_decoded(tmp_path, train_images, test_images):
    write_class_folders(tmp_path / "train", train_images)
    write_class_folders(tmp_path / "test", test_images)
    for path in (tmp_path / "test").rglob("*.png"):
        path.write_bytes(b"corrupt")
    images = load_images("cifar10", tmp_path)
    with pytest.raises(ImageDataError, match=r"airplane.\d+\.png: .*cannot be decoded"):
        _ = images.test


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"name": "imagenet"}, rf"Unknown data set 'imagenet': expected one of {', '.join(IMAGE_DATASETS)}\.$"),
        ({"name": "cifar-10"}, r"Unknown data set 'cifar-10': expected one of .*\. Did you mean 'cifar10'\?"),
        ({"name": "CIFAR10-sample"}, r"expected one of .*\. Did you mean 'cifar10-sample'\?"),
        ({"name": 10}, "Unknown data set 10: expected one of"),
        (
            {"data_dir": "here"},
            "`data_dir` must be left out for digits, .* but got here: images in a folder",
        ),
        ({"seed": -1}, "`seed` must be a whole number of at least 0, but got -1"),
        ({"validation_fraction": 0.0}, r"`validation_fraction` must be a number in \(0, 1\), but got 0.0"),
        ({"validation_fraction": float("nan")}, r"`validation_fraction` must be a number in \(0, 1\), but got nan"),
        ({"train_images": 1351}, r"`train_images` of digits must be a whole number in \[10, 1350\], but got 1351"),
        ({"train_images": 0}, r"`train_images` of digits must be a whole number in \[10, 1350\], but got 0"),
        (
            {"validation_images": 151},
            r"`validation_images` of digits must be .* in \[10, 150\], but got 151",
        ),
    ],
)
def test_settings_out_of_range(arguments, message):
    with pytest.raises(SettingError, match=message):
        load_images(**{"name": "digits", **arguments})


def test_too_few_images(tmp_path, train_images, test_images):
    write_parquet(tmp_path / "test-0.parquet", test_images)
    deer = np.flatnonzero(train_images.labels == 4)
    rows = np.setdiff1d(np.arange(len(train_images)), deer[1:])  # one is left
    write_parquet(tmp_path / "train-0.parquet", Images(train_images.pixels[rows], train_images.labels[rows]))
    with pytest.raises(ImageDataError, match="training images, 1 in class deer, are too few to set 10% of each class"):
        load_images("cifar10", tmp_path)
    with pytest.raises(ImageDataError, match="are too few to set 5% of each class apart"):
        load_images("cifar10", tmp_path, validation_fraction=0.05)


def test_reduced_images_are_means_of_those_they_cover():
    options: dict[str, Any] = {"train_images": 50, "validation_images": 20, "test_images": 30}
    full, small = (load_images("cifar10-sample", image_size=size, **options) for size in (None, 16))
    for name in ("train", "validation", "test"):
        given, reduced = getattr(full, name), getattr(small, name)
        assert reduced.images.shape == (len(given), 3, 16, 16)
        assert torch.equal(reduced.labels, given.labels)
        means = given.images.double().unflatten(3, (16, 2)).unflatten(2, (16, 2)).mean((3, 5))
        assert (reduced.images - means).abs().max() <= 0.5
    assert small.image_size == 16


def test_some_test_images():
    images = load_images("digits", test_images=50)
    assert len(images.test) == 50
    assert images.test.labels.bincount().min() >= 4
    assert as_set(images.test) < as_set(load_images("digits").test)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"test_images": 9}, "`test_images` of digits must be a whole number of at least 10, but got 9"),
        ({"test_images": 298}, "`test_images` must be at most 297, but got 298"),
        ({"image_size": 0}, "`image_size` must be a whole number of at least 1"),
        ({"image_size": 33}, "`image_size` must be at most that of the images, 32, but got 33"),
    ],
)
def test_reductions_out_of_range(options, said):
    with pytest.raises(SettingError, match=said):
        _ = load_images("digits", **options).test


def test_shots_are_of_each_class():
    images = load_images("cifar10-sample", shots=3, validation_images=50)
    assert images.train.labels.bincount().tolist() == [3] * 10
    more = load_images("cifar10-sample", shots=5, validation_images=50)
    assert as_set(images.train) < as_set(more.train)
    assert not as_set(more.train) & as_set(images.validation)


def test_the_data_of_a_final_result():
    images = load_images("digits", train_images=100, validation_images=50)
    final = images.for_test()
    assert as_set(final.train) == as_set(images.train) | as_set(images.validation)
    assert as_set(final.validation) == as_set(final.test) == as_set(images.test)
    few = images.for_test(join=False)
    assert as_set(few.train) == as_set(images.train)
    assert as_set(few.validation) == as_set(images.test)


@pytest.mark.parametrize("name", ["cifar10-sample", "digits"])
def test_batches_of_test_images_hold_all_classes(name):
    """A network that normalises by the statistics of a batch tells nothing apart where a batch has one class."""
    for labels in load_images(name).test.labels.split(64)[:-1]:
        assert len(labels.unique()) == 10
