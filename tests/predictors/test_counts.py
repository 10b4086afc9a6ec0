import numpy as np
import pytest
import torch
from scipy.stats import kendalltau
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode

from tart_nas.graphs import ComputationalGraph
from tart_nas.networks import build_network, parameter_count
from tart_nas.predictors import Predictor
from tart_nas.search_spaces import DeepNets1MSpace


@pytest.fixture(scope="module")
def architectures():
    return [a for split in ("search", "val", "bnfree") for a in DeepNets1MSpace(split).sample(8, seed=5)]


def test_parameters_need_no_labels(architectures):
    scores, std = Predictor("params").predict(architectures, return_std=True)
    np.testing.assert_allclose(10**scores, [parameter_count(a) for a in architectures])
    assert np.isnan(std).all()
    assert Predictor.open("params").identity == Predictor("params").identity != Predictor("flops").identity


def test_operations_are_those_that_pytorch_counts(architectures):
    for architecture in architectures:
        network = build_network(architecture).eval()
        # attention as plain products: the counter does not know the fused operation of every version
        with sdpa_kernel(SDPBackend.MATH), FlopCounterMode(display=False) as counter, torch.inference_mode():
            network(torch.zeros(1, 3, 32, 32))
        graph = ComputationalGraph.from_architecture(architecture)
        assert 2 * graph.macs == pytest.approx(counter.get_total_flops(), rel=0.02), architecture
    macs = [ComputationalGraph.from_architecture(a).macs for a in architectures]
    np.testing.assert_allclose(10 ** Predictor("flops").predict(architectures), macs)


@pytest.mark.parametrize("kind", ["params", "flops"])
def test_fitted_they_predict_in_the_targets_unit(kind, labelled, tmp_path):
    few, targets = labelled.architectures[:200], labelled.targets[:200]
    predictor = Predictor(kind).fit(few, targets)
    scores, std = predictor.predict(few, return_std=True)
    assert scores.mean() == pytest.approx(targets.mean())
    assert 0.2 < kendalltau(scores, targets).statistic < 0.6
    np.testing.assert_allclose(std, (targets - scores).std())
    predictor.save(tmp_path / "count.safetensors")
    loaded = Predictor.load(tmp_path / "count.safetensors")
    assert np.array_equal(loaded.predict(few), scores)
    assert loaded.identity == predictor.identity
