import json
import math

import numpy as np
import pytest

from tart_nas.architecture import Architecture
from tart_nas.errors import PredictorError
from tart_nas.experiments.measure_labels import LABELS
from tart_nas.measurements import PROPERTIES, read_label_file, read_labelled_data
from tart_nas.measurements.comparability import cautions
from tart_nas.predictors import LabelledData

FILE = LABELS / "deepnets1m-val/labels.json"


def test_measured_labels():
    about, labels, _ = read_label_file(FILE, "val")
    data = read_labelled_data(FILE)
    assert [*data.targets] == [*PROPERTIES] == ["accuracy", "noisy_accuracy", "inference_speed", "convergence_speed"]
    for place, index in enumerate(sorted(labels)):
        label = labels[index]
        assert data.architectures[place] == Architecture.from_dict(label["architecture"])
        expected = [
            label["val_acc"],
            label["val_acc_noise"],
            -math.log(label["time"] / label["time_reference"]),
            -label["converge_time"],
        ]
        assert [values[place] for values in data.targets.values()] == expected
    assert data.label_size == {"C": about["settings"]["C"]} == {"C": 8}
    assert data.description["n"] == len(labels)
    assert data.description["data"] == "deepnets1m-val/labels.json"
    assert data.description["settings"] == about["settings"]
    assert json.loads(json.dumps(data.description)) == data.description


def _changed(name, file, group, settings=None, device=None):
    """A copy of a file of labels, as if it was measured otherwise."""
    content = json.loads((LABELS / file / "labels.json").read_text())
    content["about"]["settings"] |= settings or {}
    for label in content[group].values():
        label["device"] = device or label["device"]
    name.write_text(json.dumps(content))
    return read_labelled_data(name)


def test_what_does_not_compare(tmp_path):
    time, all_of_them = ["inference_speed"], [*PROPERTIES]
    for alike in (["darts", "darts-repeat", "darts-pool"], ["deepnets1m-val", "deepnets1m-val-more"], ["darts"]):
        parts = [read_labelled_data(LABELS / name) for name in alike]
        assert cautions(parts, all_of_them) == []
    here = read_labelled_data(LABELS / "darts-pool")
    assert here.description["devices"] == ["cpu"]
    on_gpu = _changed(tmp_path / "gpu.json", "darts-pool-repeat", "darts", device="NVIDIA H200")
    said = "times on NVIDIA H200 and on cpu do not compare, but inference_speed is learned from all alike"
    assert [one.partition(":")[0] for one in cautions([here, on_gpu], all_of_them)] == [said]
    assert cautions([here, on_gpu], ["accuracy"]) == []
    assert len(cautions([LabelledData.joined([here, on_gpu]), read_labelled_data(FILE)], time)) == 1
    shorter = read_labelled_data(LABELS / "darts-tiny")
    assert cautions([here, shorter], time) == []
    said = "labels of the files were measured otherwise (train_images 10000 and 2500; epochs 5 and 4; "
    [caution] = cautions([here, shorter], ["accuracy"])
    assert caution.startswith(said)
    in_twos = _changed(tmp_path / "twos.json", "darts-pool-repeat", "darts", settings={"timing_batch": 2})
    [caution] = cautions([here, in_twos], time)
    assert "(timing_batch 64 and 2)" in caution


def test_networks_of_fewer_cells():
    assert read_labelled_data(LABELS / "darts/labels.json").label_size == {"n_cells": 5, "C": 8}


def test_a_list(darts_file):
    data, expected = read_labelled_data(darts_file), LabelledData.read(darts_file)
    assert data.architectures == expected.architectures
    assert [*data.targets] == ["target"]
    assert np.array_equal(data.targets["target"], expected.targets["target"])
    assert data.auxiliary is not None
    assert expected.auxiliary is not None
    assert np.array_equal(data.auxiliary, expected.auxiliary)
    assert data.auxiliary.shape == (718, 2)
    assert data.description["data"] == "darts_train.json"
    part = data.take(np.array([3, 1]))
    assert part.architectures == [data.architectures[3], data.architectures[1]]
    assert np.array_equal(part.targets["target"], data.targets["target"][[3, 1]])


def test_wrong_files(tmp_path):
    path = tmp_path / "labels.json"
    with pytest.raises(PredictorError, match="Cannot read"):
        read_labelled_data(path)
    path.write_text('{"a": 1}')
    with pytest.raises(PredictorError, match="is a JSON file of something else, where a file of labelled"):
        read_labelled_data(path)
    content = json.loads(FILE.read_text())
    del content["val"]["0"]["time"]
    path.write_text(json.dumps(content))
    with pytest.raises(PredictorError, match="Label 0 of .* cannot be learned from: it lacks 'time'"):
        read_labelled_data(path)
    content["val"] = {"1": content["val"]["1"] | {"time": 0}}
    path.write_text(json.dumps(content))
    with pytest.raises(PredictorError, match="Label 1 of .* learned from: its values are not of the expected form"):
        read_labelled_data(path)
    for value, said in (("NaN", "its accuracy is nan"), (str(10**400), "its values are not of the expected form")):
        content["val"] = {"1": content["val"]["1"] | {"time": 1.0, "val_acc": "?"}}
        path.write_text(json.dumps(content).replace('"?"', value))
        with pytest.raises(PredictorError, match=f"Label 1 of .* cannot be learned from: {said}"):
            read_labelled_data(path)
    content["about"] = {}
    path.write_text(json.dumps(content))
    with pytest.raises(PredictorError):
        read_labelled_data(path)
