"""Limits and objectives besides accuracy."""

import html
import json
from dataclasses import replace
from typing import Any

import numpy as np
import optuna
import pyarrow.parquet as pq
import pytest
import torch
from scipy.stats import kendalltau
from torch import nn

import tart_nas
from tart_nas.architecture import Architecture
from tart_nas.errors import RunFolderError, SettingError
from tart_nas.graphs import ComputationalGraph
from tart_nas.measurements import InferenceTime, inference_time
from tart_nas.networks import build_network, count_parameters, parameter_count
from tart_nas.runs import SearchResult
from tart_nas.runs.goals import Goals, parse_limits
from tart_nas.runs.latency_agreement import LatencyAgreement
from tart_nas.runs.study import Pick
from tart_nas.search_spaces import TrialSpace
from tart_nas.search_spaces.trial_architecture import TrialArchitecture
from tart_nas.strategies import evolve, select_diverse
from tests.runs.conftest import SMALL, SMALL_OPTIONS
from tests.runs.conftest import pick as a_pick

GOALS: dict[str, Any] = {
    **SMALL,
    "budget": tart_nas.TrainingBudget(n_cells=2, C=4, train_images=120),  # at 32 pixels, where latencies differ
    "recipe": tart_nas.TrainingRecipe(epochs=1, batch_size=40),
    "top_k": 3,
}
SPACE = tart_nas.DartsSpace(n_cells=2, C=4)  # whose networks are timed in milliseconds


def table(folder):
    return pq.read_table(folder / "candidates.parquet").to_pydict()


def test_limits_are_kept_by_all_that_is_trained(ridge, tmp_path, command, undrawn):
    arguments = ["--limit", "params=9e5", "--limit", "flops=1.6e8", "--predictor", ridge[1], "--out", tmp_path / "run"]
    status, out, errors = command("search", *SMALL_OPTIONS, *arguments, "--image-size", 32)
    assert (status, errors) == (0, "")
    assert "Limits: parameters at most 900,000, FLOPs (multiply-accumulates) at most 160,000,000. " in out
    columns = table(tmp_path / "run")
    rank = 0
    architecture = Architecture.from_dict(json.loads(columns["architecture"][rank]))
    assert columns["params"][rank] == parameter_count(architecture, 10, 32)
    assert columns["flops"][rank] == ComputationalGraph.from_architecture(architecture, 10, 32).macs
    kept = [p <= 9e5 and f <= 1.6e8 for p, f in zip(columns["params"], columns["flops"], strict=True)]
    assert 0 < sum(kept) < 60
    result = SearchResult.load(tmp_path / "run")
    assert f"{sum(kept)} of 60 candidates keep them" in str(result)
    assert all(kept[p.pick.rank - 1] for p in result.picks)
    assert [p.pick.rank - 1 for p in result.top] == [i for i in range(60) if kept[i]][:2]
    assert result.settings.goals == Goals({"params": 9e5, "flops": 1.6e8})
    page = (tmp_path / "run/report.html").read_text()
    assert "Accuracy and cost" in page


def test_the_front_of_accuracy_and_latency(tmp_path):
    arguments = {**GOALS, "space": SPACE, "predictor": "params", "objectives": ("accuracy", "latency"), "random": 1}
    result = tart_nas.search(out=tmp_path / "run", **arguments)
    columns = table(tmp_path / "run")
    values = np.stack([columns["score"], -np.array(columns["latency_ms"])], axis=1)
    for pick in result.top:  # none is dominated by any candidate
        own = values[pick.pick.rank - 1]
        assert not ((values >= own).all(axis=1) & (values > own).any(axis=1)).any()
        assert pick.pick.costs["predicted_latency_ms"] == columns["latency_ms"][pick.pick.rank - 1]
    assert len({p.pick.rank for p in result.top}) == 3
    timed = result.top[0].pick
    assert isinstance(timed.architecture, Architecture)
    network = build_network(timed.architecture, 10, 32)
    now = inference_time(network, 32, batch_size=1, device="cpu").milliseconds
    assert 0.2 < now / timed.costs["latency_ms"] < 5  # of the same network, whatever else the machine does
    # Larger networks of one space take longer: the predictions know which those are.
    assert np.corrcoef(columns["score"], np.log(columns["latency_ms"]))[0, 1] > 0
    front = result.measured_front()
    assert result.best in front or result.best.validation_accuracy == max(p.validation_accuracy or 0 for p in front)
    page = (tmp_path / "run/report.html").read_text()
    assert "measured latency" in page.replace("\n", " ")
    assert result.settings.strategy == "evolution"
    told = result.latency_agreement()
    assert told is not None
    both = np.array([[p.pick.costs[n] for n in ("predicted_latency_ms", "latency_ms")] for p in result.picks])
    assert told.tau == pytest.approx(kendalltau(*both.T).statistic)
    assert told.error == pytest.approx(np.median(abs(both[:, 0] / both[:, 1] - 1)))
    assert told.sentence() in str(result)
    assert told.sentence() in html.unescape(page)
    assert json.loads((tmp_path / "run/report.json").read_text())["latency"]["networks"] == 4
    costs = [p.pick.costs for p in result.picks]
    again = tart_nas.search(out=tmp_path / "run", **arguments)
    assert [p.pick.costs for p in again.picks] == costs  # nothing is timed twice


