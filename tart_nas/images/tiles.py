"""Images of one size as the tiles of one large picture, so that a thousand of them share one file header."""

from torch import Tensor

__all__ = ["to_picture", "to_tiles"]


def to_picture(images: Tensor, columns: int) -> Tensor:
    """Lays images side by side, row by row.

    Args:
        images: (n, 3, H, W); n is a multiple of ``columns``.
        columns: tiles in a row.

    Returns:
        (n / columns * H, columns * W, 3), as picture formats order it.
    """
    _, channels, height, width = images.shape
    rows = images.reshape(-1, columns, channels, height, width)
    return rows.permute(0, 3, 1, 4, 2).reshape(-1, columns * width, channels)


def to_tiles(picture: Tensor, size: int) -> Tensor:
    """The inverse of :func:`to_picture`.

    Args:
        picture: (rows * size, columns * size, 3).
        size: height and width of a tile in pixels.

    Returns:
        (rows * columns, 3, size, size).
    """
    height, width, channels = picture.shape
    tiles = picture.reshape(height // size, size, width // size, size, channels)
    return tiles.permute(0, 2, 4, 1, 3).reshape(-1, channels, size, size)
