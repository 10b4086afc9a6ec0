"""What a predictor judges: of a batch, each architecture by itself, at the size of the labels."""

from dataclasses import replace

import numpy as np
import pytest
from torch import nn

from tart_nas.architecture import Architecture
from tart_nas.errors import PredictorError, SettingError
from tart_nas.genotype import Genotype
from tart_nas.graphs import ComputationalGraph
from tart_nas.networks import build_network
from tart_nas.predictors import Predictor
from tart_nas.predictors.models.ensemble import combined
from tart_nas.search_spaces import DartsSpace, DeepNets1MSpace
from tart_nas.tokens import CellTokens

BUNDLED = ("darts-cifar10", "deepnets1m-cifar10", "deepnets1m-cifar10-graph")


def unknown(architecture):
    """The same with so many cells that no bundled predictor knows it."""
    return replace(architecture, n_cells=40)


@pytest.fixture(scope="module", params=BUNDLED)
def bundled(request):
    """A bundled predictor and eight architectures that it judges."""
    space = DartsSpace() if request.param == "darts-cifar10" else DeepNets1MSpace("search")
    return Predictor.from_pretrained(request.param), space.sample(8, seed=0)


@pytest.mark.parametrize("outside", [(), (0,), (3, 7), (0, 1, 2, 3, 4, 5, 6, 7)], ids=["none", "first", "some", "all"])
def test_what_is_outside_changes_nothing_for_the_others(bundled, outside):
    predictor, known = bundled
    batch = [unknown(a) if i in outside else a for i, a in enumerate(known)]
    inside = np.array([i not in outside for i in range(len(known))])
    assert np.array_equal(predictor.judges(batch), inside)
    expected = predictor.predict(known, return_std=True)
    for given in (batch, CellTokens.encode(batch)):
        assert np.array_equal(predictor.judges(given), inside)
        for ours, theirs in zip(predictor.predict(given, return_std=True, outside="nan"), expected, strict=True):
            np.testing.assert_allclose(ours[inside], theirs[inside], rtol=0, atol=1e-6)
            assert np.isnan(ours[~inside]).all()
    assert np.array_equal(np.isnan(predictor.predict(batch, outside="nan")), ~inside)
    if outside:
        with pytest.raises(PredictorError, match=f"Architecture {outside[0]} is outside .*: n_cells 40"):
            predictor.predict(batch)


def test_other_networks_change_nothing_for_architectures(bundled):
    """Graphs and modules, also such as cannot be traced, are not judged by what was fitted to architectures."""
    predictor, known = bundled
    others = [ComputationalGraph.from_architecture(known[0]), build_network(known[1]), nn.Linear(3, 3)]
    batch = [known[0], *others, *known[1:]]
    inside = np.array([isinstance(network, Architecture) for network in batch])
    assert np.array_equal(predictor.judges(batch), inside)
    assert not predictor.judges(others).any()
    for ours, theirs in zip(
        predictor.predict(batch, return_std=True, outside="nan"), predictor.predict(known, return_std=True), strict=True
    ):
        np.testing.assert_allclose(ours[inside], theirs, rtol=0, atol=1e-6)
        assert np.isnan(ours[~inside]).all()
    with pytest.raises(PredictorError, match="Network 1 is outside .* a ComputationalGraph, which is no architecture"):
        predictor.predict(batch)
    with pytest.raises(PredictorError, match="judges none of the population's 3"):
        predictor.population(others)
    assert np.isfinite(Predictor("params").predict(batch[:3])).all()


@pytest.mark.parametrize("name", ["deepnets1m-cifar10", "deepnets1m-cifar10-graph"])
def test_the_size_of_the_labels_is_applied(name):
    """All labels are of networks with 8 channels: a network of any width is judged, by the one of 8 channels."""
    predictor = Predictor.from_pretrained(name)
    narrow = [replace(a, C=8) for a in DeepNets1MSpace("search").sample(6, seed=1)]
    wide = [replace(a, C=16 * (1 + i)) for i, a in enumerate(narrow)]
    assert predictor.judges([*wide, unknown(wide[0])]).tolist() == [True] * 6 + [False]
    scores = predictor.predict([*wide, unknown(wide[0])], outside="nan")
    np.testing.assert_allclose(scores[:6], predictor.predict(narrow), rtol=0, atol=1e-6)
    assert np.isnan(scores[6])


def test_many_are_judged_as_each_by_itself():
    """Of a space of larger networks than it has learned from; more of them than are scored at once."""
    predictor = Predictor.from_pretrained("deepnets1m-cifar10")
    some = DeepNets1MSpace("dense").sample(60, seed=0)
    alone = np.concatenate([predictor.judges([a]) for a in some])
    assert 0 < alone.sum() < 60
    many = predictor.judges(some * 150)
    assert np.array_equal(many, np.tile(alone, 150))
    assert predictor.judges([]).shape == (0,)


def test_what_is_no_network_at_the_size_of_the_labels(networks):
    """Attention has 8 heads, so there is no vision transformer of 4 channels."""
    transformer = next(a for a in DeepNets1MSpace("search").sample(200, 0) if a.is_vit)
    predictor = Predictor("ridge").fit(networks, range(len(networks)), label_size={"C": 4})
    batch = [networks[0], replace(transformer, C=64), networks[1]]
    assert predictor.judges(batch).tolist() == [True, False, True]
    scores = predictor.predict(batch, outside="nan")
    assert np.array_equal(scores[[0, 2]], predictor.predict(networks[:2]))
    with pytest.raises(PredictorError, match=r"Architecture 1 is outside .* labels \(C 4\) it is no network"):
        predictor.predict(batch)


