from itertools import combinations

import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.colors import to_rgba
from matplotlib.patches import FancyBboxPatch, PathPatch

from tart_nas.drawing import draw_cells, save_figure
from tart_nas.genotype import Genotype
from tart_nas.published import DARTS, VIT
from tart_nas.search_spaces import DartsSpace


@pytest.fixture(scope="module")
def drawings(nets):
    """Pictures of DARTS V2, a ViT, random DARTS cells and the largest cells of DeepNets-1M."""
    dense = [Genotype.from_dict(net["genotype"]) for split, _, net in nets if split == "dense"]
    largest = sorted(dense, key=lambda genotype: -len(genotype.normal))[:3]
    assert len(largest[0].normal) >= 14
    genotypes = [DARTS.genotype, VIT.genotype, *(a.genotype for a in DartsSpace().sample(4, seed=0)), *largest]
    figures = [draw_cells(genotype) for genotype in genotypes]
    return [
        (genotype, figure.get_size_inches(), *_boxes(figure))
        for genotype, figure in zip(genotypes, figures, strict=True)
    ]


def _boxes(figure):
    """Inches of every label and node, and the lines of every edge."""
    renderer = FigureCanvasAgg(figure).get_renderer()
    to_inches = figure.dpi_scale_trans.inverted()
    (axes,) = figure.axes
    texts = [(t.get_text(), t.get_window_extent(renderer).transformed(to_inches)) for t in axes.texts]
    nodes = [
        p.get_window_extent(renderer).transformed(to_inches) for p in axes.patches if isinstance(p, FancyBboxPatch)
    ]
    lines = [
        p.get_transform().transform_path(p.get_path()).transformed(to_inches).to_polygons(closed_only=False)
        for p in axes.patches
        if isinstance(p, PathPatch) and to_rgba(p.get_facecolor())[3] == 0
    ]
    return texts, nodes, lines


def test_every_operation_and_node_is_drawn(drawings):
    for genotype, _, texts, nodes, lines in drawings:
        pairs = genotype.normal + genotype.reduce
        n_nodes = len(pairs) // 2
        labels = sorted(text for text, _ in texts if "cell" not in text and "$" not in text and not text.isdigit())
        assert labels == sorted(op for op, _ in pairs)
        assert len(nodes) == n_nodes + 6
        assert len(lines) == 2 * len(pairs) + len(genotype.normal_concat) + len(genotype.reduce_concat)
        titles = [text for text, _ in texts if "cell" in text]
        assert titles == ["Normal cell", "Reduction cell"]


def test_nothing_overlaps(drawings):
    for _, (width, height), texts, nodes, lines in drawings:
        operations = [box for text, box in texts if not text.isdigit() and "$" not in text]
        for first, second in combinations([*operations, *nodes], 2):
            assert not first.overlaps(second)
        for box in [*operations, *nodes]:
            assert min(box.x0, box.y0, width - box.x1, height - box.y1) >= 0
            inner = box.shrunk(0.9, 0.9)
            for (line,) in lines:
                assert not any(inner.contains(x, y) for x, y in line)


def test_inputs_on_the_left_output_on_the_right(drawings):
    for genotype, _, texts, _, _ in drawings:
        places = {text: box for text, box in texts[: 1 + len(genotype.normal) // 2 + 3]}  # of the normal cell
        assert places["$c_{k-2}$"].y0 > places["$c_{k-1}$"].y0  # above
        assert max(box.x0 for text, box in places.items()) == places["$c_{k}$"].x0
        for i, (_, source) in enumerate(genotype.normal):
            if source >= 2:
                assert places[str(source - 2)].x1 < places[str(i // 2)].x0


def test_same_picture_every_time(tmp_path):
    first, second = (save_figure(draw_cells(DARTS.genotype), tmp_path / f"{i}.svg").read_bytes() for i in range(2))
    assert first == second
