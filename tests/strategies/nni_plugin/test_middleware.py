import json

import numpy as np
import pytest
from nni.nas.execution import SequentialExecutionEngine
from nni.nas.space import ModelStatus, SimplifiedModelSpace
from nni.nas.strategy import TPE, GridSearch, PolicyBasedRL, Random, RegularizedEvolution
from nni.nas.strategy.middleware import FailureHandler

from tart_nas.errors import NniError, SettingError
from tart_nas.strategies.nni_plugin import TartBestOfN, TartOverSampling, TartTopK, tart_chain
from tests.strategies.nni_plugin.tables import CountsSeparable, Known, separable


@pytest.fixture
def run(darts):
    def run(chain, trained, evaluator=None):
        evaluator = evaluator or Known()
        engine = SequentialExecutionEngine(max_model_count=trained, continue_on_failure=True)
        chain(SimplifiedModelSpace(darts.model, darts.mutables, evaluator), engine)
        return evaluator

    return run


def evolution(**settings):
    return RegularizedEvolution(
        **{"population_size": 10, "sample_size": 4, "mutation_prob": 0.1, "seed": 0, **settings}
    )


def best_of(n):
    return TartBestOfN(n, CountsSeparable())


def over(pool, k, **settings):
    return TartOverSampling(pool, k, predictor=CountsSeparable(), **settings)


@pytest.mark.parametrize("make", [evolution, lambda: Random(seed=0)])
def test_the_best_of_n_is_trained_and_the_strategy_knows_which(make, run):
    chosen = make()
    evaluator = run(tart_chain(chosen, best_of(15)), 30)
    metrics = [separable(sample) for sample in evaluator.seen]
    assert len(metrics) == 30
    assert len({json.dumps(sample, sort_keys=True) for sample in evaluator.seen}) == 30
    drawn = run(make(), 30)
    assert np.mean(metrics) > np.mean([separable(sample) for sample in drawn.seen]) + 0.15
    if isinstance(chosen, RegularizedEvolution):
        assert [individual.x for individual in chosen._population] == evaluator.seen[-10:]
        assert [individual.y for individual in chosen._population] == metrics[-10:]


def test_rivals_of_evolution_are_mutations(run):
    """Each trained model differs from one of its population in few labels, as a mutation does."""
    evaluator = run(tart_chain(evolution(), best_of(8)), 40)
    for i in range(10, 40):
        earlier = evaluator.seen[max(0, i - 10) : i]
        distance = min(sum(a[label] != evaluator.seen[i][label] for label in a) for a in earlier)
        assert distance <= 10  # of 32, each changed with a probability of 0.1


def test_losers_may_be_proposed_again(run):
    strategy = Random(seed=0)
    run(tart_chain(strategy, best_of(10)), 5)
    assert len(strategy._dedup_helper._history) == 5 + 1  # one more was drawn before the budget was found used up


@pytest.mark.parametrize("told", ["predicted", "invalid"])
def test_of_each_pool_the_best_are_trained(told, run):
    strategy = evolution()
    middleware = over(5, 2, told=told)
    evaluator = run(tart_chain(strategy, middleware, concurrency=1), 12)
    assert len(evaluator.seen) == 12
    metrics = [individual.y for individual in strategy._population]
    if told == "invalid":
        assert metrics == [separable(sample) for sample in evaluator.seen[-10:]]
    else:
        truth = [separable(individual.x) for individual in strategy._population]
        assert metrics == pytest.approx(truth)  # here the prediction is the truth, in another unit
        assert sum(individual.x not in evaluator.seen for individual in strategy._population) >= 5


def test_before_anything_is_measured_nobody_is_told(darts):
    """The first pool's rejected models wait for its trained ones, with whose metrics their scores are put in a unit."""
    seen: list[object] = []
    middleware = over(4, 1)

    def trained(sample):
        seen.append("trained")
        return 0.25

    engine = SequentialExecutionEngine()
    space = SimplifiedModelSpace(darts.model, darts.mutables, Known(trained))
    middleware.set_engine(engine)
    middleware._initialize_model_space(space)
    middleware.register_model_event_callback("training_end", lambda event: seen.append(event.status))
    models = [space.random() for _ in range(4)]
    for model in models[:3]:
        middleware.submit_models(model)
    assert seen == []
    assert middleware.idle_worker_available()
    middleware.submit_models(models[3])
    assert seen[0] == "trained"
    assert seen[1:].count(ModelStatus.Invalid) == 3
    rejected = [model for model in models if model.status == ModelStatus.Invalid]
    assert [model.metric for model in rejected] == [0.25] * 3  # one measurement tells no more than the mean


