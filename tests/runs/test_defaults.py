import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from tart_nas.predictors import Predictor
from tart_nas.runs import default_budget, default_predictor, default_recipe
from tart_nas.runs.folder import RunFolder
from tart_nas.search_spaces import DartsSpace, DeepNets1MSpace

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
    budget, recipe = default_budget(space, dataset), default_recipe(space, dataset)
    for name in ("n_cells", "C", "image_size", "train_images"):
        assert getattr(budget, name) == measured[name]
    assert recipe.to_dict() == measured["recipe"]


def test_other_images_and_the_darts_space_have_a_short_recipe():
    digits, darts = default_budget(DeepNets1MSpace("search"), "digits"), default_budget(DartsSpace())
    assert (digits.n_cells, digits.C, digits.train_images, digits.image_size) == (None, 8, None, None)
    assert (darts.n_cells, darts.C, darts.train_images, darts.image_size) == (5, 8, None, None)
    assert default_recipe(DeepNets1MSpace("search"), "digits") == default_recipe(DartsSpace())


def test_the_command_takes_what_is_not_given_from_the_space(command, tmp_path):
    options = "--space deepnets1m --predictor params --candidates 4 --top-k 1 --dataset digits --train-images 60"
    options += " --epochs 1 --channels 9 --quiet"
    assert command("search", *options.split(), "--out", tmp_path / "run")[0] == 0
    settings = RunFolder(tmp_path / "run").read_settings()
    assert settings.budget == replace(default_budget(DeepNets1MSpace("search"), "digits"), C=9, train_images=60)
    assert settings.recipe == replace(default_recipe(DeepNets1MSpace("search"), "digits"), epochs=1)
