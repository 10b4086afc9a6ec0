"""A search in a user's own space: from suggestions to trained networks, their files and the report."""

import json
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from tart_nas.errors import CheckpointError, GraphError, RunFolderError, SettingError
from tart_nas.hypernetworks import PredictedStart
from tart_nas.networks import describe, load
from tart_nas.runs import SearchResult, TrainingBudget, read_candidates, search, work
from tart_nas.runs.candidates import ScoredCandidates
from tart_nas.runs.next_steps import next_steps
from tart_nas.search_spaces import DartsSpace, TrialArchitecture, TrialSpace
from tart_nas.training import TrainingRecipe
from tests.undrawn import undrawn_figures

RECIPE = TrainingRecipe(epochs=1, batch_size=32)
BUDGET = TrainingBudget(train_images=64, image_size=8)


def build(trial, classes=10):
    """Small enough to be trained in a moment, with one layer under two names."""
    width = trial.suggest_int("width", 4, 16, step=4)
    kernel = trial.suggest_categorical("kernel", [1, 3])
    layers = [nn.Conv2d(3, width, kernel, padding=kernel // 2), nn.BatchNorm2d(width), nn.ReLU()]
    if trial.suggest_categorical("deep", [False, True]):
        layer = nn.Conv2d(width, width, 3, padding=trial.suggest_int("padding", 1, 2))
        layers += [layer, layer]
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(width, classes))


def _search(out, space=None, **settings):
    chosen: dict[str, Any] = {
        "candidates": 12,
        "top_k": 2,
        "random": 1,
        "dataset": "digits",
        "budget": BUDGET,
        "recipe": RECIPE,
    } | settings
    return search(space or TrialSpace(build, input_size=8), out=out, **chosen)


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """The folder of a finished run."""
    folder = tmp_path_factory.mktemp("runs") / "own"
    with undrawn_figures():
        _search(folder)
    return folder


def test_the_best_candidates_are_trained_and_can_be_loaded_with_their_space(run):
    result = SearchResult.load(run)
    assert [p.state for p in result.picks] == ["trained"] * 3
    assert [p.pick.rank for p in result.top] == [1, 2]
    assert all(p.test_accuracy is not None for p in result.picks)
    best, space = result.best, TrialSpace(build, input_size=8)
    assert isinstance(best.pick.architecture, TrialArchitecture)
    network = best.network(space=space)
    assert sum(p.numel() for p in network.parameters()) == best.pick.parameters
    assert best.pick.multiply_accumulates == best.pick.architecture.graph.macs
    assert load(run, space=space)(torch.zeros(2, 3, 8, 8)).shape == (2, 10)
    assert describe(run / "weights" / "top-1").trial == result.top[0].pick.trained.to_dict()
    assert str(result.to_dict()["picks"][0]["string"]).startswith("width=16")
    page = (run / "report.html").read_text()
    assert "Graph of the best network" in page
    assert "width=16" in page


def test_no_code_that_a_file_names_is_run_unasked(run):
    with pytest.raises(
        CheckpointError, match="give `space`, such as TrialSpace\\('tests.runs.test_own_space:build'\\)"
    ):
        load(run)
    other = TrialSpace(lambda trial: nn.Sequential(build(trial), nn.Identity(), nn.ReLU()))
    with pytest.raises(CheckpointError, match="makes another network"):
        load(run, space=other)
    with pytest.raises(RunFolderError, match="What a file names is not run unasked"):
        work(run)


def test_candidates_of_a_run_are_read_without_their_space(run):
    candidates = read_candidates(run, DartsSpace())
    assert candidates[0] == SearchResult.load(run).top[0].pick.architecture
    assert len(candidates) == len(SearchResult.load(run).scores)


def test_the_same_call_resumes_and_another_space_is_refused(run):
    before = (run / "report.json").read_text()
    result = _search(run)
    assert json.loads(before)["picks"] == result.to_dict()["picks"]
    with pytest.raises(RunFolderError, match="space.build"):
        _search(run, TrialSpace(lambda trial: build(trial), input_size=8))


def test_given_candidates_need_their_space(tmp_path, undrawn):
    candidates = TrialSpace(build, input_size=8).sample(3, seed=1)
    result = _search(tmp_path / "given", candidates=candidates, top_k=1, random=0)
    assert result.top[0].pick.architecture in candidates
    with pytest.raises(SettingError, match="give the `space` that builds it"):
        search(candidates=candidates, out=tmp_path / "other")


def test_an_unfitted_predictor_learns_from_the_rounds_of_the_run(tmp_path, undrawn):
    result = _search(tmp_path / "run", candidates=8, random=2, rounds=2, predictor="gp-graph")
    first, later = ([p for p in result.picks if p.pick.round == number] for number in (1, 2))
    assert [p.pick.predicted for p in first] == [0.0] * 4
    assert len(later) == 2
    assert all(p.pick.expected is not None for p in later)
    assert _search(tmp_path / "run", candidates=8, random=2, rounds=2).to_dict()["picks"] == result.to_dict()["picks"]


def test_a_seed_trains_the_same_networks_whatever_was_drawn_before(tmp_path, undrawn):
    space, trained = TrialSpace(build, input_size=8), []
    for name in ("first", "again"):
        torch.rand(7)
        result = _search(tmp_path / name, candidates=6, top_k=1, random=1)
        networks = [load(tmp_path / name / "weights" / p.pick.name, space=space) for p in result.picks]
        trained.append([value for network in networks for value in network.state_dict().values()])
    assert len(trained[0]) > 10
    assert all(torch.equal(one, other) for one, other in zip(*trained, strict=True))


def flat(trial):
    """Takes images of 8x8 pixels alone."""
    width = trial.suggest_int("width", 4, 12)
    return nn.Sequential(nn.Conv2d(3, width, 3, padding=1), nn.ReLU(), nn.Flatten(), nn.Linear(64 * width, 10))


def test_first_weights_are_predicted_at_the_size_of_the_images(tmp_path, undrawn, monkeypatch):
    space, settings = TrialSpace(flat, input_size=8), {"candidates": 6, "random": 0, "init": "ghn2-cifar10-small"}
    result = _search(tmp_path / "run", space, **settings)
    assert [p.failure for p in result.picks] == [None, None]
    weights = PredictedStart.weights

    def fails_once(*arguments, **named):
        monkeypatch.setattr(PredictedStart, "weights", weights)
        raise GraphError("an operation that is not known")

    monkeypatch.setattr(PredictedStart, "weights", fails_once)
    result = _search(tmp_path / "other", space, **settings)
    assert [p.failure for p in result.picks] == ["an operation that is not known", None]  # for ever: it is its own


def test_a_network_that_cannot_be_built_fails_alone_where_a_function_trains(tmp_path, undrawn):
    begun: list[int] = []

    def breaks(trial):
        if len(begun) == 1:  # the function below has trained the first network: this is the second
            raise ValueError("no such layer")
        return build(trial)

    def train(network, reporter):
        begun.append(1)
        return 0.5

    space = TrialSpace(breaks, input_size=8)
    result = _search(tmp_path / "run", space, train=train, recipe=None, top_k=3, random=0)
    assert [p.state for p in result.picks] == ["trained", "failed", "failed"]
    assert "no such layer" in (result.picks[1].failure or "")


def wide(trial):
    return build(trial, classes=7)


def large(trial):
    return nn.Sequential(nn.Conv2d(3, 4, 3), nn.Flatten(), nn.Linear(3600, trial.suggest_categorical("n", [10])))


@pytest.mark.parametrize(
    ("function", "settings", "told"),
    [
        (wide, {}, r"must give logits of shape \(2, 10\) for 2 images of digits, .* but gives \(2, 7\)"),
        (large, {"top_k": 1, "random": 0}, "do not take images of 3x8x8, on which they are to be trained"),
        (build, {"budget": TrainingBudget(C=8)}, "has no cells: its size cannot be changed"),
        (build, {"min_distance": 2}, "`min_distance` counts edges of cells"),
        (build, {"recipe": TrainingRecipe(epochs=1, auxiliary=0.4)}, "auxiliary head, which networks of"),
        (lambda trial: build(trial), {"workers": 2}, "put the function into a module"),
        (build, {"strategy": "generate"}, "no bundled generator"),
        (build, {"predictor": "darts-cifar10"}, "only where the fit was to graphs too"),
        (build, {"predictor": "gp-graph"}, "learns from at least 4 networks"),
    ],
)
def test_what_cannot_be_is_said_before_anything_is_written(tmp_path, function, settings, told):
    size = 32 if function is large else 8
    with pytest.raises((SettingError, ValueError), match=told):
        _search(tmp_path / "run", TrialSpace(function, input_size=size), **settings)
    assert not (tmp_path / "run").exists()


NAME = "tests.runs.test_own_space:build"


def test_commands_take_networks_of_an_own_space_from_what_a_run_wrote(run, command, tmp_path):
    result = SearchResult.load(run)
    best = result.best.pick
    status, out, errors = command("score", run, "--top", 99, "--out", tmp_path / "scores.parquet")
    assert (status, "judged by params" in errors) == (0, True)
    rank, score, _, place, *values = out.splitlines()[0].split()
    assert (rank, place, " ".join(values)) == ("1", "1", str(result.top[0].pick.architecture))
    written = read_candidates(tmp_path / "scores.parquet", DartsSpace())
    assert len(out.splitlines()) == len(result.scores) == len(written)
    assert float(score) == pytest.approx(result.scores[0], abs=1e-3)
    status, out, _ = command("draw", run, "--out", tmp_path / "graph.svg")
    assert (status, (tmp_path / "graph.svg").stat().st_size > 5000) == (0, True)
    assert isinstance(best.architecture, TrialArchitecture)
    assert f"{best.architecture.graph.num_nodes} nodes" in out
    for arguments, is_timed in (((run,), False), ((run / "candidates.parquet", "--space", NAME), True)):
        status, out, _ = command("summary", *arguments)
        assert (status, " ms for 1 image on " in out) == (0, is_timed)
        shown = best if arguments == (run,) else result.top[0].pick
        assert f" {shown.parameters:,}\n" in out
    assert command("score", run, "--space", NAME)[0] == 0
    sampled = ("score", "--sample", 3, "--space", NAME, "--quiet")
    command(*sampled, "--image-size", 8, "--out", tmp_path / "sampled.parquet")
    written = read_candidates(tmp_path / "sampled.parquet", DartsSpace())
    assert {each.input_size for each in written if isinstance(each, TrialArchitecture)} == {(3, 8, 8)}


def test_networks_of_an_own_space_are_exported_and_retrained_by_the_name_of_their_function(run, command, tmp_path):
    size = ("--dataset", "digits", "--train-images", 50, "--epochs", 1, "--image-size", 8, "--quiet")
    again = ("retrain", run, *size, "--space", NAME, "--out", tmp_path / "again")
    assert command(*again)[0] == 0
    trained, space = tmp_path / "again", TrialSpace(build, input_size=8)
    assert describe(trained).trial == SearchResult.load(run).best.pick.trained.to_dict()
    assert command("score", trained)[0] == 0
    assert command("export", trained, "--space", NAME, "--out", tmp_path / "best.pt2")[0] == 0
    images = torch.rand(3, 3, 8, 8)
    exported = torch.export.load(tmp_path / "best.pt2").module()(images)
    torch.testing.assert_close(exported, load(trained, space=space)(images))


def grey(trial):
    """Of images with one channel; its first layer learns that from them."""
    width = trial.suggest_int("width", 4, 8)
    return nn.Sequential(nn.LazyConv2d(width, 3), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(width, 3))


@pytest.mark.parametrize("size", [(1, 28, 28), (1, 16, 28), (3, 16, 28)])
def test_a_candidate_is_told_on_the_images_that_it_takes(size, command, tmp_path):
    space = TrialSpace(grey, input_size=size)
    [candidate] = space.sample(1, seed=0)
    ScoredCandidates.ranked([candidate], [0], np.array([1.0])).write(tmp_path / "candidates.parquet")
    for options in ((), ("--space", f"{__name__}:grey")):
        arguments = ("summary", tmp_path / "candidates.parquet", "--predictor", "params", *options)
        status, out, errors = command(*arguments)
        assert (status, errors) == (0, "")
        assert f" {'x'.join(map(str, size))}\n" in out
        assert f" {candidate.graph.num_parameters:,}\n" in out
        assert "not measured: " in out
    assert "only networks on square RGB images are timed" in out
    status, out, _ = command(*arguments, "--image-size", 20)
    assert (status, f" {size[0]}x20x20\n" in out) == (0, True)
    assert command("draw", tmp_path / "candidates.parquet", "--out", tmp_path / "graph.svg")[0] == 0


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("export", "RUN", "--out", "best.pt2"), f"is built by {NAME}, which a file names and which is not run"),
        (("retrain", "RUN", "--dataset", "digits", "--out", "again"), f"give `--space` {NAME}"),
        (("draw", "RUN", "--image-size", "16", "--out", "graph.svg"), f"give `--space` {NAME}"),
        (("export", "RUN", "--space", "gone:build", "--out", "best.pt2"), "there is no module 'gone'"),
        (("retrain", "RUN", "--space", "build", "--out", "again"), "expected module:function"),
        (("summary", "RUN", "--space", f"{NAME[:-5]}large"), "There is no parameter 'n'"),
        (("draw", "RUN", "--cells", "--out", "cells.svg"), "is not made of cells: draw it without --cells"),
        (("draw", "DARTS", "--space", NAME, "--out", "graph.svg"), "`--space` is for networks of a space of your own"),
        (("measure", "RUN/candidates.parquet", "--out", "labels"), f"is not run unasked: give `--space` {NAME}"),
    ],
)
def test_what_a_command_lacks_to_build_a_network_is_one_line(run, command, arguments, told, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    status, _, errors = command(*(argument.replace("RUN", str(run)) for argument in arguments))
    assert (status, errors.count("\n")) == (2, 1), errors
    assert told in errors
    assert not [path.name for path in tmp_path.iterdir()]


def test_the_next_steps_of_a_run_name_its_function(run):
    commands = [step.command for step in next_steps(SearchResult.load(run))]
    assert f"tart-nas export {run} --space {NAME} --out {run}-best.onnx" in commands
    assert any(each.startswith(f"tart-nas retrain {run} --space {NAME} --dataset digits") for each in commands)
    assert f"tart-nas draw {run} --out {run}-graph.svg" in commands