def test_what_cell_tokens_cannot_hold(networks):
    said = "a cell of 11 nodes .cell tokens hold at most 10"
    genotype = networks[0].genotype
    genotype = Genotype((("skip_connect", 0), ("sep_conv_3x3", 1)) * 11, (12,), genotype.reduce, (2,))
    large = replace(networks[0], genotype=genotype)
    for predictor in (
        Predictor("ridge").fit(networks, range(len(networks))),
        Predictor("params").update(networks[:8], np.arange(8.0)),
        # It reads graphs, and has a scope of cells.
        Predictor("tart-graph", width=16, layers=1, epochs=1, ensemble=2).fit(networks, range(len(networks))),
    ):
        assert predictor.judges([networks[0], large]).tolist() == [True, False]
        scores, std = predictor.predict([networks[0], large], return_std=True, outside="nan")
        assert np.isfinite([scores[0], std[0]]).all()
        assert np.isnan([scores[1], std[1]]).all()
        with pytest.raises(PredictorError, match=f"Architecture 1 is outside .*{said}"):
            predictor.predict([networks[0], large])


@pytest.fixture(scope="module")
def networks():
    return [a for a in DeepNets1MSpace("search").sample(80, 0) if not a.is_vit]


@pytest.mark.parametrize("kind", ["params", "flops"])
def test_kinds_without_labels_judge_all(kind):
    nets = [*DartsSpace().sample(2, 0), *DeepNets1MSpace("deep").sample(2, 0)]
    assert Predictor(kind).judges(nets).all()
    assert np.isfinite(Predictor(kind).predict(nets, outside="nan")).all()


def test_an_updated_predictor_judges_what_it_did():
    predictor = Predictor.from_pretrained("darts-cifar10")
    nets = DartsSpace().sample(10, seed=4)
    predictor.update(nets, np.linspace(0.5, 0.6, 10))
    assert predictor.judges([nets[0], unknown(nets[1]), nets[2]]).tolist() == [True, False, True]
    scores = predictor.predict([nets[0], unknown(nets[1]), nets[2]], outside="nan")
    assert np.array_equal(np.isnan(scores), [False, True, False])
    with pytest.raises(PredictorError, match="Architecture 1 is outside .*n_cells 40"):
        predictor.update([nets[0], unknown(nets[1])], [0.5, 0.6])


def test_an_explanation_leaves_out_what_is_not_judged():
    """It puts other operations in each place; among networks with attention, one without any is outside."""
    nets = [a for a in DeepNets1MSpace("search").sample(400, 0) if a.is_vit]
    predictor = Predictor("ridge").fit(nets, [a.n_cells + 0.1 * len(a.genotype.normal) for a in nets])
    one = next(a for a in nets if sum(_attention(a)) == 1)
    assert len(predictor.explain(one).normal) == len(one.genotype.normal)
    with pytest.raises(PredictorError, match="Architecture 0 is outside"):
        predictor.explain(unknown(one))


def _attention(architecture):
    genotype = architecture.genotype
    return [op == "msa" for op, _ in (*genotype.normal, *genotype.reduce)]


def test_one_that_cannot_tell_its_precision_leaves_the_others_theirs():
    means, stds = np.array([[1.0, 1.0], [4.0, 4.0]]), np.array([[1.0, 1.0], [2.0, np.nan]])
    mean, std = combined(means, stds, "precision")
    assert mean[0] == pytest.approx((1 + 4 / 4) / (1 + 1 / 4))
    assert np.isfinite(std[0])
    assert mean[1] == pytest.approx(2.5)  # all the same where one cannot tell
    assert np.isnan(std[1])


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda a: a, "but got a single Architecture: put it into a list"),
        (lambda a: "darts", "but got 'darts'"),
        (lambda a: [a.genotype], "but item 0 is a Genotype: Architecture.genotype, n_cells=8. puts its cells"),
        (lambda a: [a, None], "but item 1 is a NoneType"),
        (lambda a: iter([a]), "but got a list_iterator"),
        (lambda a: 5, "but got 5"),
        (lambda a: None, "but got None"),
        (lambda a: {"a": a}, "but got a dict"),
    ],
)
def test_what_is_no_list_of_architectures(make, said):
    predictor, architecture = Predictor("params"), DartsSpace().sample(1, 0)[0]
    given = make(architecture)
    for ask in (predictor.predict, predictor.judges, lambda g: predictor.update(g, [1.0])):
        with pytest.raises(PredictorError, match=f"must be a list of Architecture objects .*{said}"):
            ask(given)
    with pytest.raises(PredictorError, match=said):
        Predictor("ridge").fit(given, [1.0])


def test_wrong_arguments(networks):
    with pytest.raises(SettingError, match="`outside` must be 'raise' or 'nan', but got 'drop'"):
        Predictor("params").predict(networks, outside="drop")  # type: ignore[call-overload]
    with pytest.raises(PredictorError, match="not fitted yet"):
        Predictor("gp").judges(networks)
