"""A cell: intermediate nodes, each the sum of two operations on earlier outputs, concatenated (DARTS)."""

import torch
from torch import Tensor, nn

from tart_nas.layout import CellLayout
from tart_nas.networks.concatenation import concatenate
from tart_nas.networks.operations import Norm, Stride, cell_operation, preprocessing

__all__ = ["Cell"]


class Cell(nn.Module):
    """A normal or reduction cell.

    What ``none`` makes zero is left out: an operation on zeros gives zeros, and a concatenated node that is zero is
    filled with zeros. Operations that do not reach the output are made, since their parameters count, but not run.

    Args:
        layout: its operations and sizes.
        norm: makes the normalisation layers.
    """

    def __init__(self, layout: CellLayout, norm: Norm) -> None:
        super().__init__()
        # Without convolutions on the inputs, one of twice the resolution loses every other row and column.
        self.preprocess0: nn.Module = Stride() if layout.halve_first else nn.Identity()
        self.preprocess1: nn.Module = nn.Identity()
        if layout.preproc:
            first, second = layout.channels_in
            self.preprocess0 = preprocessing(first, layout.C, layout.halve_first, norm)
            self.preprocess1 = preprocessing(second, layout.C, False, norm)
        # By the place of the pair in the genotype, which names the weights: a `none` has a place, but no module.
        self._ops = nn.ModuleDict(
            {str(j): cell_operation(name, layout.C, stride, norm) for j, name, stride in layout.operations}
        )
        self._concat = layout.concat
        self._plan = [(node, [(str(j), source) for j, _, source in terms]) for node, terms in layout.plan.nodes]
        self._reads = layout.plan.reads

    def forward(self, s0: Tensor | None, s1: Tensor | None, drop_path_prob: float = 0.0) -> Tensor:
        """Computes the cell.

        Args:
            s0: output of the cell before last, (B, channels_in[0], H, W), or twice that resolution with
                ``halve_first``. Like ``s1``, not looked at unless the cell reads it.
            s1: output of the last cell, (B, channels_in[1], H, W).
            drop_path_prob: in training, the probability of dropping an operation's result, for each image on its own.

        Returns:
            (B, C_out, H, W), with stride 2 (B, C_out, ceil(H / 2), ceil(W / 2)).
        """
        states: dict[int, Tensor] = {}
        if 0 in self._reads:
            states[0] = self.preprocess0(s0)
        if 1 in self._reads:
            states[1] = self.preprocess1(s1)
        for node, terms in self._plan:
            values = [self._term(j, states[source], drop_path_prob) for j, source in terms]
            states[node] = values[0] + values[1] if len(values) == 2 else values[0]
        live = [states[node] for node in self._concat if node in states]
        if len(self._concat) == 1:
            return live[0]
        if len(live) < len(self._concat):
            zeros = torch.zeros_like(live[0])
            live = [states.get(node, zeros) for node in self._concat]
        return concatenate(live)

    def _term(self, j: str, x: Tensor, drop_path_prob: float) -> Tensor:
        operation = self._ops[j]
        y: Tensor = operation(x)
        if self.training and drop_path_prob > 0 and not isinstance(operation, nn.Identity):
            keep = 1 - drop_path_prob
            # One draw for each image (B, 1, 1, 1); what is kept is scaled up, so that the mean stays.
            y = y * y.new_empty(y.shape[0], 1, 1, 1).bernoulli_(keep).div_(keep)
        return y
