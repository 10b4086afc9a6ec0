"""Predictors of any networks: architectures, graphs and modules, in fits and in predictions."""

import numpy as np
import pytest
import torch
from torch import nn

from tart_nas.choices import GRAPH_KINDS, KINDS
from tart_nas.errors import GraphError, PredictorError, SettingError
from tart_nas.graphs import ComputationalGraph
from tart_nas.networks import build_network
from tart_nas.predictors import Predictor, cross_validate
from tart_nas.predictors.models.regressor import regressor_class

QUICK = {"neural-predictor", "pure-transformer", "tart-graph"}
N = 24


def _predictor(kind):
    settings = {"width": 16, "epochs": 1} | ({} if kind == "neural-predictor" else {"layers": 1})
    return Predictor(kind, **settings) if kind in QUICK else Predictor(kind)


@pytest.fixture(scope="module")
def architectures(labelled):
    return labelled.architectures[:N]


@pytest.fixture(scope="module")
def graphs(architectures):
    return [ComputationalGraph.from_architecture(architecture) for architecture in architectures]


@pytest.fixture(scope="module")
def values(labelled):
    return labelled.targets[:N]


@pytest.mark.parametrize("kind", GRAPH_KINDS)
def test_a_fit_to_graphs_is_the_fit_to_their_architectures(kind, architectures, graphs, values, tmp_path):
    fitted = _predictor(kind).fit(graphs, values)
    with torch.device("meta"):
        modules = [build_network(architecture) for architecture in architectures[:2]]
    assert fitted.judges([*modules, *graphs]).all()
    predictions = fitted.predict(graphs)
    np.testing.assert_allclose(
        predictions, _predictor(kind).fit(architectures, values).predict(architectures), atol=1e-6
    )
    np.testing.assert_allclose(fitted.predict(architectures), predictions, atol=1e-5)
    np.testing.assert_allclose(fitted.predict([*modules, *architectures[2:4]]), predictions[:4], atol=1e-5)
    fitted.save(tmp_path / "p.safetensors")
    loaded = Predictor.load(tmp_path / "p.safetensors")
    assert loaded.metadata == fitted.metadata
    np.testing.assert_array_equal(loaded.predict(graphs), predictions)


def test_the_kinds_that_say_they_read_graphs():
    assert {kind for kind in KINDS if regressor_class(kind).reads_graphs} == {*GRAPH_KINDS}


@pytest.mark.parametrize("kind", ["boosting", "gp", "ridge", "svr", "tart-cell"])
def test_kinds_that_read_cells_say_so(kind, graphs, values):
    with pytest.raises(PredictorError, match=r"needs architectures .* but got graphs.*read by flops, gp-graph, "):
        Predictor(kind).fit(graphs, values)


def _small(width):
    return nn.Sequential(nn.Conv2d(3, width, 3), nn.ReLU(), nn.Flatten(), nn.Linear(900 * width, 10))


def test_networks_of_ones_own():
    """Modules with a simple truth: half of them are learned from, the others are ranked."""
    networks: list[nn.Module] = [_small(width) for width in range(2, 26)]
    truth = np.log([sum(p.numel() for p in network.parameters()) for network in networks])
    fitted = Predictor("gp-graph").fit(networks[::2], truth[::2], extend_scope=networks[-1:])
    mean, std = fitted.predict(networks[1::2], return_std=True)
    assert np.corrcoef(mean, truth[1::2])[0, 1] > 0.99
    assert (std > 0).all()
    larger = nn.Sequential(nn.Conv2d(3, 99, 3), nn.Sigmoid(), nn.MaxPool2d(2), nn.Flatten(), nn.Linear(99 * 225, 10))
    assert fitted.judges([networks[0], larger]).tolist() == [True, False]
    with pytest.raises(
        PredictorError, match=r"Network 1 is outside .*: primitive max_pool \(seen: bias, conv, input\); "
    ):
        fitted.predict([networks[0], larger])
    assert np.isnan(fitted.predict([networks[0], larger], outside="nan")).tolist() == [False, True]


class _Counted(nn.Sequential):
    runs = 0

    def forward(self, input):
        _Counted.runs += 1
        return super().forward(input)


def test_each_module_is_traced_once():
    networks = [_Counted(*_small(width)) for width in range(2, 10)]
    fitted = Predictor("gp-graph").fit(networks, range(8), extend_scope=networks[:1])
    assert fitted.judges(networks).all()
    first = fitted.predict(networks)
    assert _Counted.runs == 8
    networks[3][0] = nn.Conv2d(3, 9, 3)
    networks[3][3] = nn.Linear(8100, 10)
    assert fitted.predict(networks)[3] == pytest.approx(first[7])
    assert _Counted.runs == 9


def test_graphs_where_cells_are_needed(architectures, graphs, values):
    of_architectures = Predictor("gp-graph").fit(architectures, values)
    with pytest.raises(PredictorError, match="a ComputationalGraph, .* only where the fit was to graphs too"):
        of_architectures.predict(graphs)
    of_graphs = Predictor("gp-graph").fit(graphs, values)
    with pytest.raises(SettingError, match="`label_size` is a size for architectures"):
        Predictor("gp-graph").fit(graphs, values, label_size={"C": 8})
    with pytest.raises(GraphError, match="Network 1: The network cannot be run on an image of"):
        of_graphs.predict([graphs[0], nn.Linear(3, 3)])
    with pytest.raises(PredictorError, match="item 1 is a str"):
        of_graphs.predict([graphs[0], "resnet18"])  # type: ignore[list-item]


def test_cross_validation_on_graphs(graphs, values):
    validation = cross_validate(lambda: Predictor("gp-graph"), graphs, values, folds=2)
    assert validation.predictions.shape == (N,)
    assert np.isfinite(validation.taus).all()