@pytest.fixture
def clocked(monkeypatch):
    """In place of the clock: a network takes a millisecond for a thousand parameters."""

    def timed(network, image_size, **settings):
        return InferenceTime(count_parameters(network) / 1000, 2.0, count_parameters(network) / 2000)

    monkeypatch.setattr("tart_nas.runs.costs.inference_time", timed)


def of_latency(seed):
    """A predictor of these times."""
    labelled = SPACE.sample(30, seed)
    speeds = [-np.log(parameter_count(architecture, 10, 32)) for architecture in labelled]
    return tart_nas.Predictor("ridge").fit(labelled, {"inference_speed": speeds})


def test_another_predictor_of_the_latency_is_refused_by_a_folder(clocked, tmp_path, undrawn):
    one, other = of_latency(1), of_latency(2)
    goals: dict[str, Any] = {"predictor": "params", "objectives": ("accuracy", "latency"), "strategy": "topk"}
    settings: dict[str, Any] = {**GOALS, **goals, "space": SPACE, "top_k": 1, "random": 0, "out": tmp_path / "run"}
    result = tart_nas.search(**settings, latency_predictor=one)
    assert tart_nas.search(**settings, latency_predictor=one).to_dict() == result.to_dict()
    for changed in (other, None):
        with pytest.raises(RunFolderError, match="latency_predictor ridge"):
            tart_nas.search(**settings, latency_predictor=changed)
    assert SearchResult.load(tmp_path / "run").settings == result.settings
    config = json.loads((tmp_path / "run/config.json").read_text())
    assert config["settings"].pop("latency_predictor") == one.identity
    (tmp_path / "run/config.json").write_text(json.dumps(config))  # as versions before wrote it: it may be any
    again = tart_nas.search(**settings, latency_predictor=one)
    assert [p.to_dict() for p in again.picks] == [p.to_dict() for p in result.picks]


@pytest.mark.parametrize("limit", [1e9, 3.7])
def test_only_what_differs_enough_is_timed(limit, clocked, tmp_path, undrawn):
    goals: dict[str, Any] = {"predictor": "params", "constraints": {"latency_ms": limit}, "min_distance": 15}
    result = tart_nas.search(out=tmp_path / "run", **{**GOALS, **goals, "space": SPACE, "top_k": 4, "random": 0})
    columns = table(tmp_path / "run")
    architectures = [Architecture.from_dict(json.loads(text)) for text in columns["architecture"]]
    true = [parameter_count(architecture, 10, 32) / 1000 for architecture in architectures]
    kept = [i for i in range(60) if max(true[i], columns["latency_ms"][i]) <= limit]
    places = [p.pick.rank - 1 for p in result.top]
    assert places == select_diverse(kept, lambda place: architectures[place], 4, 15)
    assert kept[:4] != places  # there are some that differ too little
    study = optuna.load_study(study_name=None, storage=f"sqlite:///{tmp_path}/run/study.sqlite3")
    timed = {int(place) for place in study.user_attrs["measured_costs"]}
    assert timed - set(places) <= {i for i in range(60) if true[i] > limit}  # which were too slow then


