import json
from dataclasses import asdict, replace
from itertools import pairwise
from pathlib import Path
from typing import Any, get_args

import numpy as np
import pytest

from tart_nas.choices import DEFAULT_SPACE, BudgetName
from tart_nas.errors import SettingError
from tart_nas.graphs import ComputationalGraph
from tart_nas.predictors import Predictor
from tart_nas.runs import default_budget, default_predictor, default_recipe, default_space, search
from tart_nas.runs.folder import RunFolder
from tart_nas.search_spaces import DartsSpace, DeepNets1MSpace
from tart_nas.training import DARTS_BUDGETS, Budget, TrainingRecipe

pytestmark = pytest.mark.usefixtures("undrawn")

LABELS = Path(__file__).parents[2] / "experiments/labels"


@pytest.mark.parametrize(
    ("source", "name"),
    [
        (DartsSpace(), "darts-cifar10"),
        (DeepNets1MSpace("search"), "deepnets1m-cifar10"),
        (DeepNets1MSpace("wide"), "deepnets1m-cifar10"),
        (DeepNets1MSpace("deep"), "params"),
        (DeepNets1MSpace("dense"), "params"),
    ],
)
def test_the_default_predictor_judges_all_of_its_space(source, name):
    assert default_predictor(source) == name
    assert np.isfinite(Predictor.open(name).predict(source.sample(100, 7))).all()


def test_a_search_at_the_small_budget_has_the_predictor_that_knows_it(tmp_path, monkeypatch):
    """Another recipe and other images have the other one."""
    tiny = Budget(n_cells=2, C=4, image_size=16, train_images=40, recipe=TrainingRecipe(epochs=1, batch_size=16))
    monkeypatch.setitem(DARTS_BUDGETS, "small", tiny)
    space = DartsSpace()
    ways: list[dict[str, Any]] = [{"recipe": tiny.recipe}, {"recipe": replace(tiny.recipe, epochs=2)}]
    ways += [{"dataset": "digits", "recipe": tiny.recipe}]
    found = []
    for i, way in enumerate(ways):
        search(space, candidates=20, top_k=1, random=0, out=tmp_path / str(i), **way)
        found.append(RunFolder(tmp_path / str(i)).read_settings().predictor)
    small, full = (Predictor.open(name).identity for name in ("darts-small", "darts-cifar10"))
    assert found == [small, full, full]


@pytest.mark.parametrize("dataset", ["cifar10", "cifar10-sample"])
@pytest.mark.parametrize(("space", "labels"), [(DeepNets1MSpace("search"), "deepnets1m-val"), (DartsSpace(), "darts")])
def test_networks_are_trained_as_those_of_the_labels_were(dataset, space, labels):
    measured = json.loads((LABELS / labels / "labels.json").read_text())["about"]["settings"]
    budget, recipe = default_budget(space, dataset), default_recipe(dataset, space)
    for name in ("n_cells", "C", "image_size"):
        assert getattr(budget, name) == measured[name]
    # The sample has 9,000 images to train on.
    expected = measured["train_images"]
    assert budget.train_images == (None if (dataset, expected) == ("cifar10-sample", 10_000) else expected)
    assert recipe == TrainingRecipe.from_dict(measured["recipe"])


def test_other_images_are_taken_as_they_are():
    digits = default_budget(DeepNets1MSpace("search"), "digits")
    assert (digits.n_cells, digits.C, digits.train_images, digits.image_size) == (None, 8, None, None)
    assert default_budget(DartsSpace(), "digits") == replace(digits, n_cells=5)
    assert default_recipe("digits").epochs == default_recipe("digits", DartsSpace()).epochs == 5


@pytest.mark.parametrize("space", [DeepNets1MSpace("search"), DartsSpace()])
def test_each_budget_takes_longer_than_the_one_before(space):
    steps = []
    for name in get_args(BudgetName):
        budget, recipe = default_budget(space, "cifar10", name), default_recipe("cifar10", space, name)
        network = space.sample(1, seed=0)[0].resized(budget.n_cells, budget.C)
        pixels = (budget.image_size or 32) ** 2 * (budget.train_images or 50_000) * recipe.epochs
        steps.append(pixels * ComputationalGraph.from_architecture(network).macs)
    assert [b / a > 2 for a, b in pairwise(steps)] == [True] * 3
    with pytest.raises(SettingError, match="`budget` must be one of tiny, small, medium, full"):
        default_budget(space, "cifar10", "huge")  # type: ignore[arg-type]


def test_the_space_that_is_searched_by_default_is_the_command_lines_too():
    space = default_space()
    assert (space.name, space.settings["split"]) == (DEFAULT_SPACE, "search")


def test_the_command_takes_what_is_not_given_from_the_space(command, tmp_path):
    options = "--space deepnets1m --predictor params --candidates 4 --top-k 1 --dataset digits --train-images 60"
    options += " --epochs 1 --cells 1 --channels 9 --quiet"
    assert command("search", *options.split(), "--out", tmp_path / "run")[0] == 0
    settings = RunFolder(tmp_path / "run").read_settings()
    assert settings.budget == replace(
        default_budget(DeepNets1MSpace("search"), "digits"), n_cells=1, C=9, train_images=60
    )
    assert settings.recipe == replace(default_recipe("digits"), epochs=1)


def test_a_budget_by_name_in_the_command_and_in_python(command, tmp_path):
    options = "--predictor params --candidates 4 --top-k 1 --dataset digits --train-images 60 --cells 1 --budget tiny"
    assert command("search", *options.split(), "--quiet", "--out", tmp_path / "command")[0] == 0
    settings = RunFolder(tmp_path / "command").read_settings()
    assert settings.recipe == default_recipe("digits", name="tiny") != default_recipe("digits")
    assert (settings.budget.C, settings.budget.train_images) == (8, 60)
    with pytest.raises(SettingError, match="`budget` must be one of tiny, small, medium, full, but got 'big'"):
        search(budget="big", out=tmp_path / "python")  # type: ignore[arg-type]


@pytest.mark.parametrize("dataset", ["digits", "cifar10-sample"])
def test_a_measurement_has_the_budget_of_a_search(dataset, command, tmp_path):
    """The budgets take more images than these data sets have."""
    options = ("darts", "--networks", 1, "--dataset", dataset, "--budget", "small", "--only", "latency", "--quiet")
    assert command("measure", *options, "--out", tmp_path / "labels")[0] == 0
    settings = json.loads((tmp_path / "labels/labels.json").read_text())["about"]["settings"]
    budget = default_budget(DartsSpace(), dataset)
    assert [settings[name] for name in asdict(budget)] == [*asdict(budget).values()]
    assert TrainingRecipe.from_dict(settings["recipe"]) == default_recipe(dataset, DartsSpace())
    assert settings["train_images"] is None
    assert settings["track_running_stats"] is True  # as a search trains networks
    without = (*options[:-1], "--no-track-statistics", "--quiet")
    assert command("measure", *without, "--out", tmp_path / "without")[0] == 0
    settings = json.loads((tmp_path / "without/labels.json").read_text())["about"]["settings"]
    assert settings["track_running_stats"] is False
