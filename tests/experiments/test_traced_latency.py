import json
import re
from pathlib import Path

import numpy as np
import pytest

from tart_nas import experiments
from tart_nas.experiments import measure_traced_latency, traced_latency
from tart_nas.experiments.measure_traced_latency import LABELS
from tart_nas.graphs import load_labelled_graphs

FOLDER = Path(str(experiments.__file__)).parent


def run(module, *options):
    return module.main([*map(str, options)])


def test_the_committed_labels(capsys):
    known = {label["network"]: (graph, label) for graph, label in load_labelled_graphs(LABELS)}
    assert len(known) >= 300
    assert {name.partition(":")[0] for name in known} == {"timm", "torchvision"}
    for _, label in known.values():
        assert min(label["milliseconds"]) > 0
        assert len(label["milliseconds"]) == len(label["reference"]) <= 2
        assert label["image_size"] >= 96
    assert measure_traced_latency.reliability(known) > 0.85
    # The table of the committed results: the process is better than what needs no labels.
    results = json.loads((FOLDER / "traced_latency.json").read_text())["results"]
    taus = {name: np.mean([fold["tau"] for fold in by_fold.values()]) for name, by_fold in results.items()}
    assert len(results["Gaussian process"]) == traced_latency.FOLDS
    assert taus["Gaussian process"] > max(taus["parameters"], taus["FLOPs"]) + 0.1
    assert run(traced_latency, "--out", FOLDER / "traced_latency.json", "--only") == 0
    assert re.search(rf"│ Gaussian process +│ {taus['Gaussian process']:.3f} ± ", capsys.readouterr().out)


def test_measuring_goes_on_after_an_interruption(tmp_path, monkeypatch, capsys):
    pytest.importorskip("timm")
    names = [f"torchvision:{name}" for name in ("squeezenet1_1", "vgg16", "shufflenet_v2_x0_5", "squeezenet1_0")]
    monkeypatch.setattr(measure_traced_latency, "networks", lambda timm: names)
    monkeypatch.setattr(measure_traced_latency, "PASSES", 1)
    monkeypatch.setattr(measure_traced_latency, "_WRITTEN_AFTER", 1)
    whole, out = measure_traced_latency.measure, tmp_path / "labels.jsonl.gz"

    def interrupted(name, known):
        if name == names[-1]:
            raise KeyboardInterrupt
        return whole(name, known)

    monkeypatch.setattr(measure_traced_latency, "measure", interrupted)
    with pytest.raises(KeyboardInterrupt):
        run(measure_traced_latency, "--out", out)
    first = load_labelled_graphs(out)
    assert [label["network"] for _, label in first] == [names[0], names[2]]  # vgg16 is too large
    monkeypatch.setattr(measure_traced_latency, "measure", whole)
    assert run(measure_traced_latency, "--out", out) == 0
    labelled = load_labelled_graphs(out)
    assert [graph for graph, _ in labelled[:2]] == [graph for graph, _ in first]
    assert [label["milliseconds"][0] for _, label in labelled[:2]] == [label["milliseconds"][0] for _, label in first]
    assert [len(label["milliseconds"]) for _, label in labelled] == [2, 2, 2]
    assert "3 networks" in capsys.readouterr().out


def test_the_same_network_counts_once():
    graph, label = load_labelled_graphs(LABELS)[0]
    assert measure_traced_latency.measure("timm:none of that name", {}) is None
    again = {"network": "timm:another name", **{key: label[key] for key in ("image_size", "milliseconds")}}
    name = label["network"]
    assert measure_traced_latency.measure(name, {"timm:another name": (graph, again)}) is None
