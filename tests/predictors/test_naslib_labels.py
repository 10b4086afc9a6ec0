"""Getting the labels of the bundled predictor from where they are published, here from a server of our own."""

import json

import numpy as np
import pytest

from tart_nas.errors import PredictorError
from tart_nas.operations import NASBENCH301_OPS
from tart_nas.predictors import LabelledData, Predictor, download_darts_labels
from tart_nas.predictors.naslib_labels import DARTS_LABELS_URL
from tests.web_server import serving

# as the published file has them
PROXIES = "flops params synflow grasp fisher grad_norm l2_norm plain nwot epe_nas jacov snip".split()
NOWHERE = "http://127.0.0.1:9/zc_nasbench301.json"


@pytest.fixture(scope="module")
def bundled():
    return Predictor.from_pretrained("darts-cifar10").training_data()


@pytest.fixture
def published(bundled, tmp_path):
    """A file in the form of the published one, of what the bundled predictor knows."""
    (accuracies,) = bundled.targets.values()
    entries = {}
    for row, architecture in enumerate(bundled.architectures):
        cells = [
            [(source, NASBENCH301_OPS.index(op)) for op, source in pairs]
            for pairs in (architecture.genotype.normal, architecture.genotype.reduce)
        ]
        scores = {
            name: {"score": float(bundled.auxiliary[row, bundled.auxiliary_names.index(name)]), "time": 0.5}
            for name in PROXIES
        }
        entries[str(cells)] = {"idx": str(row), "arch": str(cells), "val_accuracy": float(accuracies[row]), **scores}
    path = tmp_path / "server" / DARTS_LABELS_URL.rpartition("/")[2]
    path.parent.mkdir()
    path.write_text(json.dumps({"cifar10": entries}))
    return path


@pytest.fixture
def url(published):
    with serving(published.parent) as address:
        yield f"{address}/{published.name}"


def test_they_are_the_labels_of_the_bundled_predictor(bundled, published, url, tmp_path):
    files = download_darts_labels(tmp_path / "new", url)
    assert files == [tmp_path / "new" / published.name, tmp_path / "new/darts_train.json"]
    assert files[0].read_bytes() == published.read_bytes()
    read = LabelledData.read(files[1])
    assert list(read.architectures) == list(bundled.architectures)
    assert np.array_equal(read.targets["target"], bundled.targets["target"])
    assert read.auxiliary is not None
    assert np.array_equal(read.auxiliary, bundled.auxiliary)
    assert download_darts_labels(tmp_path / "new", NOWHERE) == files, "they are there already"


def test_offline_it_says_where_to_put_the_file(published, tmp_path, command):
    with pytest.raises(PredictorError, match=r"by other means to .*zc_nasbench301.json, where .*data labels darts-cif"):
        download_darts_labels(tmp_path / "new", NOWHERE)
    (tmp_path / "new" / published.name).write_bytes(published.read_bytes())
    status, out, errors = command("data", "download", "darts-labels", "--out", tmp_path / "new", "--quiet")
    assert (status, out.splitlines()[1:], errors) == (0, [str(tmp_path / "new/darts_train.json")], "")


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ('"val_accuracy": 9', '"val_accuracy": 8', "has other labels than those of NASLib"),
        ('{"cifar10": ', '{"cifar100": ', "is not NASLib's file of labels.*lacks 'cifar10'"),
        ('{"cifar10": {"', "{", "is not NASLib's file of labels.*it is not JSON"),
        ("[[(", "__import__('os')[[(", "is not NASLib's file of labels.*it is not JSON"),
    ],
)
def test_a_changed_file(published, tmp_path, command, old, new, said):
    folder = tmp_path / "new"
    folder.mkdir()
    (folder / published.name).write_text(published.read_text().replace(old, new, 1))
    with pytest.raises(PredictorError, match=said):
        download_darts_labels(folder)
    status, out, errors = command("data", "download", "darts-labels", "--out", folder, "--quiet")
    assert (status, out) == (2, "")
    assert "Traceback" not in errors
    assert [path.name for path in folder.iterdir()] == [published.name], "nothing is written"


def test_labels_of_ones_own_are_not_replaced(published, tmp_path):
    own = published.parent / "darts_train.json"
    own.write_text("[]")
    with pytest.raises(PredictorError, match="darts_train.json has other labels: move it"):
        download_darts_labels(published.parent)
    assert own.read_text() == "[]"
