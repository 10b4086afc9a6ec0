"""The layout of the Penn-Fudan database, on drawn images."""

import shutil

import numpy as np
import pytest
import torch
from PIL import Image
from torchvision.ops import masks_to_boxes

from tart_nas.detection import load_pedestrians, mask_boxes
from tart_nas.errors import ImageDataError, SettingError
from tart_nas.experiments.drawn_pedestrians import draw_pedestrians


@pytest.fixture
def copy(drawn, tmp_path):
    return shutil.copytree(drawn, tmp_path / "copy")


def test_boxes_are_those_of_torchvision(drawn, people):
    for image in (*people.train, *people.test):
        mask = torch.from_numpy(np.array(Image.open(drawn / "PedMasks" / f"{image.name}_mask.png")))
        instances = mask.unique()[1:]
        assert torch.equal(image.boxes, masks_to_boxes(mask == instances[:, None, None]))
        pixels = np.array(Image.open(drawn / "PNGImages" / f"{image.name}.png"))
        assert torch.equal(image.pixels, torch.from_numpy(pixels).permute(2, 0, 1))


def test_numbers_of_instances_need_not_follow_one_another():
    mask = np.zeros((9, 7), dtype=np.int64)
    mask[2:5, 1:3], mask[6, 4:], mask[7, 5] = 40, 3, 3
    assert mask_boxes(mask).tolist() == [[4, 6, 6, 7], [1, 2, 2, 4]]
    assert mask_boxes(np.zeros((3, 3), dtype=np.int64)).shape == (0, 4)


def test_the_split_is_the_permutation_of_the_protocol(people, tmp_path):
    assert (len(people.train), len(people.test)) == (4, 2)
    order = torch.randperm(6, generator=torch.Generator().manual_seed(1111)).tolist()
    assert [image.name for image in (*people.train, *people.test)] == [f"Drawn{k:05d}" for k in order]
    draw_pedestrians(tmp_path / "PennFudanPed", 170, size=32)
    whole = load_pedestrians(tmp_path)
    assert (len(whole.train), len(whole.test)) == (120, 50)
    assert len(load_pedestrians(tmp_path, test_images=1).test) == 1
    with pytest.raises(SettingError, match=r"`test_images` must be a whole number in \[1, 169\], but got 170"):
        load_pedestrians(tmp_path, test_images=170)


def test_the_fingerprint_tells_pixels_and_the_split(drawn, people, copy):
    assert load_pedestrians(copy).fingerprint == people.fingerprint
    assert load_pedestrians(copy, test_images=3).fingerprint != people.fingerprint
    image = np.array(Image.open(copy / "PNGImages/Drawn00000.png"))
    image[0, 0, 0] ^= 1
    Image.fromarray(image).save(copy / "PNGImages/Drawn00000.png")
    assert load_pedestrians(copy).fingerprint != people.fingerprint


def _shrink(folder):
    path = folder / "PedMasks/Drawn00001_mask.png"
    Image.open(path).resize((32, 40)).save(path)


def _truncate(folder):
    path = folder / "PNGImages/Drawn00002.png"
    path.write_bytes(path.read_bytes()[:3000])


def _truncate_mask(folder):
    path = folder / "PedMasks/Drawn00002_mask.png"
    path.write_bytes(path.read_bytes()[:80])


def _thin(folder):
    mask = np.zeros((64, 64), dtype=np.uint8)
    mask[3:9, 5] = 7
    Image.fromarray(mask).save(folder / "PedMasks/Drawn00003_mask.png")


@pytest.mark.parametrize(
    ("damage", "said"),
    [
        (_shrink, r"Drawn00001.png, whose mask is .*: expected an image of 32x40 pixels, but got 64x64\."),
        (_truncate, r"Drawn00002.png, whose mask is .*: expected a PNG or JPEG image, but it cannot be decoded"),
        (_truncate_mask, r"Drawn00002_mask.png: expected a mask in PNG, but it cannot be decoded"),
        (_thin, r"Drawn00003_mask.png: instance 7 is one pixel wide or high, its box has no area\."),
        (
            lambda folder: Image.new("L", (64, 64)).save(folder / "PedMasks/Drawn00004_mask.png"),
            r"Drawn00004_mask.png: no instances, all pixels are 0; remove it and its image\.",
        ),
        (
            lambda folder: Image.new("RGB", (64, 64)).save(folder / "PedMasks/Drawn00004_mask.png"),
            r"expected a mask with one number at each pixel, but the image's mode is RGB\.",
        ),
        (lambda folder: (folder / "PedMasks/Drawn00005_mask.png").unlink(), r"Drawn00005.png has no mask: expected "),
        (lambda folder: (folder / "PNGImages/Drawn00005.png").unlink(), r"_mask.png is the mask of no image in "),
        (lambda folder: shutil.rmtree(folder / "PedMasks"), r"no folder PedMasks; .* `tart-nas data download penn"),
    ],
)
def test_what_is_wrong_is_one_line(damage, said, copy):
    damage(copy)
    with pytest.raises(ImageDataError, match=said) as raised:
        load_pedestrians(copy)
    assert "\n" not in str(raised.value)
