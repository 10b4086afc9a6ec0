import os
import pickle

import numpy as np
import pytest

from tart_nas.errors import ImageDataError
from tart_nas.images.batches import read_batch
from tests.images.conftest import Images, python2_batch


def written(tmp_path, content):
    path = tmp_path / "data_batch_1"
    path.write_bytes(content)
    return path


def test_read_as_pickle_reads_it(tmp_path, train_images):
    content = python2_batch(train_images)
    reference = pickle.loads(content, encoding="bytes")
    assert list(reference) == [b"batch_label", b"labels", b"data", b"filenames"]
    images, labels = read_batch(written(tmp_path, content))
    np.testing.assert_array_equal(images, reference[b"data"])
    assert labels == reference[b"labels"] == train_images.labels.tolist()
    assert images.flags.writeable


class Harmful:
    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return (os.mkdir, (str(self.path),))


@pytest.mark.parametrize("protocol", range(6))
def test_nothing_is_called(tmp_path, protocol):
    made = tmp_path / "made"
    content = pickle.dumps({"data": Harmful(made), "labels": [1]}, protocol)
    with pytest.raises(ImageDataError, match="refused, a batch of CIFAR-10 does not need the"):
        read_batch(written(tmp_path, content))
    assert not made.exists()
    pickle.loads(content)
    assert made.exists()  # it was harmful


def test_names_beside_the_needed_are_refused(tmp_path, train_images):
    content = python2_batch(train_images).replace(b"cnumpy\ndtype\n", b"cnumpy\nfromfile\n")
    with pytest.raises(ImageDataError, match="data_batch_1: refused, .* need the name 'numpy fromfile'"):
        read_batch(written(tmp_path, content))


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (b"U\x04data", b"U\x04dato"),
        (b"U\x06labels", b"U\x06label5"),
        (b"U\x02u1", b"U\x02i1"),
        (b"M\x00\x0c\x86", b"M\x00\x06\x86"),  # 1536 values per image
        (b"]q\x05(K", b"]q\x05(NK"),  # a label more, which is no number
        (b"q\x05(K\x06", b"q\x05("),  # a label less
    ],
)
def test_other_content(tmp_path, train_images, old, new):
    chosen = np.argsort(train_images.labels != 6, kind="stable")  # a frog first, as in the published file
    content = python2_batch(Images(train_images.pixels[chosen], train_images.labels[chosen]))
    assert content.count(old) == 1
    with pytest.raises(ImageDataError, match=r"data_batch_1: expected 'data', a uint8 array \(n, 3072\), and 'labels'"):
        read_batch(written(tmp_path, content.replace(old, new)))


def test_truncated(tmp_path, train_images):
    content = python2_batch(train_images)
    for length in (0, 1, 100, len(content) // 2, len(content) - 1):
        with pytest.raises(ImageDataError, match="data_batch_1: expected a batch of CIFAR-10, but it cannot be read"):
            read_batch(written(tmp_path, content[:length]))


@pytest.mark.filterwarnings("ignore:invalid escape sequence")
def test_random_corruption_ends_in_an_error_or_a_read(tmp_path, train_images):
    rng = np.random.default_rng(0)
    content = python2_batch(Images(train_images.pixels[:4], train_images.labels[:4]))
    places = [k for k in range(len(content)) if k < 300 or k > len(content) - 150]  # not in the pixels
    outcomes = set()
    for _ in range(500):
        corrupt = bytearray(content)
        corrupt[rng.choice(places)] = rng.integers(256)
        try:
            images, labels = read_batch(written(tmp_path, bytes(corrupt)))
        except ImageDataError:
            outcomes.add("error")
        else:
            outcomes.add("read")
            assert images.shape == (4, 3072)
            assert len(labels) == 4
    assert outcomes == {"error", "read"}
