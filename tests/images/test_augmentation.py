from functools import partial

import pytest
import torch
from torchvision.transforms import v2

from tart_nas.images import Augmentation, normalize

plain = partial(Augmentation, (0.0, 0.0, 0.0), (1 / 255,) * 3)  # pixels keep their values


@pytest.fixture(scope="module")
def image():
    """One image whose pixels all differ, none 0: red tells the row, green the column."""
    rows, columns = torch.meshgrid(torch.arange(32), torch.arange(32), indexing="ij")
    return torch.stack([rows + 1, columns + 1, torch.full((32, 32), 200)]).byte()


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


def test_normalize_as_torchvision():
    images = torch.randint(256, (5, 3, 8, 8), dtype=torch.uint8, generator=seeded())
    mean, std = (0.49, 0.48, 0.44), (0.25, 0.24, 0.26)
    expected = v2.Normalize(mean, std)(v2.functional.to_dtype(images, torch.float32, scale=True))
    torch.testing.assert_close(normalize(images, mean, std), expected)


def test_normalize_a_channel_that_never_varies():
    images = torch.full((2, 3, 4, 4), 51, dtype=torch.uint8)
    assert normalize(images, (0.2, 0.2, 0.2), (0.0, 0.0, 0.5)).abs().max() < 1e-6


def test_nothing_switched_on_is_normalize():
    images = torch.randint(256, (5, 3, 8, 8), dtype=torch.uint8, generator=seeded())
    mean, std = (0.4, 0.5, 0.6), (0.2, 0.3, 0.4)
    augmented = Augmentation(mean, std, crop=0, flip=False)(images, seeded())
    assert torch.equal(augmented, normalize(images, mean, std))


def test_reproducible_and_each_image_its_own(image):
    augmentation = plain(cutout=8)
    batch = image.expand(200, -1, -1, -1)
    first = augmentation(batch, seeded())
    assert torch.equal(first, augmentation(batch, seeded()))
    assert not torch.equal(first, augmentation(batch, seeded(1)))
    assert len({one.numpy().tobytes() for one in first}) > 190


def crops(images):
    """(B, 2): the offsets of each window in the padded image, and whether it is mirrored, from the pixels alone."""
    found = []
    for one in images.round().int():
        filled = one[2] != 0
        y, x = (int(torch.nonzero(filled.any(axis))[0]) for axis in (1, 0))
        row, column = int(one[0, y, x]) - 1, int(one[1, y, x]) - 1
        mirrored = one[1][y][filled[y]].diff()[0] < 0
        top = row - y + 4
        left = (31 - column) - x + 4 if mirrored else column - x + 4
        found.append((top, left, int(mirrored)))
    return torch.tensor(found)


def test_every_output_is_a_crop_of_the_padded_image(image):
    augmented = plain()(image.expand(300, -1, -1, -1), seeded())
    for one, (top, left, mirrored) in zip(augmented, crops(augmented).tolist(), strict=True):
        source = v2.functional.horizontal_flip(image) if mirrored else image
        expected = v2.functional.crop(v2.functional.pad(source, [4]), top, left, 32, 32)
        assert torch.equal(one.round().byte(), expected)


def test_same_distribution_of_crops_and_flips_as_torchvision(image):
    ours = crops(plain()(image.expand(3000, -1, -1, -1), seeded()))
    transform = v2.Compose([v2.RandomCrop(32, padding=4), v2.RandomHorizontalFlip()])
    with torch.random.fork_rng():
        torch.manual_seed(0)
        theirs = crops(torch.stack([transform(image) for _ in range(3000)]).float())
    for column, values in enumerate((9, 9, 2)):
        frequencies = [part[:, column].bincount(minlength=values) / 3000 for part in (ours, theirs)]
        assert len(frequencies[0]) == values
        # 4.5 standard deviations of a frequency
        assert (frequencies[0] - 1 / values).abs().max() < 4.5 * (1 / values / 3000) ** 0.5
        assert (frequencies[0] - frequencies[1]).abs().max() < 4.5 * (2 / values / 3000) ** 0.5
    correlation = torch.corrcoef(ours.T.float())
    assert (correlation - torch.eye(3)).abs().max() < 0.08  # row, column and mirror are independent


def test_no_flips(image):
    augmented = plain(flip=False)(image.expand(200, -1, -1, -1), seeded())
    assert not crops(augmented)[:, 2].any()


@pytest.mark.parametrize("length", [1, 7, 16, 100])
def test_cutout_is_a_square_around_any_pixel(length):
    white = torch.full((2000, 3, 32, 32), 255, dtype=torch.uint8)
    kept = Augmentation((0.0,) * 3, (1.0,) * 3, crop=0, flip=False, cutout=length)(white, seeded())
    assert set(kept.unique().tolist()) <= {0.0, 1.0}
    cut = kept[:, 0] == 0
    assert torch.equal(cut, kept[:, 2] == 0)
    heights, widths = cut.any(2).sum(1), cut.any(1).sum(1)
    assert torch.equal(cut.sum((1, 2)), heights * widths)  # a rectangle
    assert heights.max() == widths.max() == min(length, 32)
    assert heights.min() >= min(length // 2, 32)  # at least a half inside: the centre is in the image
    if length <= 16:  # the chance of a pixel in the middle to be cut is that of the centre to be near enough
        assert cut[:, 16, 16].float().mean() == pytest.approx((length / 32) ** 2, abs=0.04)


def test_cutout_cuts_to_the_mean():
    images = torch.randint(256, (50, 3, 32, 32), dtype=torch.uint8, generator=seeded())
    mean, std = (0.5, 0.4, 0.3), (0.2, 0.2, 0.2)
    augmented = Augmentation(mean, std, crop=0, flip=False, cutout=16)(images, seeded())
    untouched = normalize(images, mean, std)
    assert ((augmented == untouched) | (augmented == 0)).all()
    assert (augmented == 0).float().mean() > 0.1
