import random
from itertools import pairwise

import pytest

from tart_nas.drawing.layered_layout import layered_layout


def _random_graph(seed):
    rng = random.Random(seed)
    layers = [0] + [rng.randrange(6) for _ in range(25)]
    edges = [(u, v) for u in range(26) for v in range(26) if layers[u] < layers[v] and rng.random() < 0.15]
    return layers, edges


@pytest.mark.parametrize("bundle", [False, True])
@pytest.mark.parametrize("seed", range(5))
def test_nothing_in_a_layer_overlaps(seed, bundle):
    layers, edges = _random_graph(seed)
    heights = [1.0 + i % 3 for i in range(len(layers))]
    layout = layered_layout(layers, edges, heights, 0.5, bundle=bundle)
    in_layer: dict[int, list[tuple[float, float]]] = {layer: [] for layer in range(6)}
    for layer, y, height in zip(layers, layout.y, heights, strict=True):
        in_layer[layer].append((y - height / 2, y + height / 2))
    for (source, target), waypoints in zip(edges, layout.waypoints, strict=True):
        assert len(waypoints) == layers[target] - layers[source] - 1
        for layer, y in enumerate(waypoints, layers[source] + 1):
            if not (bundle and (y - 0.25, y + 0.25) in in_layer[layer]):
                in_layer[layer].append((y - 0.25, y + 0.25))
    for spans in in_layer.values():
        spans.sort()
        assert all(above[1] <= below[0] + 1e-6 for above, below in pairwise(spans))
    assert min(low for spans in in_layer.values() for low, _ in spans) == pytest.approx(0)
    assert max(high for spans in in_layer.values() for _, high in spans) == pytest.approx(layout.height)


def test_lines_that_need_not_cross_do_not():
    layout = layered_layout([0, 0, 0, 1, 1, 1], [(0, 5), (1, 3), (2, 4)], [1.0] * 6, 0.5)
    left, right = layout.y[:3], [layout.y[5], layout.y[3], layout.y[4]]
    assert sorted(range(3), key=left.__getitem__) == sorted(range(3), key=right.__getitem__)


def test_long_edges_are_straight_and_nodes_centred():
    layout = layered_layout([0, 1, 2, 3, 1], [(0, 1), (1, 2), (2, 3), (0, 3), (0, 4)], [1.0] * 5, 0.5)
    assert layout.waypoints[3][0] == pytest.approx(layout.waypoints[3][1])
    fan = layered_layout([0, 1, 1, 2], [(0, 1), (0, 2), (1, 3), (2, 3)], [1.0] * 4, 0.5)
    assert fan.y[0] == pytest.approx((fan.y[1] + fan.y[2]) / 2) == pytest.approx(fan.y[3])


def test_bundled_edges_share_their_waypoints():
    layers, edges = [0, 3, 4], [(0, 1), (0, 2)]
    apart = layered_layout(layers, edges, [1.0] * 3, 0.5)
    together = layered_layout(layers, edges, [1.0] * 3, 0.5, bundle=True)
    assert apart.waypoints[0] != apart.waypoints[1][:2]
    assert together.waypoints[0] == together.waypoints[1][:2]


def test_parallel_edges_through_waypoints_are_drawn_apart():
    layout = layered_layout([0, 2], [(0, 1), (0, 1)], [1.0] * 2, 0.5)
    assert abs(layout.waypoints[0][0] - layout.waypoints[1][0]) >= 0.5


def test_mirrored():
    layout = layered_layout([0, 0, 1, 2], [(0, 2), (1, 3)], [1.0] * 4, 0.5)
    mirrored = layout.mirrored()
    assert mirrored.y == [layout.height - y for y in layout.y]
    assert mirrored.mirrored() == layout


def test_single_vertex():
    assert layered_layout([0], [], [2.0], 0.5).y == [1.0]
