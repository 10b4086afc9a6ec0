import math

import numpy as np
import pytest

from tart_nas.deepnets1m import DeepNets1M, draw_statistics, split_statistics
from tart_nas.drawing import save_figure
from tart_nas.errors import SettingError
from tart_nas.graphs import PRIMITIVES


@pytest.mark.parametrize("split", ["val", "predefined"])
def test_measures(generated, split):
    dataset = DeepNets1M(generated, split, virtual_edges=250)
    statistics = split_statistics(dataset)
    n = len(dataset)
    assert (statistics["split"], statistics["networks"], statistics["measured"]) == (split, n, n)
    graphs = [example.graph for example in dataset]
    sizes = [graph.num_nodes for graph in graphs]
    nodes = statistics["measures"]["nodes"]
    assert (nodes["min"], nodes["max"]) == (min(sizes), max(sizes))
    assert math.isclose(nodes["mean"], sum(sizes) / n)
    assert nodes["values"].tolist() == sizes
    lengths = [graph.distances[graph.distances > 0] for graph in graphs]
    assert statistics["measures"]["depth"]["max"] == max(series.max() for series in lengths)
    assert math.isclose(statistics["measures"]["path_length"]["mean"], np.mean([series.mean() for series in lengths]))
    sums = sum(int((graph.primitives == PRIMITIVES.index("sum")).sum()) for graph in graphs)
    assert math.isclose(statistics["primitives"]["sum"], sums / sum(sizes))
    assert math.isclose(sum(statistics["primitives"].values()), 1)
    assert math.isclose(sum(statistics["operations"].values()), 1)
    assert len(statistics["measures"]["cells"]["values"]) == (1 if split == "predefined" else n)
    assert (statistics["measures"]["parameters"]["min"] >= 2.5e6) == (split == "val")


def test_a_part_of_a_split(generated):
    dataset = DeepNets1M(generated, "val", virtual_edges=250)
    calls = []
    statistics = split_statistics(dataset, most=4, progress=lambda *call: calls.append(call))
    assert (statistics["networks"], statistics["measured"]) == (30, 4)
    expected = [dataset[index].graph.num_nodes for index in (0, 10, 19, 29)]
    assert statistics["measures"]["nodes"]["values"].tolist() == expected
    assert calls == [(i, 4) for i in range(1, 5)]
    assert split_statistics(dataset, most=100)["measured"] == 30
    with pytest.raises(SettingError, match="`most` must be at least 1"):
        split_statistics(dataset, most=0)


def test_the_picture_shows_each_measure(generated, tmp_path):
    statistics = split_statistics(DeepNets1M(generated, "search", virtual_edges=250))
    figure = draw_statistics(statistics)
    titles = [axes.get_title() for axes in figure.axes]
    assert len(titles) == 10
    assert any(title.startswith("nodes: mean ") for title in titles)
    assert "20 of 20 networks" in figure.get_suptitle()
    assert save_figure(figure, tmp_path / "statistics.png").stat().st_size > 20_000
