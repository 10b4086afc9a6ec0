import json
from functools import cache

import numpy as np
import pytest

from tart_nas.deepnets1m import DeepNets1M, generate
from tart_nas.errors import RunFolderError
from tart_nas.experiments import measured_property
from tart_nas.experiments.measured_property import LABELS, reliability
from tart_nas.measurements import read_label_file


def run(module, *options):
    return module.main([*map(str, options)])


def test_the_committed_labels_are_those_of_the_networks():
    data = measured_property.read_speeds(LABELS)
    about, labels, failed = read_label_file(LABELS, "val")
    assert len(data.architectures) == len(labels) >= 400
    assert not failed
    assert {architecture.C for architecture in data.architectures} == {8}
    for index, label in labels.items():
        assert len(label["rounds"]) == about["setting"]["rounds"]
        assert label["time"] == min(label["rounds"]) > 0
        assert data.targets["inference_speed"][index] == -np.log(label["time"])
    assert about["reliability"] == reliability(labels)


def test_networks_are_timed_where_there_is_no_file(tmp_path, monkeypatch):
    monkeypatch.setattr(measured_property, "NETWORKS", 3)
    monkeypatch.setattr(measured_property, "SETTING", {"batch_size": 2, "image_size": 32, "passes": 1, "rounds": 2})
    out = tmp_path / "labels.json"
    with pytest.raises(RunFolderError, match="labels.json"):  # a name that is misspelt costs no minutes
        measured_property.read_speeds(out)
    data = measured_property.read_speeds(out, times=True)
    about, labels, failed = read_label_file(out, "val")
    assert not failed
    assert about["setting"] == measured_property.SETTING
    assert [len(label["rounds"]) for label in labels.values()] == [2, 2, 2]
    assert [label["time"] for label in labels.values()] == [min(label["rounds"]) for label in labels.values()]
    generate("val", 3, tmp_path, seed=0)
    assert [n.genotype for n in data.architectures] == [a.genotype for a in DeepNets1M(tmp_path, "val").architectures()]
    written = out.read_bytes()
    assert measured_property.read_speeds(out, times=True).targets["inference_speed"].tolist() == [
        -np.log(label["time"]) for label in labels.values()
    ]
    assert out.read_bytes() == written  # they are not timed again
    monkeypatch.setattr(measured_property, "NETWORKS", 2)
    with pytest.raises(RunFolderError, match="are not those of the 2 networks"):
        measured_property.read_speeds(out)


def test_reliability_is_of_the_first_against_the_last_rounds():
    labels = {i: {"rounds": [i + 1.0, i + 2.0, 9.0 - i, 8.0 - i]} for i in range(4)}
    assert reliability(labels)["kendall"] == -1
    labels = {i: {"rounds": [i + 1.0, 9.0, 9.0, 2.0 * i + 2]} for i in range(4)}
    assert reliability(labels) == {"kendall": 1, "spearman": 1, "median_difference": round(float(np.log(2)), 4)}


def test_the_table_and_going_on(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(measured_property, "read_speeds", cache(measured_property.read_speeds))  # 400 are generated
    out = tmp_path / "results.json"
    options = ("--out", out, "--only", "parameters", "FLOPs")
    assert run(measured_property, *options) == 0
    printed = capsys.readouterr().out
    assert printed.count("  tau ") == 2 * measured_property.FOLDS
    results = json.loads(out.read_text())["results"]
    for method in ("parameters", "FLOPs"):
        folds = results[method].values()
        assert len(folds) == measured_property.FOLDS
        row = next(line for line in printed.splitlines() if line.startswith(f"│ {method}"))
        assert f"{np.mean([fold['tau'] for fold in folds]):.3f} ± " in row
    for name in measured_property.BUNDLED:
        assert float(printed.split(f"│ {name} ")[1].split()[1]) > 0.6
    assert "tau on 100 networks not learned from" in printed
    monkeypatch.setattr(measured_property, "BUNDLED", ())  # whose predictions were tested
    assert run(measured_property, *options) == 0
    assert "  tau " not in capsys.readouterr().out
    monkeypatch.setattr(measured_property, "FOLDS", 5)
    assert run(measured_property, *options) == 2
    assert "are of another setting: folds was 3 and is 5" in capsys.readouterr().err
