import numpy as np
import pytest

from tart_nas.errors import CheckpointError
from tart_nas.experiments.bundled_predictors import FITS, UPDATES, largest_difference, main, make
from tart_nas.predictors import Predictor
from tart_nas.predictors.checkpoint import read_checkpoint, write_checkpoint
from tart_nas.search_spaces import DartsSpace

TOLERANCE = 1e-3
"""In standard deviations of the labels. The search for a Gaussian process' parameters stops where the likelihood no
longer changes by 2e-9 of itself; where that is, along directions in which it is flat, depends on rounding."""


def test_each_bundled_predictor_has_its_command():
    with pytest.raises(CheckpointError, match="expected one of ") as caught:
        Predictor.from_pretrained("nowhere")
    names = str(caught.value).partition("expected one of ")[2].rstrip(".").split(", ")
    assert sorted(names) == sorted((*FITS, *UPDATES))


@pytest.mark.slow  # with 20,000 networks drawn for its scope; the process of darts-cifar10 is made again below
def test_the_predictor_of_deepnets_is_made_again(tmp_path):
    path = make("deepnets1m-cifar10", tmp_path, folds=0)
    again, bundled = Predictor.load(path), Predictor.from_pretrained("deepnets1m-cifar10")
    assert largest_difference(again, "deepnets1m-cifar10") < TOLERANCE
    for what in ("kind", "scope", "trained_at"):
        assert again.metadata[what] == bundled.metadata[what]
    assert again.notes["also_judges"] == bundled.notes["also_judges"]
    assert again.notes["data"] == bundled.notes["data"]


def test_the_predictor_of_small_trainings_is_made_again(tmp_path):
    path = make("darts-small", tmp_path, folds=0)
    assert largest_difference(Predictor.load(path), "darts-small") < TOLERANCE


def test_the_gaussian_process_of_the_darts_predictor_is_made_again(tmp_path):
    bundled = Predictor.from_pretrained("darts-cifar10")
    bundled.save(tmp_path / "ensemble.safetensors")
    arrays, metadata = read_checkpoint(tmp_path / "ensemble.safetensors")
    member = {f"0/{name.removeprefix('0/1.')}": array for name, array in arrays.items() if name.startswith("0/1.")}
    settings = {name: value for name, value in metadata["settings"]["members"][1].items() if name != "kind"}
    of_process = {"kind": "gp", "settings": settings, "token_scheme": Predictor("gp").metadata["token_scheme"]}
    write_checkpoint(tmp_path / "gp.safetensors", member, metadata | of_process)
    expected = Predictor.load(tmp_path / "gp.safetensors")
    data = bundled.training_data()
    again = Predictor("gp").fit(data.architectures, data.targets, seed=1)
    asked = DartsSpace().sample(2000, seed=1)
    scale = metadata["targets"]["target"]["scale"]
    for ours, theirs in zip(
        again.predict(asked, return_std=True), expected.predict(asked, return_std=True), strict=True
    ):
        np.testing.assert_allclose(ours, theirs, rtol=0, atol=TOLERANCE * scale)


def test_an_unknown_name_is_refused(tmp_path, capsys):
    assert main(["nowhere", "--out", str(tmp_path)]) == 2
    assert "There is no bundled predictor nowhere: expected some of darts-cifar10, " in capsys.readouterr().err
