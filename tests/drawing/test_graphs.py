import numpy as np
from matplotlib.collections import PathCollection
from torch import nn

from tart_nas.architecture import Architecture
from tart_nas.drawing import draw_graph
from tart_nas.drawing.graphs import _STYLES
from tart_nas.graphs import PRIMITIVES, ComputationalGraph
from tart_nas.published import DARTS, VIT


def _points(figure):
    (axes,) = figure.axes
    markers = [
        c
        for c in axes.collections
        if isinstance(c, PathCollection) and np.size(c.get_offsets()) and c.get_zorder() == 2
    ]
    return np.concatenate([c.get_offsets() for c in markers])


def test_a_colour_and_a_shape_for_each_primitive():
    assert sorted(_STYLES) == sorted(PRIMITIVES)
    looks = [(colour, marker) for colour, marker, _ in _STYLES.values()]
    assert len({colour for colour, _ in looks}) == len(looks)


def test_every_node_has_its_place(nets):
    largest = max((Architecture.from_dict(net) for _, _, net in nets[:40]), key=lambda a: a.n_cells)
    for architecture in (VIT, Architecture(DARTS.genotype, n_cells=20), largest):
        graph = ComputationalGraph.from_architecture(architecture)
        figure = draw_graph(graph)
        points = _points(figure)
        assert len(points) == graph.num_nodes
        width, height = figure.get_size_inches()
        assert (points > 0).all()
        assert (points < [width, height]).all()
        assert 0.5 < width / height < 3
        apart = np.abs(points[:, None] - points[None, :]).max(axis=2)
        assert (apart + np.eye(len(points)) > 0.25).all()  # inches


def test_legend_counts_what_is_there():
    figure = draw_graph(ComputationalGraph.from_architecture(VIT))
    legend = figure.axes[0].get_legend()
    assert legend is not None
    labels = {text.get_text() for text in legend.get_texts()}
    assert "msa (10)" in labels
    assert "pos_enc (1)" in labels
    assert not any(label.startswith("bn") for label in labels)
    assert len(labels) == 9


def test_edges_and_cells_of_a_small_graph():
    graph = ComputationalGraph.from_architecture(Architecture(DARTS.genotype, n_cells=3, C=8))
    (axes,) = draw_graph(graph).axes
    texts = [text.get_text() for text in axes.texts]
    assert [text for text in texts if text.startswith("cell")] == ["cell 0", "cell 1", "cell 2"]
    kernels = graph.kernel_sizes.max(axis=1)[np.isin(graph.primitives, [2, 3, 4])]
    assert sorted(text for text in texts if text.isdigit()) == sorted(map(str, kernels))


def test_one_node():
    figure = draw_graph(ComputationalGraph.from_module(nn.Identity(), 8))
    assert len(_points(figure)) == 1
