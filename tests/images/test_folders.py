from functools import partial

import numpy as np
import pytest
import torch
from PIL import Image

from tart_nas.errors import ImageDataError, SettingError
from tart_nas.images import load_image_folder
from tart_nas.images.augmentation import normalize
from tests.images.conftest import CLASSES


@pytest.fixture(scope="module")
def folder(train_images, test_images, tmp_path_factory):
    """Real images of ten classes, enlarged to odd sizes, some of them grey, in PNG and JPEG."""
    root = tmp_path_factory.mktemp("imagenet")
    for name, images in (("train", train_images), ("val", test_images)):
        for k, (pixels, label) in enumerate(zip(images.pixels, images.labels, strict=True)):
            image = Image.fromarray(pixels).resize((61 + k % 40, 90 - k % 50), Image.Resampling.BICUBIC)
            path = root / name / CLASSES[label] / f"{k:04d}{'.png' if k % 2 else '.JPEG'}"
            path.parent.mkdir(parents=True, exist_ok=True)
            (image.convert("L") if k % 5 == 0 else image).save(path)
    return root


def test_splits(folder):
    images = load_image_folder(folder, image_size=64)
    assert images.classes == CLASSES
    assert [len(split) for split in (images.train, images.validation, images.test)] == [108, 12, 30]
    assert images.test.labels.bincount().tolist() == [3] * 10
    assert not set(images.train.files) & set(images.validation.files)
    assert images.image_size == 64
    few = load_image_folder(folder, image_size=64, shots=4)
    assert few.train.labels.bincount().tolist() == [4] * 10
    assert set(few.train.files) < set(images.train.files)
    final = images.for_test()
    assert len(final.train) == 120
    assert final.validation is images.test


def test_evaluation_takes_the_middle(folder):
    images = load_image_folder(folder, image_size=56)
    ((pixels, labels),) = images.test.batches([slice(0, 5)])
    assert torch.equal(labels, images.test.labels[:5])
    assert pixels.dtype == torch.uint8
    for got, path in zip(pixels, images.test.files, strict=False):
        with Image.open(path) as file:
            image = file.convert("RGB")
        scale = 64 / min(image.size)
        resized = image.resize((int(image.size[0] * scale), int(image.size[1] * scale)), Image.Resampling.BILINEAR)
        left, top = (round((side - 56) / 2) for side in resized.size)
        expected = np.asarray(resized.crop((left, top, left + 56, top + 56))).transpose(2, 0, 1)
        assert np.abs(got.numpy().astype(int) - expected).mean() < 3


def test_augmentation_depends_on_seed_and_image_alone(folder):
    images = load_image_folder(folder, image_size=48)

    def read(seed, *batches):
        parts = images.train.batches([torch.tensor(batch) for batch in batches], seed)
        return torch.cat([pixels for pixels, _ in parts])

    before = torch.get_rng_state()
    whole = read(5, [3, 1, 4, 1, 5])
    assert torch.equal(torch.get_rng_state(), before)
    assert torch.equal(whole, read(5, [3, 1], [4, 1, 5]))
    assert torch.equal(whole[1], whole[3])
    assert not torch.equal(whole[0], read(6, [3])[0])


def test_the_recipe_says_whether_images_are_mirrored(folder):
    """Digits and letters in a folder are others in a mirror; ImageNet's crops are there all the same."""
    images = load_image_folder(folder, image_size=48)
    ((pixels, _),) = images.train.batches([slice(0, 40)], seed=0)
    seeded = partial(torch.Generator().manual_seed, 0)
    kept = images.augmentation(4, False, 0)(pixels, seeded())
    either = images.augmentation(4, True, 0)(pixels, seeded())
    assert torch.equal(kept, normalize(pixels, images.mean, images.std))
    is_kept = (either == kept).flatten(1).all(1)
    is_mirrored = (either == kept.flip(3)).flatten(1).all(1)
    assert (is_kept | is_mirrored).all()
    assert 10 <= is_mirrored.sum() <= 30


def test_a_corrupt_image_is_named(folder, tmp_path):
    images = load_image_folder(folder, image_size=48)
    bad = tmp_path / "bad.png"
    bad.write_bytes(b"nothing of the kind")
    images.train.files[2] = bad  # type: ignore[index]
    with pytest.raises(ImageDataError, match=r"bad\.png: expected a PNG, JPEG or WebP image"):
        list(images.train.batches([slice(0, 4)], seed=0))


@pytest.mark.parametrize(
    ("make", "said"),
    [
        ([], "expected a folder of images for each of at least two classes"),
        (["train/cat", "val/cat"], "expected a folder of images for each of at least two classes"),
        (["train/cat", "train/dog", "val/cat", "val/frog"], "the class dog is not both in train and val"),
        (["train/cat", "train/dog", "val/cat", "val/dog"], "no images there"),
    ],
)
def test_wrong_folders(make, said, tmp_path):
    for name in make:
        (tmp_path / name).mkdir(parents=True)
    with pytest.raises(ImageDataError, match=said):
        load_image_folder(tmp_path)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"image_size": 4}, "`image_size` must be a whole number of at least 8"),
        ({"shots": 0}, r"`shots` must be in \[1, 10\], the images that every class has left, but got 0"),
        ({"shots": 11}, r"`shots` must be in \[1, 10\]"),
        ({"shots": 2, "train_images": 20}, "`shots` and `train_images` exclude each other"),
    ],
)
def test_out_of_range(options, said, folder):
    with pytest.raises(SettingError, match=said):
        load_image_folder(folder, **options)
