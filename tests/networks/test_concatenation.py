import pytest
import torch

from tart_nas.networks.concatenation import concatenate


@pytest.mark.parametrize("layout", [torch.channels_last, torch.contiguous_format])
@pytest.mark.parametrize("channels", [(4, 4), (3, 5, 8), (6,)])
def test_values_and_gradients_are_those_of_cat(layout, channels):
    parts = [torch.randn(2, c, 6, 5).contiguous(memory_format=layout).requires_grad_() for c in channels]
    copies = [part.detach().clone().requires_grad_() for part in parts]
    factor = torch.randn(2, sum(channels), 6, 5)
    ours, theirs = concatenate(parts), torch.cat(copies, dim=1)
    assert torch.equal(ours, theirs)
    (ours * factor).sum().backward()
    (theirs * factor).sum().backward()
    for part, copy in zip(parts, copies, strict=True):
        assert part.grad is not None
        assert copy.grad is not None
        assert torch.equal(part.grad, copy.grad)


def test_gradients_of_parts_are_no_slices():
    parts = [torch.randn(2, 4, 6, 5).contiguous(memory_format=torch.channels_last).requires_grad_() for _ in range(2)]
    seen: list[torch.Tensor] = []
    for part in parts:
        part.register_hook(seen.append)
    concatenate(parts).sum().backward()
    assert len(seen) == 2
    assert all(gradient.is_contiguous(memory_format=torch.channels_last) for gradient in seen)