def test_where_all_trained_models_failed_the_others_are_told_no_scores(run):
    """They are in another unit than metrics, which they would beat for ever."""
    outcomes = iter([None, None, 0.25, 0.25])  # the first pool's two report nothing
    strategy = evolution()
    evaluator = run(tart_chain(strategy, over(5, 2), concurrency=1), 4, Known(lambda sample: next(outcomes)))
    assert len(evaluator.seen) == 4
    assert {individual.y for individual in strategy._population} == {0.25}


def test_a_pool_that_is_not_full_is_judged_at_the_end(run):
    class Three(Random):  # type: ignore[misc]
        def _run(self):
            for _ in range(3):
                self.engine.submit_models(self.random(self.model_space))
            self.engine.wait_models()

    evaluator = run(tart_chain(Three(seed=0), over(10, 2)), 5)
    assert len(evaluator.seen) == 2


def test_failures_do_not_end_the_search(run):
    outcomes = iter([0.5, RuntimeError("broken"), float("nan"), None, 0.75] * 10)

    def metric(sample):
        outcome = next(outcomes)
        if isinstance(outcome, Exception):
            raise outcome
        return outcome

    strategy = evolution(population_size=4, sample_size=2)
    evaluator = run(tart_chain(strategy, best_of(3), FailureHandler(metric=0.0)), 15, Known(metric))
    assert len(evaluator.seen) == 15
    assert all(np.isfinite(individual.y) for individual in strategy._population)
    strategy = Random(seed=0)
    assert len(run(tart_chain(strategy, over(4, 2)), 10, Known(metric)).seen) == 10


def test_the_state_of_a_chain(run):
    chain = tart_chain(evolution(), over(5, 2))
    run(chain, 8)
    state = chain.state_dict()
    again = tart_chain(evolution(), over(5, 2))
    again.load_state_dict(state)
    assert again[1].state_dict() == chain[1].state_dict()
    assert len(again[1].state_dict()["measured"]) == 8
    other = tart_chain(evolution(), best_of(3))
    other.load_state_dict({"strategy": state["strategy"], "middlewares": [{}]})


@pytest.mark.parametrize(
    ("strategy", "middleware", "message"),
    [
        (lambda: evolution(), lambda: over(11, 2), r"`pool` \(11\) must not exceed `population_size` \(10\)"),
        (lambda: evolution(), lambda: over(5, 2, told="invalid"), "needs `trial_concurrency` 1"),
        (lambda: TPE(), lambda: best_of(5), "TPE takes a metric for that of its own proposal"),
        (lambda: object.__new__(PolicyBasedRL), lambda: best_of(5), "PolicyBasedRL takes a metric"),
        (lambda: object.__new__(PolicyBasedRL), lambda: over(5, 2), "no pool ever fills"),
        (lambda: GridSearch(), lambda: best_of(5), "leaves TartBestOfN no rivals"),
        (lambda: TartTopK(), lambda: best_of(5), "TartTopK judges its candidates itself"),
    ],
)
def test_combinations_that_break_are_refused(strategy, middleware, message):
    with pytest.raises(NniError, match=message):
        tart_chain(strategy(), middleware())


def test_one_shot_strategies_are_refused():
    from nni.nas.strategy import DARTS

    with pytest.raises(NniError, match="DARTS trains one network that holds all models"):
        tart_chain(DARTS(), best_of(5))


def test_bad_arguments():
    for make, message in (
        (lambda: best_of(1), "`n` must be a whole number of at least 2, but got 1"),
        (lambda: over(1, 1), "`pool` must be"),
        (lambda: over(5, 5), r"`k` must be a whole number in \[1, 4\], but got 5"),
        (lambda: over(5, 2, told="nothing"), "`told` must be one of predicted, invalid"),
        (lambda: tart_chain(Random()), "one TartBestOfN or TartOverSampling, but got 0"),
        (lambda: tart_chain(Random(), best_of(2), over(5, 2)), "but got 2"),
    ):
        with pytest.raises(SettingError, match=message):
            make()
