import pytest
import torch
from torch import nn

from tart_nas.layout import CellLayout
from tart_nas.networks.cell import Cell


def layout(pairs, concat, **settings):
    defaults = {"channels_in": (4, 4), "C": 4, "stride": 1, "halve_first": False, "preproc": False}
    return CellLayout(tuple(pairs), tuple(concat), **{**defaults, "live": (True, True), **settings})


def test_a_node_is_a_sum_and_the_output_a_concatenation():
    pairs = [("skip_connect", 0), ("skip_connect", 1), ("max_pool_3x3", 2), ("skip_connect", 0)]
    cell = Cell(layout(pairs, (2, 3)), nn.Identity)
    s0, s1 = torch.randn(2, 4, 6, 6), torch.randn(2, 4, 6, 6)
    first = s0 + s1
    second = nn.functional.max_pool2d(first, 3, 1, 1) + s0
    torch.testing.assert_close(cell(s0, s1), torch.cat([first, second], 1))
    assert layout(pairs, (2, 3)).plan.reads == [0, 1]


def test_a_zero_node_becomes_zeros_in_the_output():
    pairs = [("none", 0), ("none", 1), ("skip_connect", 1), ("conv_3x3", 2)]
    cell = Cell(layout(pairs, (2, 3)), nn.BatchNorm2d)
    s1 = torch.randn(2, 4, 6, 6)
    torch.testing.assert_close(cell(None, s1), torch.cat([torch.zeros_like(s1), s1], 1))
    assert layout(pairs, (2, 3)).plan.reads == [1]
    assert sum(p.numel() for p in cell.parameters()) == 4 * 4 * 9 + 8  # kept, though nothing reaches it


def test_an_absent_input_takes_its_operations_with_it():
    pairs = [("conv_3x3", 0), ("skip_connect", 1), ("conv_3x3", 0), ("conv_3x3", 0)]
    cell = Cell(layout(pairs, (2, 3), live=(False, True)), nn.BatchNorm2d)
    s1 = torch.randn(2, 4, 6, 6)
    torch.testing.assert_close(cell(None, s1), torch.cat([s1, torch.zeros_like(s1)], 1))


def test_what_does_not_reach_the_output_is_not_run():
    pairs = [("conv_3x3", 0), ("conv_3x3", 0), ("skip_connect", 1), ("none", 2)]
    cell = Cell(layout(pairs, (3,), preproc=True), nn.BatchNorm2d)
    assert layout(pairs, (3,), preproc=True).plan.reads == [1]
    cell(None, torch.randn(2, 4, 6, 6)).sum().backward()
    assert {name for name, p in cell.named_parameters() if p.grad is not None} == {
        "preprocess1.op.1.weight",
        "preprocess1.op.2.weight",
        "preprocess1.op.2.bias",
    }


@pytest.mark.parametrize("preproc", [True, False])
def test_an_older_input_of_twice_the_resolution_is_halved(preproc):
    cell = Cell(
        layout([("skip_connect", 0), ("skip_connect", 1)], (2,), halve_first=True, preproc=preproc), nn.Identity
    )
    s0, s1 = torch.randn(2, 4, 7, 7), torch.randn(2, 4, 4, 4)
    y = cell(s0, s1)
    assert y.shape == (2, 4, 4, 4)
    if not preproc:
        torch.testing.assert_close(y, s0[:, :, ::2, ::2] + s1)


def test_drop_path_drops_whole_images_and_keeps_the_mean():
    # One operation that can be dropped and one identity that cannot.
    cell = Cell(layout([("avg_pool_3x3", 0), ("skip_connect", 1)], (2,)), nn.Identity)
    s0, s1 = torch.ones(20_000, 4, 2, 2), torch.zeros(20_000, 4, 2, 2)
    y = cell(s0, s1, 0.3) - s1
    per_image = y.flatten(1)
    assert torch.equal(per_image.amin(1), per_image.amax(1))
    assert per_image.unique().tolist() == pytest.approx([0, 1 / 0.7], abs=1e-5)
    assert per_image.mean().item() == pytest.approx(1, abs=0.02)  # six standard errors
    torch.testing.assert_close(cell(s0, s1, 0.0), s0 + s1)
    torch.testing.assert_close(cell.eval()(s0, s1, 0.3), s0 + s1)


def test_operations_are_dropped_independently():
    cell = Cell(layout([("avg_pool_3x3", 0), ("avg_pool_3x3", 1)], (2,)), nn.Identity)
    s0, s1 = torch.ones(4_000, 4, 2, 2), torch.full((4_000, 4, 2, 2), 10.0)
    seen = cell(s0, s1, 0.5)[:, 0, 0, 0].round()
    assert sorted(seen.unique().tolist()) == [0, 2, 20, 22]
    assert (seen == 22).float().mean().item() == pytest.approx(0.25, abs=0.04)
