import numpy as np
import pytest
import torch
from torch.distributions import MultivariateNormal

from tart_nas.errors import PredictorError
from tart_nas.predictors import Predictor
from tart_nas.predictors.models import gaussian_process
from tart_nas.predictors.models.kernel import CellKernel
from tart_nas.predictors.models.marginal_likelihood import negative_log_likelihood
from tests.predictors.conftest import features_of


@pytest.fixture
def kernels(labelled):
    """Kernels of 30 rows, with and without a base's predictions, their pairs, and some parameters and a noise."""
    features = features_of(labelled.architectures[:30])
    base = np.random.default_rng(0).normal(size=(30, 1))
    made = []
    for rows in (features, np.concatenate([features, base], axis=1)):
        kernel = CellKernel.of(rows)
        here = np.append(kernel.prior, -2) + np.random.default_rng(1).normal(size=len(kernel.prior) + 1)
        made.append((kernel, rows, kernel.pairs(rows), torch.tensor(here, requires_grad=True)))
    return made


def test_gradient_of_the_marginal_likelihood(kernels, labelled):
    """That of PyTorch's normal distribution, which differentiates the Cholesky factor step by step."""
    targets = torch.from_numpy(labelled.targets[:30] - labelled.targets[:30].mean())
    for kernel, _, pairs, parameters in kernels:
        covariance = kernel.covariance(parameters, pairs)
        value = negative_log_likelihood(covariance, targets)
        expected = -MultivariateNormal(torch.zeros(30), covariance.tril() + covariance.tril(-1).T).log_prob(targets)
        assert value.item() + 15 * np.log(2 * np.pi) == pytest.approx(expected.item())
        ours, theirs = (torch.autograd.grad(v, parameters, retain_graph=True)[0] for v in (value, expected))
        np.testing.assert_allclose(ours, theirs, rtol=1e-8, atol=1e-10)


def test_residuals_have_a_gradient_too():
    residuals = torch.arange(3.0, dtype=torch.float64, requires_grad=True)
    covariance = torch.diag(torch.tensor([1.0, 2.0, 4.0], dtype=torch.float64))
    [gradient] = torch.autograd.grad(negative_log_likelihood(covariance, residuals), residuals)
    np.testing.assert_allclose(gradient, [0, 0.5, 0.5])


def test_covariance_of_new_rows_is_that_of_training_rows(kernels):
    for kernel, rows, pairs, parameters in kernels:
        triangle = kernel.covariance(parameters, pairs).detach().numpy()
        noise = parameters[-1].exp().item()
        expected = np.tril(triangle) + np.tril(triangle, -1).T - noise * np.eye(30)
        features = torch.from_numpy(rows)
        covariance, variances = kernel.between(parameters.detach()[:-1], features).with_rows(features)
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
