import numpy as np
import pytest
import torch

from tart_nas.errors import PredictorError
from tart_nas.predictors import Predictor
from tart_nas.predictors.models import gaussian_process
from tests.predictors.conftest import features_of


def test_gradient_of_the_marginal_likelihood(labelled):
    features = features_of(labelled.architectures[:30])
    targets = labelled.targets[:30] - labelled.targets[:30].mean()
    base = np.random.default_rng(0).normal(size=(30, 1))
    for rows in (features, np.concatenate([features, base], axis=1)):
        kernel = gaussian_process._Kernel(rows)
        pairs = kernel.pairs()
        here = kernel.prior + np.random.default_rng(1).normal(size=kernel.prior.shape)
        _, gradient = kernel.objective(here, pairs, targets)
        steps = 1e-5 * np.eye(len(here))
        numeric = [
            (kernel.objective(here + h, pairs, targets)[0] - kernel.objective(here - h, pairs, targets)[0]) / 2e-5
            for h in steps
        ]
        np.testing.assert_allclose(gradient, numeric, rtol=1e-4, atol=1e-5)


def test_covariance_of_new_rows_is_that_of_training_rows(labelled):
    features = features_of(labelled.architectures[:30])
    kernel = gaussian_process._Kernel(features)
    parameters = kernel.prior + np.random.default_rng(1).normal(size=kernel.prior.shape)
    expected = np.sum(kernel.parts(parameters, kernel.pairs()), axis=0)
    posterior = kernel.posterior(parameters, labelled.targets[:30])
    covariance, variances = posterior.covariance.with_rows(torch.from_numpy(features))
    np.testing.assert_allclose(covariance, expected, atol=1e-9)
    np.testing.assert_allclose(variances, np.diag(expected))


def test_process_knows_what_it_has_seen(labelled):
    predictor = Predictor("gp").fit(labelled.architectures[:100], labelled.targets[:100])
    near, far = (
        predictor.predict(labelled.architectures[rows], return_std=True)[1] for rows in (slice(100), slice(100, 200))
    )
    assert near.mean() < far.mean()
    assert far.max() < 1.2 * labelled.targets[:100].std()


def test_process_declines_too_many_labels(labelled, monkeypatch):
    monkeypatch.setattr(gaussian_process, "MAX_POINTS", 10)
    with pytest.raises(PredictorError, match="at most 10 labelled architectures, but got 11"):
        Predictor("gp").fit(labelled.architectures[:11], labelled.targets[:11])
