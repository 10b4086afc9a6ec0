import pytest
import torch
from torch import nn

from tart_nas.networks.heads import AuxiliaryHead, classifier


@pytest.mark.parametrize(
    ("layers", "widths"), [(1, [(12, 5)]), (2, [(12, 8), (8, 5)]), (4, [(12, 8), (8, 8), (8, 8), (8, 5)])]
)
def test_the_linear_layers_of_a_classifier(layers, widths):
    head = classifier(12, 5, layers, 8)
    linear = [module for module in head if isinstance(module, nn.Linear)]
    assert [(module.in_features, module.out_features) for module in linear] == widths
    assert [index for index, module in enumerate(head) if isinstance(module, nn.Linear)] == list(range(0, len(head), 3))
    assert head(torch.randn(2, 12)).shape == (2, 5)


@pytest.mark.parametrize(
    ("imagenet", "size", "parameters"),
    # As in DARTS: two convolutions, their normalisations (on ImageNet only the first) and a linear layer.
    [(False, 8, 64 * 128 + 256 + 128 * 768 * 4 + 1536 + 7690), (True, 7, 64 * 128 + 256 + 128 * 768 * 4 + 7690)],
)
def test_at_the_resolution_of_darts_it_is_the_head_of_darts(imagenet, size, parameters):
    head = AuxiliaryHead(64, 10, imagenet, nn.BatchNorm2d)
    assert sum(p.numel() for p in head.parameters()) == parameters
    x = torch.randn(4, 64, size, size)
    # DARTS pools 5x5 windows at the corners to 2x2.
    corners = torch.stack([x[:, :, :5, :5], x[:, :, :5, -5:], x[:, :, -5:, :5], x[:, :, -5:, -5:]], 2)
    pooled = corners.relu().mean((3, 4)).reshape(4, 64, 2, 2)
    expected = head.classifier(head.features[2:](pooled).flatten(1))
    torch.testing.assert_close(head(x), expected, rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize("imagenet", [False, True])
@pytest.mark.parametrize("size", [1, 2, 4, 7, 8, 11, 14, 28])
def test_any_resolution(imagenet, size):
    x = torch.randn(3, 16, size, size, requires_grad=True)
    before = x.detach().clone()
    logits = AuxiliaryHead(16, 9, imagenet, nn.BatchNorm2d)(x)
    assert logits.shape == (3, 9)
    logits.square().sum().backward()
    assert x.grad is not None
    assert x.grad.isfinite().all()
    assert torch.equal(x, before)