def test_what_the_latency_predictor_does_not_judge_is_not_drawn_at_random(clocked, tmp_path, undrawn):
    """Eight of 40 candidates are in its scope: of all others the latency is NaN, which no JSON file holds."""

    candidates = [*SPACE.sample(8, seed=2), *tart_nas.DartsSpace(n_cells=2, C=6).sample(32, seed=2)]
    goals = {"predictor": "params", "objectives": ("accuracy", "latency"), "latency_predictor": of_latency(1)}
    settings: dict[str, Any] = {**GOALS, **goals, "space": None, "candidates": candidates}
    result = tart_nas.search(out=tmp_path / "run", **{**settings, "top_k": 1, "random": 3})
    assert np.isnan(result.costs["latency_ms"]).sum() == 32
    assert all(p.pick.architecture in candidates[:8] for p in result.picks)
    told = json.loads((tmp_path / "run/report.json").read_text())
    assert all(pick["costs"]["predicted_latency_ms"] > 0 for pick in told["picks"])
    with pytest.raises(SettingError, match="Only 8 of 40 candidates are networks whose latency can be predicted"):
        tart_nas.search(out=tmp_path / "other", **{**settings, "top_k": 1, "random": 8})


def test_a_run_that_drew_such_networks_ends():
    """As versions before did, whose studies have them."""
    known = {"latency_ms": 2.0, "predicted_latency_ms": 3.0}
    costs = [known, {"latency_ms": 5.0, "predicted_latency_ms": float("nan")}]
    picks = [Pick.from_attributes(replace(a_pick("random-1"), costs=each).to_attributes()) for each in costs]
    assert [each.costs for each in picks] == [known, {"latency_ms": 5.0}]
    only, nothing = LatencyAgreement.of(picks), LatencyAgreement.of(picks[1:])
    assert (only, nothing) == (LatencyAgreement(1, None, 0.5), None)
    assert LatencyAgreement.of([replace(a_pick("random-1"), costs=each) for each in costs]) == only
    with pytest.raises(RunFolderError, match="where numbers are expected"):
        Pick.from_attributes({**a_pick("top-1").to_attributes(), "costs": {"latency_ms": "fast"}})


def test_a_search_with_several_objectives_evolves_their_front(ridge, tmp_path, undrawn):
    arguments = {**GOALS, "predictor": ridge[0], "candidates": 520, "top_k": 2, "random": 0}
    goals: dict[str, Any] = {"objectives": ("accuracy", "params"), "constraints": {"params": 1e9}}
    result = tart_nas.search(out=tmp_path / "run", **arguments, **goals)
    assert result.settings.strategy == "evolution"

    def score(architectures):
        sizes = [parameter_count(architecture, 10, 32) for architecture in architectures]
        return np.stack([ridge[0].predict(architectures), np.negative(sizes)], axis=1)

    expected = {json.dumps(a.to_dict()) for a in evolve(GOALS["space"], score, 520, seed=0)[0]}
    assert {json.dumps(json.loads(text)) for text in table(tmp_path / "run")["architecture"]} == expected
    with pytest.raises(RunFolderError, match="strategy"):
        tart_nas.search(out=tmp_path / "run", strategy="topk", **arguments, **goals)


def test_evolution_comes_near_its_limit(tmp_path, undrawn):
    arguments = {**GOALS, "strategy": "evolution", "candidates": 600, "random": 0, "top_k": 2}
    result = tart_nas.search(predictor="params", out=tmp_path / "run", constraints={"params": 8e5}, **arguments)
    assert all(7.7e5 < p.pick.costs["params"] <= 8e5 for p in result.picks)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"constraints": {"latency": 5}}, "A limit of the latency needs a unit: latency_ms=5"),
        ({"constraints": {"memory": 5}}, "A limit must be of params, flops, latency_ms, but got 'memory'"),
        ({"constraints": {"params": 0}}, "`params` of the limits must be a number above 0"),
        ({"constraints": {"params": "1e6"}}, "`params` of the limits must be a number above 0, but got '1e6'"),
        ({"constraints": [5]}, "`constraints` must be limits by name"),
        ({"objectives": ("latency",)}, "`objectives` must have accuracy"),
        ({"objectives": ("accuracy", "speed")}, "must be one of accuracy, params, flops, latency, but got 'speed'"),
        ({"latency_predictor": "deepnets1m-cifar10"}, "needs an objective latency or a limit latency_ms"),
        (
            {"latency_predictor": "darts-cifar10", "objectives": ("accuracy", "latency")},
            "must have a target inference_speed",
        ),
        (
            {"constraints": {"params": 1000}},
            r"No candidate keeps the limits: the nearest has params [\d,]+ \(limit 1,000\)",
        ),
        (
            {"constraints": {"params": 7e5}, "top_k": 50},
            "Only [0-9]+ of 60 candidates keep the limits, but 51 are",
        ),
    ],
)
def test_what_cannot_be_asked_for(changes, said, ridge, tmp_path):
    with pytest.raises(SettingError, match=said) as error:
        tart_nas.search(**{**GOALS, "predictor": ridge[0], "out": tmp_path / "run", **changes})
    assert "\n" not in str(error.value)
    assert not list((tmp_path / "run").glob("weights/*"))


