from dataclasses import replace

import numpy as np
import pytest

from tart_nas.architecture import Architecture
from tart_nas.drawing import draw_cells
from tart_nas.genotype import Genotype
from tart_nas.operations import CELL_OPS
from tart_nas.predictors import Predictor
from tart_nas.search_spaces import DeepNets1MSpace


@pytest.fixture(scope="module")
def ridge(labelled):
    return Predictor("ridge").fit(labelled.architectures[:400], labelled.targets[:400])


def test_effects_by_hand(ridge, labelled):
    architecture = labelled.architectures[0]
    explanation = ridge.explain(architecture)
    assert explanation.prediction == ridge.predict([architecture])[0]
    ops = ridge.metadata["scope"]["ops"]
    for cell in ("normal", "reduce"):
        pairs = getattr(architecture.genotype, cell)
        for k, (own, source) in enumerate(pairs):
            others = [
                replace(
                    architecture,
                    genotype=replace(architecture.genotype, **{cell: (*pairs[:k], (op, source), *pairs[k + 1 :])}),
                )
                for op in ops
                if op != own
            ]
            expected = explanation.prediction - ridge.predict(others).mean()
            assert getattr(explanation, cell)[k] == pytest.approx(expected)
    lines = str(explanation).splitlines()
    assert len(lines) == 1 + 16
    assert f"{explanation.normal[0]:+.4f}" in lines[1]


def test_effects_are_in_the_unit_of_the_target_asked_for(labelled):
    few = labelled.architectures[:60]
    predictor = Predictor("ridge").fit(few, {"a": labelled.targets[:60], "b": -10 * labelled.targets[:60]})
    first, second = (np.array(predictor.explain(few[0], target=name).normal) for name in ("a", "b"))
    np.testing.assert_allclose(second, -10 * first)
    np.testing.assert_allclose(np.array(predictor.explain(few[0]).normal), first)


def test_any_network_is_explained_by_what_needs_no_labels():
    for architecture in DeepNets1MSpace("search").sample(3, seed=0):
        explanation = Predictor("params").explain(architecture)
        assert len(explanation.normal) == len(architecture.genotype.normal)
        assert np.isfinite(explanation.normal).all()
    small = Architecture(
        Genotype((("conv_3x3", 0), ("none", 1)), (2,), (("conv_3x3", 0), ("none", 1)), (2,)), n_cells=1
    )
    explanation = Predictor("params").explain(small)
    vit = replace(small, genotype=replace(small.genotype, reduce=(("msa", 0), ("none", 1))))
    size, as_vit = Predictor("params").predict([small, vit])
    others = len(CELL_OPS) - 2  # of which msa alone has an effect: the cell is not part of the network
    assert explanation.reduce[0] == pytest.approx((size - as_vit) / others)
    wide = replace(small, genotype=replace(small.genotype, normal=(("conv_7x7", 0), ("none", 1))))
    assert Predictor("params").explain(wide).normal[0] > explanation.normal[0]


def test_effects_are_drawn_beside_their_operations(ridge, labelled):
    architecture = labelled.architectures[0]
    explanation = ridge.explain(architecture)
    plain = draw_cells(architecture.genotype)
    figure = draw_cells(architecture.genotype, effects={"normal": explanation.normal, "reduce": explanation.reduce})
    texts = [text.get_text() for text in figure.axes[0].texts]
    for cell in ("normal", "reduce"):
        for (op, _), effect in zip(getattr(architecture.genotype, cell), getattr(explanation, cell), strict=True):
            assert f"{op}  {effect:+.2g}" in texts
    assert len(figure.axes[0].patches) == len(plain.axes[0].patches) + 16
    nothing = draw_cells(architecture.genotype, effects={"normal": [0.0] * 8, "reduce": [np.nan] * 8})
    assert len(nothing.axes[0].patches) == len(plain.axes[0].patches) + 8
