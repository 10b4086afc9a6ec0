"""The mathematics of Gaussian processes: likelihood of labels, the most likely parameters, the posterior.

Rasmussen and Williams, "Gaussian Processes for Machine Learning", MIT Press 2006: algorithm 2.1 and equation 5.9.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from tart_nas.predictors.models.threads import one_thread_per_operation

__all__ = ["Posterior", "most_likely", "negative_log_likelihood"]

Floats = npt.NDArray[np.float64]


class _NegativeLogLikelihood(torch.autograd.Function):
    """Differentiated by equation 5.9: PyTorch's derivative of a Cholesky factor takes several times as long."""

    @staticmethod
    def forward(ctx: Any, covariance: Tensor, residuals: Tensor) -> Tensor:
        factor = torch.linalg.cholesky(covariance)
        solved = torch.cholesky_solve(residuals[:, None], factor)[:, 0]
        ctx.save_for_backward(factor, solved)
        # The sum of logarithms is half of that of the determinant; n / 2 log(2 pi) is left out.
        value: Tensor = 0.5 * residuals @ solved + factor.diagonal().log().sum()
        return value

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, Tensor]:
        factor, solved = ctx.saved_tensors
        by_covariance = torch.cholesky_inverse(factor).addr_(solved, solved, alpha=-1).tril_()
        by_covariance.diagonal().mul_(0.5)  # each value below the diagonal stands for the one above it too
        return by_covariance.mul_(gradients[0]), gradients[0] * solved


def negative_log_likelihood(covariance: Tensor, residuals: Tensor) -> Tensor:
    """Of labels under a normal distribution, up to a constant; differentiable.

    Args:
        covariance: `n x n` float64, that of the labels, noise included; its lower triangle is read.
        residuals: `n`, the labels less their mean.
    """
    value: Tensor = _NegativeLogLikelihood.apply(covariance, residuals)
    return value


def most_likely(
    objective: Callable[[Tensor], Tensor], centers: Floats, deviations: Floats, bound: float
) -> tuple[Floats, float]:
    """The parameters that are most likely under labels and a normal prior, found by L-BFGS-B from the prior's centre.

    Args:
        objective: from parameters `k` to the negative logarithm of their likelihood; differentiable.
        centers: `k`, of the prior.
        deviations: `k`, its standard deviations.
        bound: parameters stay within this many of them.

    Returns:
        The parameters `k`, and the negative logarithm of their posterior, up to a constant.
    """
    from scipy.optimize import minimize  # here, since importing it takes a third of a second

    def value_and_gradient(parameters: Floats) -> tuple[float, Floats]:
        asked = torch.tensor(parameters, requires_grad=True)
        value = objective(asked)
        value.backward()  # type: ignore[no-untyped-call]
        assert asked.grad is not None
        away = (parameters - centers) / deviations
        # The second summands are those of the prior.
        return value.item() + 0.5 * float(away @ away), asked.grad.numpy() + away / deviations

    bounds = list(zip(centers - bound * deviations, centers + bound * deviations, strict=True))
    with one_thread_per_operation():
        best = minimize(value_and_gradient, centers, jac=True, method="L-BFGS-B", bounds=bounds)
    return np.asarray(best.x), float(best.fun)


@dataclass(frozen=True)
class Posterior:
    """A Gaussian process given n labels. All tensors are float64.

    Attributes:
        factor: `n x n` lower triangular, the Cholesky factor of the labels' covariance.
        solved: `n`, that covariance's inverse times the residuals.
    """

    factor: Tensor
    solved: Tensor

    @classmethod
    def of(cls, covariance: Tensor, residuals: Tensor) -> "Posterior":
        """That of residuals `n` with a covariance `n x n`, noise included."""
        factor = torch.linalg.cholesky(covariance)
        return cls(factor, torch.cholesky_solve(residuals[:, None], factor)[:, 0])

    def to(self, device: torch.device | str) -> "Posterior":
        """The same on a device."""
        return replace(self, factor=self.factor.to(device), solved=self.solved.to(device))

    def predict(self, covariance: Tensor, variances: Tensor) -> tuple[Tensor, Tensor]:
        """What the labels say of m new rows.

        Args:
            covariance: `m x n`, of the new rows with the labelled ones.
            variances: `m`, of new labels, noise included, before there were any.

        Returns:
            Means of the residuals and standard deviations of new labels, `m` each.
        """
        explained = torch.linalg.solve_triangular(self.factor, covariance.T, upper=False)
        left = variances - explained.square().sum(dim=0)
        # Rounding may leave less than nothing where the noise is small.
        return covariance @ self.solved, left.clamp(min=1e-12).sqrt()
