"""The transformer on cell tokens that also reads the features of the Gaussian process."""

import numpy as np
import pytest
from scipy.stats import kendalltau

from tart_nas.errors import SettingError
from tart_nas.predictors import Predictor
from tart_nas.predictors.cell_features import BLOCKS, cell_features
from tart_nas.predictors.checkpoint import read_checkpoint, write_checkpoint
from tart_nas.predictors.inputs import PredictorInputs
from tart_nas.predictors.models.kernel import SMOOTH

SMALL = {"features": True, "width": 16, "layers": 1, "epochs": 2, "ensemble": 2, "calibration": 0}


@pytest.fixture(scope="module")
def fitted(labelled):
    return Predictor("tart-cell", **SMALL).fit(labelled.architectures[:40], labelled.targets[:40], seed=1)


def test_features_are_in_units_of_the_labelled_rows(fitted, labelled, tmp_path):
    fitted.save(tmp_path / "p.safetensors")
    arrays = read_checkpoint(tmp_path / "p.safetensors")[0]
    (center,) = (array for name, array in arrays.items() if name.endswith("0.features.center"))
    inputs = PredictorInputs(labelled.architectures[:40])
    rows = cell_features(inputs.tokens, inputs.sizes).numpy()
    columns = np.concatenate([np.arange(BLOCKS[name].start, BLOCKS[name].stop) for name in SMOOTH[0]])
    np.testing.assert_allclose(center, rows[:, columns].mean(axis=0), rtol=1e-5)


def test_predictions_depend_on_the_features(fitted, labelled, tmp_path):
    fitted.save(tmp_path / "p.safetensors")
    arrays, metadata = read_checkpoint(tmp_path / "p.safetensors")
    deaf = {k: np.zeros_like(a) if k.endswith("features.linear.weight") else a for k, a in arrays.items()}
    write_checkpoint(tmp_path / "deaf.safetensors", deaf, metadata)
    asked = labelled.architectures[600:620]
    loaded, other = (Predictor.load(tmp_path / f"{name}.safetensors") for name in ("p", "deaf"))
    np.testing.assert_allclose(loaded.predict(asked), fitted.predict(asked), atol=1e-6)
    assert abs(other.predict(asked) - fitted.predict(asked)).mean() > 1e-4


def test_each_architecture_is_read_by_itself(fitted, labelled):
    asked = labelled.architectures[600:610]
    one_by_one = [float(fitted.predict([architecture])[0]) for architecture in asked]
    np.testing.assert_allclose(fitted.predict(asked), one_by_one, atol=1e-5)


def test_the_setting_is_true_or_false():
    with pytest.raises(SettingError, match="`features` must be True or False, but got 1"):
        Predictor("tart-cell", features=1)


@pytest.mark.slow
def test_taught_by_a_process_it_is_better_than_on_labels_alone(labelled, held_out):
    taught = {"features": True, "pretraining": 2000, "learning_rate": 1e-3}
    taus = []
    for settings in ({}, taught):
        predictor = Predictor("tart-cell", ensemble=2, calibration=0, **settings)
        predictor.fit(labelled.architectures[:50], labelled.targets[:50], seed=0)
        taus.append(kendalltau(predictor.predict(held_out.architectures), held_out.targets).statistic)
    assert taus[1] > taus[0] + 0.08
