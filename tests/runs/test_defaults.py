import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from tart_nas.choices import DEFAULT_SPACE
from tart_nas.predictors import Predictor
from tart_nas.runs import default_budget, default_predictor, default_recipe, default_space
from tart_nas.runs.folder import RunFolder
from tart_nas.search_spaces import DartsSpace, DeepNets1MSpace
from tart_nas.training import TrainingRecipe

pytestmark = pytest.mark.usefixtures("undrawn")

LABELS = Path(__file__).parents[2] / "experiments/labels/deepnets1m-val/labels.json"


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


@pytest.mark.parametrize("dataset", ["cifar10", "cifar10-sample"])
def test_deepnets1m_is_trained_as_the_labels_of_its_predictor_were(dataset):
    measured = json.loads(LABELS.read_text())["about"]["settings"]
    space = DeepNets1MSpace("search")
    budget, recipe = default_budget(space, dataset), default_recipe(dataset)
    for name in ("n_cells", "C", "image_size", "train_images"):
        assert getattr(budget, name) == measured[name]
    assert recipe == TrainingRecipe.from_dict(measured["recipe"])


def test_other_images_are_taken_as_they_are_and_darts_networks_have_five_cells():
    digits, darts = default_budget(DeepNets1MSpace("search"), "digits"), default_budget(DartsSpace())
    assert (digits.n_cells, digits.C, digits.train_images, digits.image_size) == (None, 8, None, None)
    assert darts == replace(default_budget(DeepNets1MSpace("search")), n_cells=5)
    assert default_recipe("digits").epochs == 5


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
