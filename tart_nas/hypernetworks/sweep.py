"""One pass of messages over graphs, level by level, with a backward pass of its own.

Levels have a few nodes each, so that PyTorch's automatic differentiation would spend its time on the overhead of some
hundred small operations per level. Here gradients of weights are computed for all nodes at once after the last level,
and what remains for each level is four small matrix products.
"""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

__all__ = ["Sweep"]

_relu_backward = torch.ops.aten.threshold_backward


class Sweep(torch.autograd.Function):
    """Updates nodes by a GRU on the sums of the messages that they received from nodes of earlier levels.

    Called by ``Sweep.apply(h, matrix, sizes, w_ih, w_hh, b_ih, b_hh, a, a_bias, b, b_bias)``:

    - ``h``: node vectors (n, hid), sorted by level.
    - ``matrix``: by what messages are multiplied (n, n * kinds): row is the receiving node, column the sending node
      and, varying faster, the kind of its message.
    - ``sizes``: number of nodes in each level.
    - ``w_ih``, ``w_hh``, ``b_ih``, ``b_hh``: of the GRU, as in :class:`torch.nn.GRUCell`.
    - ``a``, ``a_bias``, ``b``, ``b_bias``: the two linear layers that make the messages of all kinds (kinds * hid), a
      ReLU behind each.

    Gives the new node vectors (n, hid).
    """

    @staticmethod
    def forward(  # noqa: D102
        ctx: Any,
        h: Tensor,
        matrix: Tensor,
        sizes: Sequence[int],
        w_ih: Tensor,
        w_hh: Tensor,
        b_ih: Tensor,
        b_hh: Tensor,
        a: Tensor,
        a_bias: Tensor,
        b: Tensor,
        b_bias: Tensor,
    ) -> Tensor:
        n, hid = h.shape
        kinds = matrix.shape[1] // n
        w_ih_t, a_t, b_t = w_ih.T, a.T, b.T
        from_h = torch.addmm(b_hh, h, w_hh.T)  # a node's own part of the gates is known before any message
        received, new = torch.zeros_like(h), torch.empty_like(h)
        gates = torch.empty_like(from_h)  # reset, update, candidate
        first, second = h.new_zeros(n, len(a)), h.new_zeros(n, len(b))
        begin = 0
        for size in sizes:
            end = begin + size
            own = from_h[begin:end]
            from_received = torch.addmm(b_ih, received[begin:end], w_ih_t)
            both = torch.sigmoid_(from_received[:, : 2 * hid].add_(own[:, : 2 * hid]))
            candidate = torch.addcmul(from_received[:, 2 * hid :], both[:, :hid], own[:, 2 * hid :]).tanh_()
            updated = torch.lerp(candidate, h[begin:end], both[:, hid:])
            new[begin:end] = updated
            gates[begin:end, : 2 * hid] = both
            gates[begin:end, 2 * hid :] = candidate
            if end < n:
                first[begin:end] = hidden = torch.addmm(a_bias, updated, a_t).relu_()
                second[begin:end] = messages = torch.addmm(b_bias, hidden, b_t).relu_()
                received[end:].addmm_(matrix[end:, kinds * begin : kinds * end], messages.view(-1, hid))
            begin = end
        ctx.sizes = sizes
        ctx.save_for_backward(h, matrix, w_ih, w_hh, a, b, from_h, received, new, gates, first, second)
        return new

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:  # noqa: D102
        h, matrix, w_ih, w_hh, a, b, from_h, received, new, gates, first, second = ctx.saved_tensors
        n, hid = h.shape
        kinds = matrix.shape[1] // n
        reset, update, candidate = gates.split(hid, 1)
        # Derivatives of the GRU that do not depend on later levels, for all nodes at once.
        by_candidate = (1 - update) * (1 - candidate**2)
        by_update = (h - candidate) * update * (1 - update)
        by_reset = from_h[:, 2 * hid :] * reset * (1 - reset)
        d_new = gradients[0].clone()
        d_gates, d_received = torch.empty_like(gates), torch.empty_like(h)
        d_first, d_second = torch.zeros_like(first), torch.zeros_like(second)
        end = n
        for size in reversed(ctx.sizes):
            begin = end - size
            d = d_new[begin:end]
            if end < n:
                d_messages = matrix[end:, kinds * begin : kinds * end].T @ d_received[end:]
                d_second[begin:end] = d_messages = _relu_backward(d_messages.view(size, -1), second[begin:end], 0)
                d_first[begin:end] = d_hidden = _relu_backward(d_messages @ b, first[begin:end], 0)
                d.addmm_(d_hidden, a)
            d_candidate = d * by_candidate[begin:end]
            d_gates[begin:end] = d_gate = torch.cat(
                (d_candidate * by_reset[begin:end], d * by_update[begin:end], d_candidate), 1
            )
            d_received[begin:end] = d_gate @ w_ih
            end = begin
        d_from_h = torch.cat((d_gates[:, : 2 * hid], d_gates[:, 2 * hid :] * reset), 1)
        d_h = torch.addmm(d_new * update, d_from_h, w_hh)
        of_gru = (d_gates.T @ received, d_from_h.T @ h, d_gates.sum(0), d_from_h.sum(0))
        return d_h, None, None, *of_gru, d_first.T @ new, d_first.sum(0), d_second.T @ first, d_second.sum(0)
