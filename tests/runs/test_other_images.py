"""The networks of a run are trained on the same images, wherever these lie: others are refused."""

import shutil

import numpy as np
import pytest

import tart_nas
from tart_nas.errors import RunFolderError
from tart_nas.images.cifar import CIFAR10_CLASSES
from tart_nas.runs import work
from tests.images.conftest import Images, write_parquet
from tests.runs.conftest import SMALL

pytestmark = pytest.mark.usefixtures("undrawn")

SETTINGS = {**SMALL, "dataset": "cifar10", "top_k": 1, "random": 0}


@pytest.fixture
def two_folders(tmp_path):
    """Two data sets of the same name and sizes, as two versions of one have them."""
    for seed, name in enumerate(("first", "second")):
        rng = np.random.default_rng(seed)
        for part, count in (("train", 150), ("test", 20)):
            pixels = rng.integers(256, size=(count, 32, 32, 3), dtype=np.uint8)
            labels = np.arange(count) % len(CIFAR10_CLASSES)
            write_parquet(tmp_path / name / f"{part}-00000-of-00001.parquet", Images(pixels, labels))
    return tmp_path / "first", tmp_path / "second"


def test_a_run_is_resumed_and_joined_with_its_own_images(ridge, tmp_path, two_folders, monkeypatch):
    first, second = two_folders
    folder, moved = tmp_path / "run", tmp_path / "moved"

    def killed(*arguments):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr("tart_nas.runs.searching._train_round", killed)
        with pytest.raises(KeyboardInterrupt):
            tart_nas.search(predictor=ridge[0], out=folder, data_dir=second, **SETTINGS)
    result = tart_nas.search(predictor=ridge[0], out=folder, data_dir=first, **SETTINGS)  # nothing was trained yet
    assert "first" in result.images
    message = r"trained on other images \(CIFAR-10 from .*first.*\) than those of .*second"
    with pytest.raises(RunFolderError, match=message):
        tart_nas.search(predictor=ridge[0], out=folder, data_dir=second, **SETTINGS)
    with pytest.raises(RunFolderError, match=message):
        work(folder, data_dir=second, device="cpu")
    shutil.move(first, moved)
    again = tart_nas.search(predictor=ridge[0], out=folder, data_dir=moved, **SETTINGS)
    assert [p.to_dict() for p in again.picks] == [p.to_dict() for p in result.picks]
    assert work(folder, data_dir=moved, device="cpu") == 0
    (test,) = moved.glob("test-*")  # which is read last
    shutil.copy(second / test.name, test)
    with pytest.raises(RunFolderError, match="were tested on other images"):
        tart_nas.search(predictor=ridge[0], out=folder, data_dir=moved, **SETTINGS)
