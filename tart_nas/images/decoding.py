"""From the bytes of an image file to pixels.

Pillow, not torchvision's faster ``decode_image``, because the latter crashes the process on most corrupt PNG files
(torchvision 0.29), and a corrupt image must end in a message.
"""

from io import BytesIO

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageOps, UnidentifiedImageError

from tart_nas.errors import ImageDataError, reason

__all__ = ["as_rgb", "decode_image", "decode_rgb", "header_size"]

_FORMATS = ("JPEG", "PNG", "WEBP")


def decode_image(data: bytes, where: str, width: int, height: int | None = None) -> npt.NDArray[np.uint8]:
    """Decodes a PNG or JPEG image; grey, palette and transparent images become RGB.

    Args:
        data: the file's content.
        where: names the image in messages.
        width: that it must have, in pixels.
        height: that it must have, in pixels; None for any.

    Returns:
        (height, width, 3).

    Raises:
        ImageDataError: if the image is corrupt, in another format, or of another size.
    """
    try:
        with Image.open(BytesIO(data), formats=("JPEG", "PNG")) as image:
            # Before the pixels are decoded, so that a huge image costs nothing.
            if image.size != (width, height or image.height):
                expected, got = f"{width}x{height or 'n'}", f"{image.width}x{image.height}"
                raise ImageDataError(f"{where}: expected an image of {expected} pixels, but got {got}.")
            return np.asarray(as_rgb(image, where))
    except ImageDataError:
        raise
    except Exception as error:  # Pillow raises what its decoders raise: OSError, SyntaxError, ValueError, struct.error
        raise ImageDataError(_undecodable(where, error, "PNG or JPEG")) from None


def decode_rgb(data: bytes, where: str, size: int | None = None) -> Image.Image:
    """Decodes a PNG, JPEG or WebP image of any size; grey, palette and transparent images become RGB.

    Args:
        data: the file's content.
        where: names the image in messages.
        size: if given, the image's middle square is brought to so many pixels.

    Raises:
        ImageDataError: if the image is corrupt or in another format, or has more than 8 bits per channel.
    """
    try:
        with Image.open(BytesIO(data), formats=_FORMATS) as image:
            rgb = as_rgb(image, where)
            return rgb if size is None else ImageOps.fit(rgb, (size, size), method=Image.Resampling.BICUBIC)
    except ImageDataError:
        raise
    except Exception as error:  # Pillow raises what its decoders raise
        raise ImageDataError(_undecodable(where, error)) from None


def as_rgb(image: Image.Image, where: str) -> Image.Image:
    """An image of Pillow's as RGB; grey, palette and transparent ones are converted.

    Raises:
        ImageDataError: if it has more than 8 bits per channel: Pillow would make white of all that is above 255.
    """
    if image.mode.startswith(("I", "F")):
        raise ImageDataError(f"{where}: expected 8 bits per channel, but the image's mode is {image.mode}.")
    return image.convert("RGB")


def header_size(data: bytes, where: str) -> tuple[int, int]:
    """Width and height of an image, which its header tells; errors are those of :func:`decode_rgb`."""
    try:
        with Image.open(BytesIO(data), formats=_FORMATS) as image:
            return image.size
    except Exception as error:
        raise ImageDataError(_undecodable(where, error)) from None


def _undecodable(where: str, error: Exception, formats: str = "PNG, JPEG or WebP") -> str:
    # Pillow's own text is of the object in memory that it was given.
    why = "" if isinstance(error, UnidentifiedImageError) else f" ({reason(error)})"
    return f"{where}: expected a {formats} image, but it cannot be decoded{why}."
