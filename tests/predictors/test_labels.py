import json

import numpy as np
import pytest

from tart_nas.architecture import Architecture
from tart_nas.errors import PredictorError
from tart_nas.genotype import Genotype
from tart_nas.predictors import read_auxiliary, read_labelled

CELL = [["sep_conv_3x3", 0], ["skip_connect", 1]]
GENOTYPE = {"normal": CELL, "reduce": CELL}


def test_nasbench301(darts_file):
    architectures, targets, info = read_labelled(darts_file)
    entries = json.loads(darts_file.read_text())
    assert len(architectures) == len(targets) == len(entries) == info["n"] == 718
    assert info == {"data": "darts_train.json", "n": 718, "target": "val_accuracy"}
    assert np.array_equal(targets, [entry["val_accuracy"] for entry in entries])
    assert {(a.n_cells, a.C, a.C_mult) for a in architectures} == {(8, 32, 2)}
    assert architectures[5].genotype == Genotype.from_dict(entries[5])


def test_whole_architectures_and_another_target(tmp_path):
    architecture = Architecture(Genotype.from_dict(GENOTYPE), n_cells=5, C=16, norm=None)
    (tmp_path / "l.json").write_text(json.dumps([architecture.to_dict() | {"latency": 3}]))
    architectures, targets, _ = read_labelled(tmp_path / "l.json", target="latency")
    assert architectures == [architecture]
    assert targets.tolist() == [3.0]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[1", "is not JSON"),
        ("\xff", "is not UTF-8 text"),
        ("{}", "must be a JSON list of at least one"),
        ("[]", "must be a JSON list of at least one"),
        ("[3]", "Entry 0 of .* must be an object with 'val_accuracy'"),
        (json.dumps([GENOTYPE | {"val_accuracy": 1}, GENOTYPE]), "Entry 1 of .* must be an object with 'val_accuracy'"),
        (json.dumps([{"normal": CELL, "val_accuracy": 1}]), "Entry 0 of .*: The genotype has no 'reduce'"),
        (json.dumps([{"normal": [["a", 0]] * 2, "reduce": CELL, "val_accuracy": 1}]), "Entry 0 of .*: Unknown op"),
        (json.dumps([GENOTYPE | {"val_accuracy": "93"}]), "entry 0 of .* must be a finite number, but got '93'"),
        (json.dumps([GENOTYPE | {"val_accuracy": True}]), "entry 0 of .* must be a finite number, but got True"),
        (json.dumps([GENOTYPE | {"val_accuracy": float("nan")}]), "entry 0 of .* must be a finite number, but got nan"),
        (json.dumps([GENOTYPE | {"val_accuracy": 10**400}]), "entry 0 of .* must be a finite number, but got 1000000"),
        (json.dumps([{"genotype": GENOTYPE, "val_accuracy": 1}]), "Entry 0 of .*'n_cells'"),
    ],
)
def test_bad_files(tmp_path, text, said):
    path = tmp_path / "l.json"
    path.write_text(text, encoding="latin-1")
    with pytest.raises(PredictorError, match=said) as caught:
        read_labelled(path)
    assert "\n" not in str(caught.value)


def test_missing_file(tmp_path):
    with pytest.raises(PredictorError, match=r"Cannot read .*: No such file"):
        read_labelled(tmp_path / "l.json")


def test_auxiliary_of_nasbench301(darts_file):
    names, values = read_auxiliary(darts_file)
    entries = json.loads(darts_file.read_text())
    assert names == sorted(entries[0]["proxies"])
    assert np.array_equal(values, [[entry["proxies"][name] for name in names] for entry in entries])


def test_auxiliary_that_is_missing(tmp_path):
    path = tmp_path / "l.json"
    path.write_text(json.dumps([GENOTYPE | {"proxies": {"b": 1}}, GENOTYPE, GENOTYPE | {"proxies": {"a": 2.5}}]))
    names, values = read_auxiliary(path)
    assert names == ["a", "b"]
    assert np.array_equal(values, [[np.nan, 1], [np.nan, np.nan], [2.5, np.nan]], equal_nan=True)
    path.write_text(json.dumps([GENOTYPE]))
    assert read_auxiliary(path)[1].shape == (1, 0)


@pytest.mark.parametrize("proxies", [3, {"a": "b"}, {"a": True}, {"a": 10**400}, None])
def test_bad_auxiliary(tmp_path, proxies):
    (tmp_path / "l.json").write_text(json.dumps([GENOTYPE, GENOTYPE | {"proxies": proxies}]))
    with pytest.raises(PredictorError, match=r"'proxies' of entry 1 of .* must be an object of numbers"):
        read_auxiliary(tmp_path / "l.json")
