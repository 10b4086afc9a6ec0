"""Real experiments on NNI's local training service: a middleware before the trials, the predictor in them."""

import json

import pytest

from tart_nas.architecture import Architecture
from tart_nas.layout import parameter_count
from tart_nas.predictors import Predictor
from tart_nas.strategies.nni_plugin import HubSpace


@pytest.mark.parametrize(("kind", "n"), [("best of n", 2), ("over-sampling", 4)])
def test_evolution_with_a_middleware(kind, n, programs, port, tmp_path, darts):
    status, output = programs.finish(programs.python("chain_experiment.py", tmp_path / "nni", port, kind, n), 600)
    assert status == 0, output
    found = json.loads(next(line for line in output.splitlines() if line.startswith('{"trained"')))
    assert found["statuses"] == ["SUCCEEDED"] * n
    hub = HubSpace.of(darts)
    genotypes = [hub.architecture(sample).genotype for sample, _ in found["trained"]]
    scores = Predictor.from_pretrained("darts-cifar10").predict([Architecture(g, 8, 32) for g in genotypes])
    assert [metric for _, metric in found["trained"]] == pytest.approx(scores.tolist(), abs=1e-4)
    assert len(genotypes) == n
    population = [sample for sample, _ in found["population"]]
    trained = [sample for sample, _ in found["trained"]]
    if kind == "best of n":
        sizes = [parameter_count(Architecture(genotype, 3, 4)) for genotype in genotypes]
        assert min(sizes) > 9_400  # half of all samples are below 8,400, the best of 20 is above this
        assert all(sample in trained for sample in population)  # without those that ended last, as NNI has it
    else:
        assert any(sample not in trained for sample in population)  # what was rejected, and told with its prediction
        metrics = [metric for _, metric in found["population"]]
        assert min(scores) - 3 < min(metrics) <= max(metrics) < max(scores) + 3
    assert programs.processes() == []


def test_a_middleware_whose_predictor_knows_nothing_at_first(programs, port, tmp_path, darts):
    """It learns from the metrics of the experiment's trials; test_cold_start.py tells what it then picks."""
    status, output = programs.finish(programs.python("chain_experiment.py", tmp_path / "nni", port, "unfitted", 8), 600)
    assert status == 0, output
    found = json.loads(next(line for line in output.splitlines() if line.startswith('{"trained"')))
    assert found["statuses"] == ["SUCCEEDED"] * 8
    assert 4 <= found["learned"] <= 8
    assert len({json.dumps(sample, sort_keys=True) for sample, _ in found["trained"]}) == 8
    assert programs.processes() == []
