"""Whose fault it is: real networks that raise what PyTorch raises, and one that raises what a device does."""

import pytest
import torch
from torch import nn

from tart_nas.errors import (
    ArchitectureError,
    DivergenceError,
    InsufficientMemoryError,
    MachineError,
    SettingError,
)
from tart_nas.networks import build_network
from tart_nas.search_spaces import DartsSpace, DeepNets1MSpace
from tart_nas.training.faults import OWN_FAULTS, faults_told_apart

BATCH = (4, 3, 8, 8)


def good():
    return nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.Flatten(), nn.Linear(4 * 36, 10))


def told(error, build=good, batch=BATCH, passing=()):
    with faults_told_apart("The training of top-1", build, batch, passing):
        raise error


@pytest.mark.parametrize(
    ("build", "batch", "reason"),
    [
        (lambda: nn.Conv2d(3, 4, 9), BATCH, "Kernel size can't be greater than actual input size"),
        (lambda: nn.Sequential(nn.Flatten(), nn.Linear(100, 10)), BATCH, "shape"),
        (lambda: nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.BatchNorm2d(3)), (1, 3, 8, 8), "more than 1 value"),
    ],
)
def test_a_shape_that_cannot_be_is_the_networks_own_fault(build, batch, reason):
    with (
        pytest.raises(ArchitectureError, match=reason) as raised,
        faults_told_apart("The training of top-1", build, batch),
    ):
        build().train()(torch.zeros(batch))
    assert isinstance(raised.value, OWN_FAULTS)


@pytest.mark.parametrize(
    "error",
    [
        torch.AcceleratorError("CUDA error: an illegal memory access was encountered\nCompile with ..."),
        RuntimeError("cuDNN error: CUDNN_STATUS_EXECUTION_FAILED"),
        ValueError("from a driver"),
    ],
)
def test_anything_else_is_the_machines(error):
    with pytest.raises(MachineError, match="The training of top-1 was interrupted") as raised:
        told(error)
    assert str(error).splitlines()[0] in str(raised.value)
    assert "Compile with" not in str(raised.value)
    assert not isinstance(raised.value, OWN_FAULTS)


@pytest.mark.parametrize("error", [torch.OutOfMemoryError("CUDA out of memory."), MemoryError()])
def test_memory_is_neither_for_ever(error):
    with pytest.raises(InsufficientMemoryError, match="does not fit into memory") as raised:
        told(error)
    assert not isinstance(raised.value, OWN_FAULTS)


def test_what_is_known_already_stays_as_it_is():
    for error in (DivergenceError("the loss is nan"), SettingError("`lr`"), KeyError("a fault of the program")):
        with pytest.raises(type(error)) as raised:
            told(error)
        assert raised.value is error
    with pytest.raises(RecursionError):  # a RuntimeError as well
        told(RecursionError("deep"), passing=(RecursionError,))


@pytest.mark.parametrize("space", [DartsSpace(n_cells=5, C=8), DeepNets1MSpace("val"), DeepNets1MSpace("bnfree")])
def test_networks_that_can_be_trained_are_not_blamed(space):
    for architecture in space.sample(4, seed=5):
        with pytest.raises(MachineError):
            told(RuntimeError("a device fault"), lambda a=architecture: build_network(a, 10, 16), (2, 3, 16, 16))
