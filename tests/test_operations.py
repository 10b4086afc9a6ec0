import subprocess
import sys

import pytest

from tart_nas.errors import SettingError
from tart_nas.graphs.blocks import NODES
from tart_nas.layout import PARAMETERS
from tart_nas.networks.operations import MODULES
from tart_nas.operations import CELL_OPS, NASBENCH301_OPS, NONE, OPERATIONS, Operation, register

A_SIXTEENTH = """
from tart_nas.operations import Operation, register

register(Operation("conv_9x9", "conv", 9))  # of a kind that is there
register(Operation("scaled_conv_3x3", "scaled_conv", 3))  # of a new kind: a convolution and a scale of each channel

from torch import nn
from tart_nas.architecture import Architecture
from tart_nas.drawing import draw_cells, draw_graph
from tart_nas.genotype import Genotype
from tart_nas.graphs import ComputationalGraph
from tart_nas.graphs.blocks import NODES
from tart_nas.networks import build_network, count_parameters
from tart_nas.networks.operations import MODULES, OperationSequence
from tart_nas.layout import PARAMETERS, parameter_count
from tart_nas.tokens import CellTokens
from tart_nas.tokens.parameter_counts import parameter_counts


def nodes_of(nodes, name, op, stride, norm):
    node = nodes.conv(f"{name}.op.0", -1, nodes.C, (op.kernel, op.kernel))
    return nodes.conv(f"{name}.op.1", node, nodes.C, (1, 1), kind="sep_conv")


MODULES["scaled_conv"] = lambda op, C, stride, norm: OperationSequence(
    nn.Conv2d(C, C, op.kernel, stride, padding=op.kernel // 2, bias=False),
    nn.Conv2d(C, C, 1, groups=C, bias=False),
)
PARAMETERS["scaled_conv"] = lambda op, C, stride, bn: (op.kernel * C) ** 2 + C
NODES["scaled_conv"] = nodes_of

pairs = [("conv_9x9", 0), ("scaled_conv_3x3", 1), ("skip_connect", 0), ("scaled_conv_3x3", 2)]
architecture = Architecture(Genotype(pairs, [2, 3], pairs, [2, 3]), n_cells=3, C=4)
network = build_network(architecture)
tokens = CellTokens.encode([architecture])
assert parameter_count(architecture) == count_parameters(network) == parameter_counts(tokens)[0]
graph = ComputationalGraph.from_architecture(architecture)
traced = ComputationalGraph.from_module(network, 32)
assert sorted(zip(graph.primitives, graph.names)) == sorted(zip(traced.primitives, traced.names))
assert tokens.architectures() == [architecture]
draw_cells(architecture.genotype, "cells.svg")
draw_graph(graph, "graph.svg")
print("operations up to", tokens.op.max())
"""


def test_a_sixteenth_operation(tmp_path):
    """In a process of its own, where it can be added before anything reads the table."""
    done = subprocess.run([sys.executable, "-c", A_SIXTEENTH], capture_output=True, text=True, cwd=tmp_path)
    assert done.stdout == "operations up to 16\n", done.stderr
    assert "conv_9x9" in (tmp_path / "cells.svg").read_text()
    assert (tmp_path / "graph.svg").stat().st_size > 1000


@pytest.mark.parametrize(
    ("operation", "message"),
    [
        (Operation("conv_3x3", "conv", 3), "must have a new name"),
        (Operation("conv_9x9", "conv", 9, in_darts=True), "not be in the DARTS space"),
        (Operation("conv_9x9", "conv", 9), "Register 'conv_9x9' before other modules"),
    ],
)
def test_no_operation_is_added_where_it_would_be_missed(operation, message):
    with pytest.raises(SettingError, match=message):
        register(operation)
    assert tuple(OPERATIONS) == CELL_OPS
    assert len(CELL_OPS) == 15


def test_the_table_says_what_the_names_say():
    assert CELL_OPS[1:8] == NASBENCH301_OPS
    for name, operation in OPERATIONS.items():
        assert operation.is_convolution == ("conv" in name), name
        assert operation.is_pooling == ("pool" in name), name
        assert operation.separable == name.startswith(("sep", "dil")), name
        assert operation.dilated == name.startswith("dil"), name
        assert str(operation.kernel or "") in name, name
        assert operation.is_global == (name in ("msa", "cse")), name


def test_every_kind_has_its_module_its_nodes_and_its_parameters():
    kinds = {operation.kind for operation in OPERATIONS.values()}
    assert kinds == PARAMETERS.keys()
    assert kinds - {NONE} == MODULES.keys() == NODES.keys()
