"""Image data sets in the parquet files of Hugging Face: encoded images in a struct, labels as whole numbers."""

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import torch
from torch import Tensor

from tart_nas.errors import ImageDataError, reason

__all__ = ["EncodedImages", "read_parquet"]

_COUNT = re.compile(r"-of-(\d+)\.parquet$")


@dataclass(frozen=True)
class EncodedImages:
    """The images of some files, as they are there.

    Args:
        images: n encoded images, empty where one is missing.
        names: of each, for messages.
        labels: (n,), int64; -1 where one is missing.
        classes: what the files call the classes, as they are written there; None where they do not.
    """

    images: Sequence[Any]
    names: Sequence[str]
    labels: Tensor
    classes: Any = None

    def at(self, index: int) -> tuple[bytes, str]:
        """An encoded image and its name for messages."""
        return self.images[index].as_py() or b"", self.names[index]  # a missing image does not decode, and is named

    def checked(self, n_classes: int) -> "EncodedImages":
        """Itself, if all labels are in [0, n_classes).

        Raises:
            ImageDataError: naming the first image whose label is not.
        """
        for i in torch.nonzero((self.labels < 0) | (self.labels >= n_classes)).flatten().tolist():
            file, _, row = self.names[i].rpartition(", row ")
            raise ImageDataError(f"{file}: image {row} has the label {int(self.labels[i])}, expected [0, {n_classes}).")
        return self


def read_parquet(files: Sequence[Path], label: str | None) -> EncodedImages:
    """Reads the files of a part.

    Args:
        files: in their order.
        label: the column of the labels; None for ``label``, ``labels`` or ``fine_label``.

    Raises:
        ImageDataError: if a file is missing or damaged, or has other columns.
    """
    count = _COUNT.search(files[0].name)
    if count and int(count[1]) != len(files):
        raise ImageDataError(f"{files[0]}: expected {int(count[1])} files of this name, but there are {len(files)}.")
    tables = [_read(file, label) for file in files]
    if other := [file for file, (_, _, classes) in zip(files, tables, strict=True) if classes != tables[0][2]]:
        raise ImageDataError(f"{other[0]}: its classes are others than those of {files[0]}.")
    return EncodedImages(
        images=[image for images, _, _ in tables for image in images],
        names=[
            f"{file}, row {i}" for file, (images, _, _) in zip(files, tables, strict=True) for i in range(len(images))
        ],
        labels=torch.cat([labels for _, labels, _ in tables]),
        classes=tables[0][2],
    )


def _read(file: Path, label: str | None) -> tuple[pa.Array, Tensor, Any]:
    """The encoded images, a binary array, the labels and the class names of a file."""
    try:
        with pq.ParquetFile(file) as parquet:
            schema = parquet.schema_arrow
            column = "image" if "image" in schema.names else "img"
            known = [name for name in ("label", "labels", "fine_label") if name in schema.names]
            chosen = label or (known[0] if known else "label")
            types = {name: schema.field(name).type for name in schema.names}
            if not (
                pa.types.is_struct(types.get(column, pa.null()))
                and types[column].get_field_index("bytes") >= 0
                and pa.types.is_integer(types.get(chosen, pa.null()))
            ):
                raise ImageDataError(
                    f"{file}: expected the columns img (or image) {{bytes, path}} and {chosen} (integer), "
                    f"but it has {', '.join(f'{name} {kind}' for name, kind in types.items())}."
                )
            classes = _class_names(schema.metadata or {}, chosen)
            if parquet.metadata.num_rows > file.stat().st_size:  # an image takes hundreds; equal ones are stored once
                raise ImageDataError(f"{file}: expected images, but it has more rows than bytes.")
            table = parquet.read([column, chosen]).combine_chunks()
    except (pa.ArrowException, OSError) as error:
        raise ImageDataError(f"{file}: expected a parquet file, but it cannot be read ({reason(error)}).") from None
    labels = table[chosen].fill_null(-1).to_numpy().astype(np.int64)
    return table[column].combine_chunks().field("bytes"), torch.from_numpy(labels), classes


def _class_names(metadata: dict[bytes, bytes], label: str) -> Any:
    """The class names that Hugging Face keeps in the schema, where there are any."""
    try:
        # Files that other tools wrote have no such entry, or one of another form.
        return json.loads(metadata[b"huggingface"])["info"]["features"][label]["names"]
    except (KeyError, ValueError, TypeError, RecursionError):
        return None
