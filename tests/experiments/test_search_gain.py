import json
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from scipy.stats import ttest_ind

from tart_nas.architecture import Architecture
from tart_nas.experiments import search_gain
from tart_nas.experiments.measure_labels import LABELS
from tart_nas.experiments.search_gain import GROUPS, TASKS, compared, picked
from tart_nas.measurements import MeasuringSettings, read_label_file
from tart_nas.predictors import Predictor
from tart_nas.training import TrainingRecipe

COMMITTED = LABELS.parent / "search_gain.json"


def run(*options):
    return search_gain.main([*map(str, options)])


def networks(validation, test):
    return [{"val_acc": v, "test_acc": t} for v, t in zip(validation, test, strict=True)]


def test_means_and_best_ones():
    rng = np.random.default_rng(1)
    low, high = rng.normal(50, 2, 10), rng.normal(53, 1, 10)
    found = compared({"random": networks(low + rng.normal(0, 1, 10), low), "top": networks(-high, high)})
    assert found["mean_difference"] == pytest.approx(high.mean() - low.mean())
    interval = ttest_ind(high, low, equal_var=False).confidence_interval(0.95)
    assert found["mean_interval"] == pytest.approx([interval.low, interval.high])
    assert found["best"]["top"] == pytest.approx(high.min())  # validation chooses, here perversely
    assert found["best_interval"][0] <= found["best_difference"] <= found["best_interval"][1]
    assert found["pairs_won"] == pytest.approx((high[:, None] > low).mean())
    assert compared({group: networks(low, low) for group in GROUPS})["pairs_won"] == pytest.approx(0.5)


def test_the_interval_of_the_best_covers(monkeypatch):
    monkeypatch.setattr(search_gain, "_RESAMPLES", 1000)
    rng = np.random.default_rng(0)
    covered = 0
    for _ in range(200):  # two tens of the same kind: the best do not differ but by chance
        values = {group: rng.normal(50, 2, 10) for group in GROUPS}
        low, high = compared({group: networks(v, v) for group, v in values.items()})["best_interval"]
        covered += low <= 0 <= high
    assert 182 <= covered <= 199


@pytest.mark.parametrize("name", TASKS)
def test_the_tens(name, monkeypatch):
    monkeypatch.setattr(search_gain, "CANDIDATES", 300)
    task = TASKS[name]
    candidates = task.space.sample(300, search_gain.SEED)
    top, scores = picked(task, "top")
    assert len(top) == len(scores) == search_gain.PICKED
    others = [a for place, a in enumerate(candidates) if place not in top]
    assert min(scores.values()) >= Predictor.from_pretrained(task.predictor).predict(others).max()
    random, none = picked(task, "random")
    assert len(random) == search_gain.PICKED
    assert none == {}
    for places in (top, random):
        assert all(candidates[place] == architecture for place, architecture in places.items())


def test_it_goes_on_and_reports(tmp_path, monkeypatch, capsys):
    recipe = TrainingRecipe(epochs=1, batch_size=32, lr=0.05, crop=2)
    few: dict[str, Any] = {"train_images": 64, "validation_images": 32, "test_images": 32, "image_size": 8}
    settings = replace(TASKS["darts"].settings, dataset="digits", recipe=recipe, n_cells=1, C=4, **few)
    monkeypatch.setattr(search_gain, "TASKS", {"darts": replace(TASKS["darts"], settings=settings)})
    monkeypatch.setattr(search_gain, "CANDIDATES", 20)
    monkeypatch.setattr(search_gain, "PICKED", 2)
    out = tmp_path / "gain.json"
    options = ("--labels", tmp_path, "--out", out, "--spaces", "darts")
    assert run(*options, "--at-most", 1) == 0
    assert json.loads(out.read_text()) == {"results": {}}  # one of each is not compared
    first = read_label_file(tmp_path / "search-gain-darts-top/labels.json", "top")[1]
    assert len(first) == 1
    assert run(*options) == 0
    about, labels, _ = read_label_file(tmp_path / "search-gain-darts-top/labels.json", "top")
    assert first.items() <= labels.items()
    assert about["networks"]["predictor"] == Predictor.from_pretrained("darts-cifar10").identity
    result = json.loads(out.read_text())["results"]["darts"]
    for group in GROUPS:
        assert len(result[group]["networks"]) == 2
    assert {n["candidate"]: n["score"] for n in result["top"]["networks"]} == picked(search_gain.TASKS["darts"], "top")[
        1
    ]
    assert result["comparison"] == compared({group: result[group]["networks"] for group in GROUPS})
    assert f"{result['comparison']['mean_difference']:+.2f}" in capsys.readouterr().out
    assert out.with_suffix(".png").stat().st_size > 10_000
    changed = replace(settings, C=8)
    monkeypatch.setattr(search_gain, "TASKS", {"darts": replace(TASKS["darts"], settings=changed)})
    assert run(*options) == 2
    assert "was made with other settings" in capsys.readouterr().err


def test_the_committed_result_is_that_of_the_committed_labels():
    results = json.loads(COMMITTED.read_text())["results"]
    assert [*results] == [*TASKS]
    for name, result in results.items():
        again = search_gain.measured(LABELS, name)
        assert again is not None
        groups = {group: again[group]["networks"] for group in GROUPS}
        for group in GROUPS:
            assert result[group] == json.loads(json.dumps(again[group]))
            assert 2 <= len(groups[group]) <= search_gain.PICKED  # the command goes on with what is missing
            path = LABELS / f"search-gain-{name}-{group}/labels.json"
            about, labels, _ = read_label_file(path, group)
            for settings in (about["settings"], result["settings"]):
                assert MeasuringSettings.from_dict(settings) == TASKS[name].settings
            space = TASKS[name].space
            assert all(space.contains(Architecture.from_dict(label["architecture"])) for label in labels.values())
        assert result["comparison"].keys() == compared(groups).keys()
        for measure, value in compared(groups).items():
            assert result["comparison"][measure] == pytest.approx(value)  # versions of SciPy round differently
    # In the DARTS space the bundled predictor has been made anew since.
    made_by = results["deepnets1m"]["top"]["source"]["predictor"]
    assert made_by == Predictor.from_pretrained(TASKS["deepnets1m"].predictor).identity
