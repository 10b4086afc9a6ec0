from dataclasses import replace

import networkx as nx
import numpy as np
import pytest
import torch
from scipy.stats import kendalltau

from tart_nas.encoders.graph_embedding import RaggedGraphs, node_places
from tart_nas.errors import CheckpointError, PredictorError, SettingError
from tart_nas.graphs import ComputationalGraph
from tart_nas.predictors import Predictor
from tart_nas.predictors.checkpoint import read_checkpoint, write_checkpoint
from tart_nas.predictors.inputs import PredictorInputs
from tart_nas.predictors.models.neural_predictor import GraphConvolutions, NeuralPredictorSettings
from tart_nas.predictors.models.tart_graph import GraphEncoderSettings, GraphTransformer, TartGraph, length_buckets
from tart_nas.search_spaces import DartsSpace, DeepNets1MSpace
from tart_nas.tokens.graph import GraphTokens
from tests.tokens.test_graph import chain, renumbered

SIZE = {"width": 16, "layers": 2, "identifier_width": 16}
torch.manual_seed(0)
NETWORKS = {
    **{
        f"{tokens}, {identifiers}": GraphTransformer(
            GraphEncoderSettings(**SIZE, tokens=tokens, identifiers=identifiers, features="full")
        ).eval()
        for tokens in ("nodes and edges", "nodes")
        for identifiers in ("orf", "lap", "none")
    },
    "places, none": GraphTransformer(
        GraphEncoderSettings(**SIZE, tokens="nodes", identifiers="none")  # type: ignore[arg-type]
    ).eval(),
    "graph convolutions": GraphConvolutions(NeuralPredictorSettings(16, 2, 8)).eval(),
}


def outputs(name, graphs):
    identifiers = name.split(", ")[1] if ", " in name else "none"
    with torch.inference_mode():
        inputs = RaggedGraphs(GraphTokens.encode(graphs), identifiers, 16).take(torch.arange(len(graphs)))
        return NETWORKS[name](inputs)[:, 0].numpy()


@pytest.fixture(scope="module")
def graphs():
    architectures = [a for split in ("val", "search", "dense") for a in DeepNets1MSpace(split).sample(4, seed=7)]
    return [ComputationalGraph.from_architecture(a) for a in architectures]


@pytest.mark.parametrize("name", NETWORKS)
def test_predictions_do_not_depend_on_the_order_of_nodes(name, graphs):
    rng = np.random.default_rng(0)
    expected = outputs(name, graphs)
    assert expected.std() > 1e-4  # else agreement to 1e-5 would say little
    np.testing.assert_allclose(outputs(name, [renumbered(g, rng)[0] for g in graphs]), expected, atol=1e-5)


def test_places_are_degrees_and_longest_paths_within_the_cell(graphs):
    graphs = [*graphs, chain(2)]
    tokens = GraphTokens.encode(graphs)
    expected = []
    for graph in graphs:
        whole = graph.to_networkx()
        inside = nx.DiGraph()
        inside.add_nodes_from(whole)
        inside.add_edges_from((u, v) for u, v in graph.edges.tolist() if graph.cells[u] == graph.cells[v])
        to, away = ({node: 0 for node in whole} for _ in range(2))
        for lengths, directed in ((to, inside), (away, inside.reverse())):
            for node in nx.topological_sort(directed):
                lengths[node] = max((lengths[u] + 1 for u in directed.predecessors(node)), default=0)
        expected += [(whole.in_degree(u), whole.out_degree(u), to[u], away[u]) for u in range(graph.num_nodes)]
    np.testing.assert_allclose(2 ** (2 * node_places(tokens)) - 1, expected, atol=1e-4)
    assert np.max(expected, axis=0).min() > 1


@pytest.mark.parametrize("name", NETWORKS)
def test_predictions_do_not_depend_on_the_batch(name, graphs):
    expected = outputs(name, graphs)
    alone = np.concatenate([outputs(name, [graph]) for graph in graphs])
    np.testing.assert_allclose(alone, expected, atol=1e-5)


@pytest.mark.parametrize("name", ["nodes and edges, orf", "nodes and edges, lap", "nodes, none", "graph convolutions"])
def test_graphs_of_one_and_of_5000_nodes(name):
    assert np.isfinite([outputs(name, [chain(1)]), outputs(name, [chain(5000)])]).all()


def test_edges_are_seen(graphs):
    """Without an edge, the prediction is another one; nodes alone cannot tell unless they know their places."""
    graph = graphs[0]
    fewer = ComputationalGraph(graph.nodes, graph.cells, graph.names, graph.edges[1:])
    for name in NETWORKS:
        difference = abs(outputs(name, [graph])[0] - outputs(name, [fewer])[0])
        if name == "nodes, none":
            assert difference < 1e-6
        elif name != "nodes, orf":  # where the order alone may change
            assert difference > 1e-6, name


@pytest.mark.parametrize("name", ["nodes and edges, orf", "nodes and edges, lap"])
def test_edge_tokens_name_both_of_their_nodes(name, graphs):
    """An edge that joins other nodes gives another prediction, whichever end is moved."""
    inputs = RaggedGraphs(GraphTokens.encode(graphs[:1]), name.split(", ")[1], 16).take(torch.arange(1))
    with torch.inference_mode():
        expected = NETWORKS[name](inputs)
        for end in (0, 1):
            edges = inputs.edges.clone()
            edges[0, 3, end] += 1
            assert (NETWORKS[name](replace(inputs, edges=edges)) - expected).abs() > 1e-6


