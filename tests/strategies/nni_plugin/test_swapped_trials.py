import itertools
import json

import numpy as np
import pytest
from nni.experiment.data import TrialJob
from nni.nas.execution.engine import ExecutionEngine
from nni.nas.space import ModelStatus, SimplifiedModelSpace

from tart_nas.strategies.nni_plugin import TartTopK
from tart_nas.strategies.nni_plugin.swapped_trials import actual_parameters, put_right
from tests.strategies.nni_plugin.tables import CountsSeparable, separable


@pytest.mark.parametrize("order", list(itertools.permutations(range(4))))
def test_any_swap_is_found_from_all_reports_but_one(order):
    noted = {f"t{i}": i for i in range(4)}
    ran = {f"t{i}": order[i] for i in range(4)}
    for silent in [None, *noted]:
        reported = {trial: number for trial, number in ran.items() if trial != silent}
        assert actual_parameters(noted, reported) == ran


def test_every_sample_is_ascribed_once_whatever_is_known():
    rng = np.random.default_rng(0)
    for _ in range(300):
        n = int(rng.integers(1, 8))
        noted = {f"t{i}": i for i in range(n)}
        order = rng.permutation(n)
        reported = {f"t{i}": int(order[i]) for i in range(n) if rng.random() < 0.5}
        actual = actual_parameters(noted, reported)
        assert sorted(actual.values()) == list(range(n))
        assert reported.items() <= actual.items()


def test_the_list_of_trials_is_put_right():
    def trial(name, number, reported=None):
        sample = {"parameter_id": number, "parameter_source": "algorithm", "parameters": f"p{number}"}
        metric = {"timestamp": 0, "trialJobId": name, "parameterId": str(reported), "type": "FINAL", "sequence": 0}
        metrics = [] if reported is None else [{**metric, "data": '"0.5"'}]
        return TrialJob(
            name,
            "SUCCEEDED",
            0,
            number,
            hyperParameters=[json.dumps({**sample, "parameter_index": 0})],
            finalMetricData=metrics,
        )

    trials = [trial("a", 0), trial("b", 1, reported=0), trial("c", 2, reported=2)]
    put_right(trials, {})
    assert [job.hyperParameters[0].parameters for job in trials] == ["p1", "p0", "p2"]
    trials = [trial("a", 0), trial("b", 1), trial("c", 2)]
    put_right(trials, {"a": 2, "gone": 7})
    assert [job.hyperParameters[0].parameters for job in trials] == ["p2", "p1", "p0"]


class Swapping(ExecutionEngine):  # type: ignore[misc]
    """Runs models in pairs and tells the end of each of the other, the first before that one has its metric."""

    def __init__(self):
        super().__init__()
        self.models: list[SimplifiedModelSpace] = []

    def submit_models(self, *models):
        for model in models:
            self.models.append(model)
            if len(self.models) % 2 == 0:
                first, second = self.models[-2:]
                for reports, ends in ((first, second), (second, first)):
                    self.dispatch_model_event("final_metric", metric=separable(reports.sample), model=reports)
                    self.dispatch_model_event("training_end", status=ModelStatus.Trained, model=ends)

    def list_models(self, status=None):
        return [model for model in self.models if status is None or model.status == status]

    def idle_worker_available(self):
        return True

    def budget_available(self):
        return True


def test_swapped_trials_keep_their_metrics(darts):
    strategy = TartTopK(k=4, candidates=50, predictor=CountsSeparable())
    strategy(SimplifiedModelSpace(darts.model, darts.mutables, None), Swapping())
    assert [pick.status for pick in strategy.picks] == ["trained"] * 4
    assert [pick.metric for pick in strategy.picks] == [separable(pick.sample) for pick in strategy.picks]
