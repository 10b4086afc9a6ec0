"""Labels of an unknown unit beside a predictor's predictions: what is believed of them, and how likely they are.

:mod:`tart_nas.predictors.correction` has the model that this is a part of.
"""

from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from tart_nas.predictors.models.covariance import Covariance
from tart_nas.predictors.models.marginal_likelihood import Posterior, most_likely, negative_log_likelihood

__all__ = ["ANOTHER_UNIT", "OWN_UNIT", "LabelledRows", "Reading"]

Floats = npt.NDArray[np.float64]

BOUND = 6.0
"""A parameter stays within this many of its prior's deviations."""


class Reading(NamedTuple):
    """What is believed of the labels before they are seen, in their own unit.

    The unit is the labels' standard deviation where it is another than the base's, and the standard deviation of the
    base's predictions over the population where it is the base's own.

    Attributes:
        slope: centre of b, and standard deviation of its logarithm.
        residual: likewise, of the residual's standard deviation as a share of b. It is a share, since both are in the
            labels' unit, which a narrow top does not tell: else noise passes for a residual that outweighs b.
        noise: likewise, of the noise's standard deviation.
        doubt: standard deviation of what is added to the slope, as a share of b; it lets labels contradict the base.
        offset: standard deviation of the offset.
    """

    slope: tuple[float, float]
    residual: tuple[float, float]
    noise: tuple[float, float]
    doubt: float
    offset: float

    @property
    def centers(self) -> Floats:
        """(3,) of the logarithms of b, of the residual's share and of the noise."""
        return np.log([self.slope[0], self.residual[0], self.noise[0]])

    @property
    def deviations(self) -> Floats:
        """(3,) likewise."""
        return np.array([self.slope[1], self.residual[1], self.noise[1]])


# A predictor of another task explains about two thirds of the variance, and what is measured on a small budget is noise
# by a third to a half of its deviation: in experiments/labels/darts, repeated with another seed, by 0.75 of 1.9 points.
# Labels of the top alone deviate less than those of the population, hence b above 1.
ANOTHER_UNIT = Reading(slope=(1.35, 0.7), residual=(0.74, 0.5), noise=(0.5, 1.0), doubt=0.3, offset=5.0)

# The base's intervals are right, and of their variance about two thirds are of the architecture, one third is noise.
OWN_UNIT = Reading(slope=(1.0, 0.1), residual=(0.8, 0.5), noise=(0.6, 0.5), doubt=0.1, offset=0.3)


# Powers of b, share and noise in the variances of offset, slope (its doubt), residual and noise.
_POWERS = torch.tensor([[0, 0, 0], [2, 0, 0], [2, 2, 0], [0, 0, 2]], dtype=torch.float64)


@dataclass(frozen=True, eq=False)
class LabelledRows:
    """n labelled rows under one reading of their unit. All tensors are float64.

    Attributes:
        reading: of the unit.
        center: what is taken from labels.
        unit: what they are divided by.
        estimated: how many of these two numbers were taken from the labels.
        targets: `n` labels in that unit.
        base: `n`, z of the rows.
        amplitude: `n` factors of residual and noise: 1 in another unit, s(x) in the base's own.
        kernel: of the residual between any rows and these, where its standard deviation is 1.
        residual: `n x n`, the same between these, times their amplitudes.
    """

    reading: Reading
    center: float
    unit: float
    estimated: int
    targets: Tensor
    base: Tensor
    amplitude: Tensor
    kernel: Covariance
    residual: Tensor

    @cached_property
    def parts(self) -> Tensor:
        """`4 x n^2`, of which the labels' covariance is a weighted sum: of offset, slope, residual and noise."""
        one = torch.ones_like(self.base)
        noise = self.amplitude.square().diag()
        outer = [torch.outer(vector, vector) for vector in (one, self.base)]
        return torch.stack([part.flatten() for part in (*outer, self.residual, noise)])

    @cached_property
    def constants(self) -> Tensor:
        """`4`, the logarithms of what the weights have besides the parameters."""
        return 2 * torch.tensor([self.reading.offset, self.reading.doubt, 1, 1], dtype=torch.float64).log()

    def covariance(self, parameters: Tensor) -> Tensor:
        """The labels' covariance `n x n`; differentiable by the parameters."""
        weights = (self.constants + _POWERS @ parameters).exp()
        return (weights @ self.parts).view(self.residual.shape)

    def left(self, parameters: Tensor) -> Tensor:
        """What the base leaves of the labels, `n`."""
        return self.targets - parameters[0].exp() * self.base

    def posterior(self, parameters: Tensor) -> Posterior:
        """What the labels say of the residual."""
        return Posterior.of(self.covariance(parameters), self.left(parameters))

    def fit(self) -> tuple[Floats, float]:
        """The most likely parameters (3,), and the negative logarithm of their posterior.

        The latter is up to a constant that all readings have. What was taken from the labels is paid for as in Schwarz,
        "Estimating the dimension of a model", Annals of Statistics 1978, so that labels of the base's own unit are read
        in it where they are few.
        """

        def objective(parameters: Tensor) -> Tensor:
            return negative_log_likelihood(self.covariance(parameters), self.left(parameters))

        parameters, value = most_likely(objective, self.reading.centers, self.reading.deviations, BOUND)
        n = len(self.targets)
        return parameters, float(value + n * np.log(self.unit) + 0.5 * self.estimated * np.log(n))
