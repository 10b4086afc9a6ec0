import numpy as np
import torch

from tart_nas.images.tiles import to_picture, to_tiles


def test_tiles_lie_row_by_row_and_come_back():
    images = torch.arange(6 * 3 * 4 * 4, dtype=torch.int32).view(6, 3, 4, 4)
    picture = to_picture(images, columns=3)
    assert picture.shape == (8, 12, 3)
    for k in range(6):
        row, column = 4 * (k // 3), 4 * (k % 3)
        np.testing.assert_array_equal(picture[row : row + 4, column : column + 4], images[k].permute(1, 2, 0))
    assert torch.equal(to_tiles(picture, 4), images)
