"""Searches that are replayed on trained networks: what they see, what it costs, and what they are judged by."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from tart_nas.experiments import replayed_searches
from tart_nas.experiments.replayed_searches import (
    COSTS,
    METHODS,
    SEEDS,
    Replay,
    active,
    at_random,
    bundled,
    by_scores,
    by_tpe,
    curves,
    pool,
    search,
    updated_before,
)
from tart_nas.predictors import Predictor


@pytest.fixture(scope="module")
def whole():
    """So few that a search can train all of them."""
    found = pool("DARTS")
    return replace(found, networks=found.networks[:60], labels=found.labels[:60], truth=found.truth[:60])


@pytest.fixture(scope="module")
def darts(whole):
    return whole.part(0)


def test_the_pool_of_the_darts_space():
    found = pool("DARTS")
    assert len({*found.networks}) == len(found.labels) == len(found.truth) == 200


def test_a_seed_draws_its_part_of_the_pool(whole, darts):
    assert len(darts.networks) == round(0.8 * len(whole.networks))
    for network, label, truth in zip(darts.networks, darts.labels, darts.truth, strict=True):
        at = whole.networks.index(network)
        assert (whole.labels[at], whole.truth[at]) == (label, truth)


def test_what_was_measured_before_is_not_searched(whole, darts):
    networks, values = darts.before
    assert {*networks} | {*darts.networks} == {*whole.networks}
    assert {*networks}.isdisjoint(darts.networks)
    assert values.tolist() == [whole.labels[whole.networks.index(network)]["val_acc"] for network in networks]
    identity = bundled(darts).identity
    assert updated_before(darts).metadata["training"]["updated"]["n"] == len(networks)
    assert bundled(darts).identity == identity  # a copy has learned


def test_the_test_networks_are_judged_by_other_trainings_than_are_seen():
    networks = pool("DeepNets-1M")
    assert np.corrcoef([label["test_acc"] for label in networks.labels], networks.truth)[0, 1] > 0.8
    assert all(label["test_acc"] != truth for label, truth in zip(networks.labels, networks.truth, strict=True))


def test_a_search_of_everything_ends_with_the_best_that_it_sees(darts):
    replay = Replay(darts)
    at_random(replay, 3)
    assert replay.is_over == (not replay.left)
    seen = np.array([label["val_acc"] for label in darts.labels])
    cost, truth = replay.steps[-1]
    assert cost == pytest.approx(len(darts.networks))
    assert truth in darts.truth[seen == seen.max()]
    costs = [cost for cost, _ in replay.steps]
    assert costs == sorted(costs)


def test_each_suggestion_is_another_network(darts):
    replay = Replay(darts)
    assert replay.nearest(darts.networks[5]) == 5
    replay.train(5)
    assert replay.nearest(darts.networks[5]) != 5


def test_a_stopped_training_costs_its_epochs_and_is_never_found(darts):
    whole, stopped = Replay(darts), Replay(darts)
    whole.train(0)
    assert stopped.train(0, lambda epoch, value: epoch == 2) is None
    assert (stopped.ended, stopped.steps) == ([], [])
    assert 0 not in stopped.left
    stopped.train(1)
    one = Replay(darts)
    one.train(1)
    assert stopped.steps[0][0] - one.steps[0][0] == pytest.approx(2 / 5 * whole.steps[0][0])


def test_thinking_is_paid_for(darts):
    replay = Replay(darts)
    by_scores(replay, 0)
    assert replay.steps[-1][0] > len(darts.networks) + 1e-5  # some ms of 84 s
    first, *_ = replay.ended
    assert first == int(replayed_searches._opened("darts-cifar10").predict(darts.networks).argmax())


def test_halving_stops_trainings(darts):
    replay = Replay(darts)
    by_tpe(replay, 0, halving=True)
    assert 0.2 < len(replay.ended) / len(darts.networks) < 0.9
    assert replay.left == []


def test_rounds_learn(darts):
    replay = Replay(darts)
    active(replay, 0, lambda pool: Predictor("gp"))
    scores = replay.values
    assert scores[:20].mean() > scores[-20:].mean()


@pytest.mark.parametrize("method", ["random", "regularized evolution"])
def test_the_same_seed_gives_the_same_search(method):
    once, again, other = (search("DARTS", method, seed) for seed in (1, 1, 2))
    assert once == again != other


def test_the_committed_results_are_complete_and_printed(capsys):
    content = json.loads(Path(str(replayed_searches.__file__)).with_suffix(".json").read_text())
    for space, by_method in content["results"].items():
        assert {*by_method} == {*METHODS}
        assert {len(by_seed) for by_seed in by_method.values()} == {SEEDS}, space
    assert replayed_searches.main(["--only"]) == 0
    found = curves(content["results"], "DeepNets-1M", "active", COSTS) - curves(
        content["results"], "DeepNets-1M", "random", COSTS
    )
    assert f"{found[:, 2].mean():+.2f} ± " in capsys.readouterr().out