def test_a_limit_that_no_timed_network_keeps_says_how_near_it_came(tmp_path):
    arguments = {**GOALS, "space": SPACE, "candidates": 6, "top_k": 1, "random": 0}
    with pytest.raises(SettingError, match=r"the nearest has latency [\d.e-]+ ms \(limit"):
        tart_nas.search(predictor="params", out=tmp_path / "run", constraints={"latency_ms": 1e-3}, **arguments)


@pytest.mark.parametrize(
    ("texts", "said"),
    [
        (["params"], "takes NAME=NUMBER, such as params=100000 or latency_ms=5, but got 'params'"),
        (["params=many"], "but got 'params=many'"),
        (["latency=5"], "needs a unit: latency_ms=5"),
        (["params=5", "params=6"], "has params twice"),
        (["params=nan"], "above 0"),
    ],
)
def test_limits_of_the_command_line(texts, said):
    with pytest.raises(SettingError, match=said):
        parse_limits(texts)
    assert parse_limits(["params=1e5", "latency_ms=2.5"]) == {"params": 1e5, "latency_ms": 2.5}


def build(trial):
    """Networks of a space of one's own."""
    width = trial.suggest_int("width", 4, 40)
    layers = [nn.Conv2d(3, width, 3), nn.BatchNorm2d(width), nn.ReLU()]
    for i in range(trial.suggest_int("depth", 1, 3)):
        k = trial.suggest_categorical(f"kernel {i}", [1, 3])
        layers += [nn.Conv2d(width, width, k, padding=k // 2), nn.BatchNorm2d(width), nn.ReLU()]
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(width, 10))


def test_spaces_of_ones_own_have_limits_and_latencies(tmp_path, undrawn):
    result = tart_nas.search(
        TrialSpace(build),
        predictor="params",
        candidates=40,
        top_k=1,
        dataset="digits",
        budget=tart_nas.TrainingBudget(train_images=40, image_size=8),
        recipe=tart_nas.TrainingRecipe(epochs=1, batch_size=20),
        objectives=("accuracy", "latency"),
        constraints={"params": 2e4},
        out=tmp_path / "run",
        device="cpu",
    )
    [pick] = result.picks
    assert isinstance(pick.pick.architecture, TrialArchitecture)
    network = TrialSpace(build).network(pick.pick.architecture)
    assert pick.pick.costs["params"] == sum(parameter.numel() for parameter in network.parameters()) <= 2e4
    assert pick.pick.costs["latency_ms"] > 0
    assert "for one image of 32×32 pixels" in (tmp_path / "run/report.html").read_text()


@pytest.mark.parametrize(("is_own", "size"), [(True, 16), (False, 32)])
def test_costs_are_for_images_of_the_size_that_the_report_tells(is_own, size, ridge, tmp_path, undrawn):
    """Named images are brought to 16 pixels for the training alone; images of one's own have no other size."""
    images = torch.randint(256, (120, 3, 24, 24), dtype=torch.uint8), torch.arange(120) % 10
    arguments = {**GOALS, "predictor": ridge[0], "dataset": images if is_own else "digits", "candidates": 8}
    arguments |= {"budget": tart_nas.TrainingBudget(n_cells=2, C=4, image_size=16), "top_k": 1, "random": 0}
    result = tart_nas.search(out=tmp_path / "run", constraints={"flops": 1e12}, **arguments)
    architecture = result.top[0].pick.architecture
    assert isinstance(architecture, Architecture)
    assert result.top[0].pick.costs == {"flops": ComputationalGraph.from_architecture(architecture, 10, size).macs}
    assert f"for one image of {size}×{size} pixels" in (tmp_path / "run/report.html").read_text()
