import pytest
import torch
from torch import nn

from tart_nas.layout import StemLayout
from tart_nas.networks.stems import PositionalEncoding, stem_modules


@pytest.mark.parametrize(
    ("layout", "names"),
    [
        (StemLayout("simple", False, 48, 3, False, 32), {"stem.0.weight", "stem.1.weight", "stem.1.bias"}),
        (StemLayout("patches", False, 16, 3, False, 11), {"stem0.weight", "pos_enc.weight"}),
        (
            StemLayout("imagenet", False, 16, 5, False, 16),
            {f"stem0.{k}" for k in ("0.weight", "1.weight", "1.bias", "3.weight", "4.weight", "4.bias")}
            | {f"stem1.{k}" for k in ("1.weight", "2.weight", "2.bias")},
        ),
    ],
)
def test_names(layout, names):
    assert {name for name, _ in stem_modules(layout, nn.BatchNorm2d).named_parameters()} == names


def test_the_positions_differ():
    encoding = PositionalEncoding(4, 3)
    x = torch.zeros(2, 4, 3, 3)
    y = encoding(x)
    assert torch.equal(y[0], y[1])
    assert y[0].unique().numel() == 36


def test_the_second_part_leaves_the_first_part_as_it_was():
    stem = stem_modules(StemLayout("imagenet", False, 8, 3, False, 16), nn.Identity)
    first = stem["stem0"](torch.randn(2, 3, 32, 32))
    before = first.clone()
    stem["stem1"](first)
    assert torch.equal(first, before)
    assert (first < 0).any()
