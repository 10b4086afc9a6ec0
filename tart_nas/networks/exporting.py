"""A trained network as a file that runs without this package: ONNX, or PyTorch's ExportedProgram."""

import logging
import warnings
from io import BytesIO
from pathlib import Path

import torch
from torch import nn

from tart_nas.choices import EXPORT_SUFFIXES
from tart_nas.devices import evaluating
from tart_nas.errors import SettingError
from tart_nas.extras import how_to_install
from tart_nas.files import replacing

__all__ = ["export"]


def export(network: nn.Module, image_size: int, path: Path | str) -> Path:
    """Writes a network for any number of images.

    Args:
        network: maps images (B, 3, image_size, image_size) to logits; it is taken in evaluation mode.
        image_size: height and width of the images, in pixels.
        path: ends with ``.onnx`` (which needs the extra ``tart-nas[onnx]``) or ``.pt2``
            (``torch.export.load(path).module()`` gives the network back).

    Returns:
        The file, whole or not there.

    Raises:
        SettingError: if the path has another ending, or what writes ONNX is not installed.
    """
    path = Path(path)
    if path.suffix not in EXPORT_SUFFIXES:
        raise SettingError(f"`path` must end with {' or '.join(EXPORT_SUFFIXES)}, but got {path}.")
    # Two images, since the export takes a dimension of length 1 for a constant.
    images = torch.zeros(2, 3, image_size, image_size, device=next(network.parameters()).device)
    with evaluating(network), torch.no_grad(), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of the exporters about themselves
        program = torch.export.export(
            network, (images,), dynamic_shapes=({0: torch.export.Dim("batch", min=1)},), strict=False
        )
        with replacing(path) as temporary:
            if path.suffix == ".pt2":
                written = BytesIO()  # PyTorch ends the process where a file cannot be written
                torch.export.save(program, written)
                temporary.write_bytes(written.getvalue())
            else:
                _write_onnx(program, temporary)
    return path


def _write_onnx(program: torch.export.ExportedProgram, path: Path) -> None:
    try:
        import onnxscript  # noqa: F401  # what torch.onnx needs
    except ImportError:
        raise SettingError(f"Writing ONNX needs onnxscript; {how_to_install('onnx')}.") from None
    logging.getLogger("torch.onnx").setLevel(logging.ERROR)
    torch.onnx.export(
        program,
        f=str(path),
        input_names=["images"],
        output_names=["logits"],
        dynamo=True,
        external_data=False,  # weights in the same file: `replacing` moves one only
        verbose=False,
    )
