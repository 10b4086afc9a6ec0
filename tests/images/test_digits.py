import numpy as np
import torch
from scipy.ndimage import zoom
from sklearn.datasets import load_digits

from tart_nas.images.digits import find_digits


def test_every_digit_is_in_one_part():
    found = find_digits()
    train, test = found.train(), found.test()
    assert (len(train.labels), len(test.labels)) == (1500, 297)
    parts = [part.read(torch.arange(len(part.labels))) for part in (train, test)]
    images = {image.numpy().tobytes() for part in parts for image in part}
    assert len(images) == len({image.tobytes() for image in load_digits().images}) == 1797
    assert test.labels.bincount().min() >= 29
    assert not found.flippable
    assert found.classes == tuple("0123456789")


def test_scaled_bilinearly_and_grey():
    digits = load_digits()
    part = find_digits().test()
    image = part.read(torch.tensor([5]))[0]
    assert image.shape == (3, 32, 32)
    assert torch.equal(image[0], image[1])
    assert torch.equal(image[0], image[2])
    # scipy's zoom on the same grid, away from the border, as an independent reference.
    scaled = [zoom(small * 255 / 16, 4, order=1, grid_mode=True, mode="nearest") for small in digits.images]
    errors = [np.abs(image[0].numpy() - other).max() for other in scaled]
    nearest = int(np.argmin(errors))
    assert errors[nearest] <= 0.5 + 1e-4  # rounding
    assert digits.target[nearest] == part.labels[5]
