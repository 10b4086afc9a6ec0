"""Covariances of new rows with training rows, many at a time, on the CPU or a GPU.

In double precision on both: the variance that labels leave is a small difference of larger numbers.
"""

from dataclasses import dataclass, replace
from typing import NamedTuple

import torch
from torch import Tensor

__all__ = ["Covariance", "Part"]


class Part(NamedTuple):
    """A summand of the kernel: linear where it has no variance, else Gaussian.

    Attributes:
        weights: (columns,) of the squared differences in each column, 0 where the summand does not read it.
        variance: of the Gaussian kernel.
    """

    weights: Tensor
    variance: float | None = None


class _Cross(NamedTuple):
    """A summand between new rows and the n training rows, which differ in u of the columns alone."""

    used: Tensor  # (u,) columns
    weighted: Tensor  # (u, n), the training rows in these columns, weighted
    squares: Tensor  # (n,) weighted squares of the training rows
    variance: float | None


@dataclass(frozen=True)
class Covariance:
    """The covariances that a kernel, a sum of parts, gives new rows with n training rows. All tensors are float64.

    Attributes:
        center: (columns,), which is taken from all rows.
        weights: (columns, S) of each of the S summands.
        summands: S of them.
    """

    center: Tensor
    weights: Tensor
    summands: tuple[_Cross, ...]

    @classmethod
    def of(cls, center: Tensor, training: Tensor, parts: list[Part]) -> "Covariance":
        """Those with training rows (n, columns) of which the center was taken."""
        summands, differs = [], (training != 0).any(dim=0)
        for part in parts:
            used = (differs & (part.weights > 0)).nonzero()[:, 0]
            rows = training[:, used]
            weighted = rows * part.weights[used]
            summands.append(_Cross(used, weighted.T.contiguous(), (rows * weighted).sum(dim=1), part.variance))
        return cls(center, torch.stack([part.weights for part in parts], dim=1), tuple(summands))

    def to(self, device: torch.device | str) -> "Covariance":
        """The same on a device."""
        summands = [
            cross._replace(**{name: getattr(cross, name).to(device) for name in ("used", "weighted", "squares")})
            for cross in self.summands
        ]
        return replace(self, center=self.center.to(device), weights=self.weights.to(device), summands=tuple(summands))

    def with_rows(self, rows: Tensor) -> tuple[Tensor, Tensor]:
        """Covariance (m, n) of rows (m, columns) with the training rows, and the variances (m,) of the rows.

        Each summand is one product of matrices, over the columns in which training rows differ.
        """
        rows = rows[:, : len(self.center)] - self.center  # what has come later to the features stands last
        lengths = rows.square() @ self.weights  # (m, S)
        covariance = rows.new_zeros(len(rows), len(self.summands[0].squares))
        variances = rows.new_zeros(len(rows))
        for index, cross in enumerate(self.summands):
            products = rows[:, cross.used] @ cross.weighted
            if cross.variance is None:
                covariance += products
                variances += lengths[:, index]
            else:
                distances = products.mul_(-2).add_(lengths[:, index, None]).add_(cross.squares).clamp_(min=0)
                covariance.add_(distances.mul_(-0.5).exp_(), alpha=cross.variance)
                variances += cross.variance
        return covariance, variances