@pytest.mark.parametrize("identifiers", ["orf", "lap"])
def test_identifiers_are_drawn_anew_in_training_only(identifiers):
    model = TartGraph(identifiers=identifiers, identifier_width=8)
    architectures, rows = PredictorInputs(DeepNets1MSpace("val").sample(5, seed=1)), torch.tensor([3, 0, 3])
    training, scoring = (model.network_inputs(architectures, training=training) for training in (True, False))
    fixed = scoring.take(rows).identifiers
    assert torch.equal(scoring.take(rows).identifiers, fixed)
    first, second = (training.take(rows).identifiers for _ in range(2))
    assert not torch.equal(first, second)
    assert not torch.equal(first[0], first[2])  # of one graph, twice in the batch
    if identifiers == "lap":  # only the signs are drawn
        assert torch.equal(first.abs(), fixed.abs())
        for column in (first * fixed).permute(0, 2, 1).flatten(0, 1):
            assert (column >= 0).all() or (column <= 0).all()


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["tart-graph", "neural-predictor"])
def test_learns_what_a_graph_shows(kind):
    architectures = DartsSpace(n_cells=2, C=8).sample(160, seed=2)
    targets = np.array([ComputationalGraph.from_architecture(a).macs for a in architectures]) / 1e6
    n = 120
    settings = {"width": 32, "epochs": 25, "learning_rate": 4e-3} | ({"layers": 2} if kind == "tart-graph" else {})
    predictor = Predictor(kind, **settings).fit(architectures[:n], targets[:n], seed=0)
    scores = predictor.predict(architectures[n:])
    assert kendalltau(scores, targets[n:]).statistic > 0.5


def test_save_load_and_other_tokens(tmp_path):
    architectures = DeepNets1MSpace("val").sample(8, seed=3)
    path = tmp_path / "graph.safetensors"
    predictor = Predictor("tart-graph", **SIZE, identifiers="lap", epochs=1).fit(architectures, np.arange(8))
    predictor.save(path)
    loaded = Predictor.load(path)
    assert np.array_equal(loaded.predict(architectures), predictor.predict(architectures))
    assert loaded.metadata["token_scheme"] == "graph/1"
    arrays, metadata = read_checkpoint(path)
    write_checkpoint(path, arrays, metadata | {"token_scheme": "graph/0"})
    with pytest.raises(CheckpointError, match="was made for the tokens 'graph/0'; this TART-NAS makes 'graph/1'"):
        Predictor.load(path)
    with pytest.raises(PredictorError, match="operation"):
        Predictor("tart-graph", **SIZE, epochs=1).fit(
            [a for a in DeepNets1MSpace("val").sample(40, seed=4) if not a.is_vit][:6], np.arange(6)
        ).predict([a for a in DeepNets1MSpace("val").sample(40, seed=5) if a.is_vit][:1])


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"identifiers": "random"}, "`identifiers` must be one of orf, lap, none, but got 'random'"),
        ({"tokens": "edges"}, "`tokens` must be one of nodes and edges, nodes, but got 'edges'"),
        ({"features": 1}, "`features` must be one of structural, full, primitive, but got 1"),
        ({"heads": 5}, "`width` must be a multiple of `heads`"),
        ({"identifier_width": 0}, "`identifier_width` must be a whole number of at least 1"),
        ({"depth": 3}, "`tart-graph` has no setting 'depth'"),
    ],
)
def test_wrong_settings(settings, message):
    with pytest.raises(SettingError, match=message):
        Predictor("tart-graph", **settings)


def test_buckets_hold_all_and_little_padding():
    lengths = np.random.default_rng(0).integers(30, 900, size=500)
    buckets = length_buckets(lengths, 4000)
    assert sorted(np.concatenate(buckets).tolist()) == list(range(500))
    padded = sum(lengths[bucket].max() * len(bucket) for bucket in buckets)
    assert padded < 1.05 * lengths.sum()
    assert max(lengths[bucket].max() * len(bucket) for bucket in buckets) <= 4000
    assert [b.tolist() for b in length_buckets(np.array([9, 5]), 4)] == [[1], [0]]


def test_the_paper_sees_primitives_only():
    """With ``features="primitive"`` sizes change nothing."""
    architecture = DeepNets1MSpace("val").sample(1, seed=8)[0]
    both = [ComputationalGraph.from_architecture(a) for a in (architecture, replace(architecture, C=64))]
    with torch.inference_mode():
        inputs = RaggedGraphs(GraphTokens.encode(both), "none", 0)
        network = GraphTransformer(
            GraphEncoderSettings(**SIZE, features="primitive", identifiers="none")  # type: ignore[arg-type]
        ).eval()
        first, second = network(inputs.take(torch.arange(2)))[:, 0]
        seen = GraphTransformer(GraphEncoderSettings(**SIZE, identifiers="none")).eval()  # type: ignore[arg-type]
        third, fourth = seen(inputs.take(torch.arange(2)))[:, 0]
    assert first == second
    assert third != fourth
