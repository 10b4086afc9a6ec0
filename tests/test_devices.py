import subprocess
import sys

import pytest
import torch
from torch import nn

from tart_nas.devices import describe_device, described_kind, shapes_only
from tart_nas.encoders.token_encoder import EncoderSettings, TokenEncoder

OPENED = """
import sys
from tart_nas import Predictor
from tart_nas.hypernetworks import GHN

for name in ("darts-cifar10", "deepnets1m-cifar10", "deepnets1m-cifar10-graph"):
    Predictor.open(name)
GHN.load("ghn2-cifar10-small")
print(*sys.modules)
"""
SLOW = {"torch._dynamo", "networkx", "scipy.optimize", "scipy.sparse", "scipy.stats", "matplotlib", "sympy"}


def test_modules_without_values_have_the_same_parameters():
    def make() -> nn.Module:
        return nn.Sequential(
            nn.Embedding(3, 4), nn.Conv2d(3, 4, 3), TokenEncoder(EncoderSettings(width=16, heads=4), 3)
        )

    before = torch.get_rng_state()
    with shapes_only():
        made = make()
    assert torch.equal(torch.get_rng_state(), before)
    assert {parameter.device.type for parameter in made.parameters()} == {"meta"}
    shapes, expected = ({k: (t.shape, t.dtype) for k, t in m.state_dict().items()} for m in (made, make()))
    assert shapes == expected
    assert nn.Linear(2, 2).weight.device.type == "cpu", "as before, after it"


def test_what_takes_long_to_import_is_not_imported_to_open_a_predictor():
    """In a process of its own. Each of these takes a third of a second to over a second of a core."""
    done = subprocess.run([sys.executable, "-c", OPENED], capture_output=True, text=True, check=True)
    assert "torch" in (imported := set(done.stdout.split()))
    assert not imported & SLOW


@pytest.mark.parametrize(
    ("description", "kind"),
    [
        (describe_device(torch.device("cpu")), "cpu"),
        ("cpu", "cpu"),
        ("cuda:1", "cuda"),
        ("mps, 2 threads", "mps"),
        ("NVIDIA H200", "cuda"),
        ("Tesla V100-SXM2-16GB", "cuda"),
    ],
)
def test_the_kind_of_a_device_that_a_file_describes(description, kind):
    assert described_kind(description) == kind
