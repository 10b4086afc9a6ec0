import numpy as np
import pytest
from optuna.study import StudyDirection

from tart_nas.predictors import Predictor
from tart_nas.strategies.optuna_plugin import surrogate
from tart_nas.strategies.optuna_plugin.history import History, canonical_form
from tart_nas.strategies.optuna_plugin.rebuilding import Rebuilder
from tart_nas.strategies.optuna_plugin.surrogate import MultiObjectiveSurrogate


def history_of(space, architectures, values):
    history = History(Rebuilder(space.suggest, space), canonical_form(space))
    history.architectures = list(architectures)
    history.values = [(float(value),) for value in values]
    history.comparable, history.others = list(history.values), [{} for _ in values]
    history.infeasibilities = [None] * len(values)
    return history


@pytest.mark.parametrize("labels", [0, 30])
@pytest.mark.parametrize("acquisition", ["expected-improvement", "mean", "thompson"])
def test_a_slow_predictor_judges_finalists_and_the_best_is_among_them(
    acquisition, labels, space, labelled, monkeypatch
):
    history = history_of(space, labelled[0][:labels], -labelled[1][:labels])
    predictor = Predictor.from_pretrained("darts-cifar10")
    model = MultiObjectiveSurrogate(predictor, None, [StudyDirection.MAXIMIZE], acquisition, 1, 10, 200)
    model.learn(history, np.random.default_rng(0))
    candidates = space.sample(600, seed=5)
    ranked = {}
    for finalists in (surrogate.FINALISTS, 600):
        monkeypatch.setattr(surrogate, "FINALISTS", finalists)
        order, expected = model.ranked(candidates, history, np.random.default_rng(1))
        assert sorted(order) == list(range(600))
        ranked[finalists] = order, expected
    few, all_of_them = ranked.values()
    assert few[0][0] == all_of_them[0][0]
    if acquisition == "thompson":
        assert few[0] == all_of_them[0]
        return
    assert np.isfinite(few[1]).sum() == (50 if labels else 0)  # before any label, in no known unit
    known = np.isfinite(few[1][:, 0])
    np.testing.assert_allclose(few[1][known], all_of_them[1][known], rtol=0, atol=1e-3)
