"""What is done to predicted parameters before a network is trained from them: noise and orthogonal rows.

Parameters predicted for a wide layer repeat those of a narrow one, so that its channels compute the same and get the
same gradients. After Knyazev, "Pretraining a Neural Network before Knowing Its Architecture" (2022).
"""

import torch
from torch import Tensor, nn

from tart_nas.checks import number

__all__ = ["correlation_deviation", "orthogonal", "reinitialise"]


@torch.no_grad()
def reinitialise(
    network: nn.Module,
    *,
    noise: float = 0.0,
    orthogonal_weights: bool = False,
    from_layer: int = 0,
    above: int = 0,
    generator: torch.Generator | None = None,
) -> None:
    """Changes the weights of a network's convolutions and linear layers, but the last one's.

    Args:
        network: the network. Biases and normalisation stay as they are.
        noise: Gaussian noise is added to each weight, of this factor times the deviation of the correlations between
            rows of its matrix; at least 0. The report uses 3e-5, for GHN-3 1e-5. Weights of one output, such as the
            positions of a vision transformer, have no correlations and get none.
        orthogonal_weights: whether rows of each weight, as a matrix of (out, rest), are made orthonormal, columns if
            there are fewer of these.
        from_layer: number of the first layer to change, counted from 1 in the order of ``network.modules()``.
        above: layers of at most so many channels, out and in, stay; the noise leaves the first so many of both out.
        generator: of the noise; None for PyTorch's global random numbers.

    Raises:
        SettingError: if ``noise`` is out of range.
    """
    number("noise", noise, 0)
    weights = [getattr(module, "weight", None) for module in network.modules()]
    matrices = [weight for weight in weights if isinstance(weight, Tensor) and weight.dim() > 1]
    for layer, weight in enumerate(matrices[:-1], 1):
        if layer < from_layer or max(weight.shape[:2]) <= above:
            continue
        if noise:
            part = weight[above:, above:]  # a view: the weight changes in place
            # Drawn where the generator is: the same numbers for a network on any device.
            place = weight.device if generator is None else generator.device
            drawn = torch.randn(part.shape, generator=generator, device=place, dtype=weight.dtype)
            part.add_(drawn.to(weight.device), alpha=noise * float(correlation_deviation(weight)))
        if orthogonal_weights:
            weight.copy_(orthogonal(weight))


def correlation_deviation(weight: Tensor) -> Tensor:
    """The standard deviation of all correlations between the rows of a weight's matrix, those of 1 included.

    Rows whose values are all the same have no correlations and are left out. Of fewer than two rows, or of rows of one
    value, it is 0.
    """
    matrix = _matrix(weight)
    if matrix.shape[1] > 1:
        varies = matrix.amax(1) > matrix.amin(1)
        matrix = matrix if varies.all() else matrix[varies]
    # Asked before they are computed: the correlations of a table of positions would be the square of its numbers.
    if min(matrix.shape) < 2:
        return matrix.new_zeros(())
    deviation: Tensor = torch.corrcoef(matrix).std()
    return deviation


def orthogonal(weight: Tensor) -> Tensor:
    """The weight with orthonormal rows (out, rest), or columns if there are fewer; its scale is lost."""
    matrix = _matrix(weight)
    q, r = torch.linalg.qr(matrix)
    # The decomposition is unique but for signs, which a library may choose as it likes.
    q = q * r.diagonal().sign()
    result: Tensor = q if len(q) == len(weight) else q.T
    return result.reshape(weight.shape)


def _matrix(weight: Tensor) -> Tensor:
    """A weight as a matrix (out, rest), transposed where that has more rows."""
    matrix = weight.flatten(1)
    return matrix.T if matrix.shape[0] < matrix.shape[1] else matrix
