"""Whole searches at equal cost, replayed on networks that were trained once.

A search trains dozens of networks, so that comparing searches by training anew costs days. Instead every network of a
pool was trained (``experiments/labels``), and a search that picks one is told what that training gave:
``python -m tart_nas.experiments.replayed_searches``.

Pools: ``DeepNets-1M``, 100 networks that no bundled predictor was fitted to. A search sees validation accuracies of one
training; what it has found, the network with the best of these, is judged by the mean test accuracy of two other
trainings. ``DARTS``, 200 networks of that space with one training each, judged by its test accuracy. Of a pool each
seed draws four fifths. The remaining fifth is what was measured before: methods that are "updated before" have a
predictor that was updated with its labels, as ``darts-small`` was with others.

Methods that suggest architectures of their own (TPE, evolution) get the network of the pool that is nearest in the
features of the Gaussian process, and that was not trained yet. With ASHA, trainings of this one process are stopped by
Optuna's successive halving after an epoch in which they are not among the better half. ``active`` asks for three
networks at a time, by expected improvement; with nothing else to go by, for random ones.

Cost is given in trainings, in means of the pool's. One of a network costs as its inference time compares with that of
others (its seconds depend on what else the machine did), an epoch a share of it. The processor time of predictions and
updates is added, in units of the median training's seconds. Differences to random search are paired by seed; 95 %
intervals of their means are over seeds, which share the pool: they tell nothing of other pools.
"""

import argparse
import copy
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cache, partial
from typing import Any

import numpy as np
import numpy.typing as npt
import optuna
from matplotlib.figure import Figure
from optuna.pruners import NopPruner, SuccessiveHalvingPruner
from optuna.samplers import TPESampler
from optuna.trial import TrialState
from rich.table import Table
from scipy import stats

from tart_nas.architecture import Architecture
from tart_nas.experiments.label_targets import SPACES, Label, labels_in, labels_of, networks_of
from tart_nas.experiments.measure_labels import TEST_FILES
from tart_nas.experiments.plots import Line, line_plot
from tart_nas.experiments.runner import Plan, experiment
from tart_nas.experiments.tables import table
from tart_nas.predictors import Predictor
from tart_nas.predictors.cell_features import feature_chunks
from tart_nas.predictors.inputs import PredictorInputs
from tart_nas.search_spaces import DartsSpace, DeepNets1MSpace
from tart_nas.strategies import Surrogate, acquire
from tart_nas.strategies.optuna_plugin import suggest_architecture
from tart_nas.strategies.populations import AgingPopulation

Floats = npt.NDArray[np.float64]

SEEDS = 20
COSTS = (5, 10, 15, 30, 60)  # trainings at which methods are compared
_SHARE = 0.8  # of the pool in each seed's search, so that methods without chance have a spread too
_CHANCE = 10.0  # per cent, of ten classes
_ROUND = 3  # networks; the default of `tart-nas search`
_POPULATION, _TOURNAMENT = 10, 3  # of evolution: a tenth of the pool, and a third of it as in Real et al. (AAAI 2019)


@dataclass(frozen=True, eq=False)
class Pool:
    """Networks that were trained.

    Args:
        space: that they are of.
        predictor: the bundled one of the space, which does not know their labels.
        networks: n of them.
        labels: of the training that a search sees.
        truth: (n,) what a search is judged by, in per cent.
        before: networks and (m,) validation accuracies that were measured before the search.
    """

    space: DartsSpace | DeepNets1MSpace
    predictor: str
    networks: list[Architecture]
    labels: list[Label]
    truth: Floats
    before: tuple[list[Architecture], Floats] = field(default_factory=lambda: ([], np.empty(0)))

    def part(self, seed: int) -> "Pool":
        """What a seed's search has to choose from; the rest was measured before."""
        order = np.random.default_rng(seed).permutation(len(self.networks))
        rows, rest = np.split(order, [round(_SHARE * len(order))])
        networks, labels = [self.networks[row] for row in rows], [self.labels[row] for row in rows]
        before = [self.networks[row] for row in rest], np.array([self.labels[row]["val_acc"] for row in rest])
        return Pool(self.space, self.predictor, networks, labels, self.truth[rows], before)


@cache
def pool(name: str) -> Pool:
    """The pool of a space."""
    if name == "DeepNets-1M":
        files = [labels_of(file) for file in TEST_FILES]
        seen = {i: files[0][i] for i in sorted(set.intersection(*map(set, files)))}
        truth = [np.mean([labels[i]["test_acc"] for labels in files[1:]]) for i in seen]
        labels = [*seen.values()]
        return Pool(DeepNets1MSpace("val"), "deepnets1m-cifar10", networks_of(labels), labels, np.array(truth))
    labels = labels_in(SPACES["DARTS"])
    truth = [label["test_acc"] for label in labels]
    return Pool(DartsSpace(), "darts-cifar10", networks_of(labels), labels, np.array(truth))


class Replay:
    """A search: what it has trained, and what that has cost.

    Args:
        pool: what there is.
    """

    def __init__(self, pool: Pool) -> None:
        self.pool = pool
        self.left = list(range(len(pool.networks)))
        self.ended: list[int] = []
        """What was trained to the end, in this order."""
        self.steps: list[tuple[float, float]] = []
        """After each of these the cost so far in trainings, and the truth of the best."""
        times = np.array([label["time"] / label["time_reference"] for label in pool.labels])
        self._costs = times / times.mean()
        self._seconds = float(np.median([sum(label["curve"]["seconds"]) for label in pool.labels]))
        self._spent = 0.0  # trainings
        features = np.concatenate(list(feature_chunks(PredictorInputs(pool.networks))))
        self._center, self._scales = features.mean(axis=0), np.maximum(features.std(axis=0), 1e-9)
        self._features = (features - self._center) / self._scales

    @property
    def is_over(self) -> bool:
        """Whether the budget is spent, or the pool."""
        return self._spent >= max(COSTS) or not self.left

    @property
    def values(self) -> Floats:
        """(n,) the validation accuracies of what was trained to the end."""
        return np.array([self.pool.labels[index]["val_acc"] for index in self.ended])

    def networks(self, indices: Sequence[int]) -> list[Architecture]:
        """Networks of the pool."""
        return [self.pool.networks[index] for index in indices]

    def nearest(self, architecture: Architecture) -> int:
        """The network most like one that a method suggests, of those that were not trained yet."""
        features = np.concatenate(list(feature_chunks(PredictorInputs([architecture]))))
        asked = (features - self._center) / self._scales
        return self.left[int(np.square(self._features[self.left] - asked).sum(axis=1).argmin())]

    def train(self, index: int, stops: Callable[[int, float], bool] = lambda epoch, value: False) -> float | None:
        """Trains a network.

        Args:
            index: of the network.
            stops: told an epoch, from 1, and its validation accuracy, whether the training ends there.

        Returns:
            The validation accuracy; None of one that was stopped.
        """
        self.left.remove(index)
        epochs = self.pool.labels[index]["curve"]["validation_accuracy"]
        for epoch, value in enumerate(epochs, 1):
            self._spent += self._costs[index] / len(epochs)
            if stops(epoch, value) and epoch < len(epochs):
                return None
        self.ended.append(index)
        best = self.ended[int(self.values.argmax())]
        self.steps.append((self._spent, float(self.pool.truth[best])))
        return float(value)

    @contextmanager
    def thinking(self) -> Iterator[None]:
        """Its processor time is a part of the cost."""
        begun = time.process_time()
        yield
        self._spent += (time.process_time() - begun) / self._seconds


def at_random(replay: Replay, seed: int) -> None:
    """Random search."""
    for index in np.random.default_rng(seed).permutation(len(replay.left)).tolist():
        if not replay.is_over:
            replay.train(index)


@cache
def _opened(name: str) -> Predictor:
    return Predictor.open(name)


def bundled(pool: Pool) -> Predictor:
    """The predictor of the pool's space."""
    return _opened(pool.predictor)


def updated_before(pool: Pool) -> Predictor:
    """The same, updated with what was measured before the search."""
    return copy.copy(bundled(pool)).update(*pool.before)  # in the copy


def by_scores(replay: Replay, seed: int, made: Callable[[Pool], Predictor] = bundled) -> None:
    """The best by a predictor, in its order."""
    predictor = made(replay.pool)
    with replay.thinking():
        scores = predictor.predict(replay.pool.networks)
    for index in np.argsort(-scores, kind="stable").tolist():
        if not replay.is_over:
            replay.train(index)


def active(replay: Replay, seed: int, made: Callable[[Pool], Predictor] = bundled) -> None:
    """Rounds of few, ranked by expected improvement."""
    rng = np.random.default_rng(seed)
    surrogate = Surrogate(made(replay.pool), population=lambda: replay.pool.networks)
    while not replay.is_over:
        with replay.thinking():
            if replay.ended:
                surrogate.fit(replay.networks(replay.ended), replay.values, seed)
            if surrogate.is_informed:
                mean, std = surrogate.predict(replay.networks(replay.left))
                best = float(replay.values.max()) if surrogate.is_measured else 0.0
                values = acquire("expected-improvement" if surrogate.is_measured else "mean", mean, std, best, rng)
            else:
                values = rng.random(len(replay.left))
        for index in [replay.left[place] for place in np.argsort(-values)[:_ROUND]]:
            if not replay.is_over:
                replay.train(index)


def evolution(replay: Replay, seed: int) -> None:
    """Regularized evolution (Real et al., AAAI 2019)."""
    rng = np.random.default_rng(seed)
    population = AgingPopulation(_POPULATION, _TOURNAMENT)
    while not replay.is_over:
        if len(replay.ended) < _POPULATION:
            index = int(rng.choice(replay.left))
        else:
            (parent,) = replay.networks([replay.ended[int(population.parents(1, rng)[0])]])
            index = replay.nearest(replay.pool.space.mutate(parent, rng))
        population.add(np.array([[replay.train(index)]], dtype=float))


def by_tpe(replay: Replay, seed: int, halving: bool = False) -> None:
    """Optuna's TPE, with or without successive halving."""
    pruner = SuccessiveHalvingPruner(min_resource=1, reduction_factor=2) if halving else NopPruner()
    study = optuna.create_study(direction="maximize", sampler=TPESampler(seed=seed), pruner=pruner)

    def stops(trial: optuna.Trial, epoch: int, value: float) -> bool:
        trial.report(value, epoch)
        return trial.should_prune()

    while not replay.is_over:
        trial = study.ask()
        with replay.thinking():
            try:
                architecture = suggest_architecture(trial, replay.pool.space)
            except optuna.TrialPruned:  # the space's rules reject these parameters
                study.tell(trial, state=TrialState.PRUNED)
                continue
            index = replay.nearest(architecture)
        value = replay.train(index, partial(stops, trial))
        study.tell(trial, value, state=TrialState.PRUNED if value is None else TrialState.COMPLETE)


METHODS: dict[str, Callable[[Replay, int], None]] = {
    "random": at_random,
    "TPE": by_tpe,
    "TPE + ASHA": partial(by_tpe, halving=True),
    "regularized evolution": evolution,
    "topk": by_scores,
    "active": active,
    "topk, updated before": partial(by_scores, made=updated_before),
    "active, updated before": partial(active, made=updated_before),
    "active, not pretrained": partial(active, made=lambda pool: Predictor("gp")),
    "topk by ghn-accuracy": partial(by_scores, made=lambda pool: _opened("ghn-accuracy")),
}
"""The searches."""


def search(space: str, method: str, seed: int) -> list[list[float]]:
    """Cost and truth of the best so far, where the best changes and at the end."""
    replay = Replay(pool(space).part(seed))
    METHODS[method](replay, seed)
    steps = [[round(cost, 3), round(truth, 3)] for cost, truth in replay.steps]
    return [step for i, step in enumerate(steps) if i in (0, len(steps) - 1) or step[1] != steps[i - 1][1]]


def curves(results: dict[str, Any], space: str, method: str, costs: npt.ArrayLike) -> Floats:
    """(seeds, costs) the truth of the best found at each cost; chance before the first training has ended."""
    rows = []
    for _, steps in sorted(results[space].get(method, {}).items(), key=lambda item: int(item[0])):
        at, truth = np.array(steps).T
        rows.append(np.concatenate([[_CHANCE], truth])[np.searchsorted(at, costs, side="right")])
    return np.array(rows).reshape(len(rows), np.size(costs))


def tables(results: dict[str, Any]) -> Iterator[Table]:
    """Of each space what methods have found at some costs, and less random search's."""
    for space in results:
        rows = []
        base = curves(results, space, "random", COSTS)
        for method in METHODS:
            if len(found := curves(results, space, method, COSTS)) == len(base) > 1:
                cells = [_difference(found[:, k] - base[:, k]) for k in range(len(COSTS))]
                own = [f"{value:.2f}" for value in base.mean(axis=0)] if method == "random" else cells
                rows.append((method, *own, _reached(results, space, method)))
        columns = ("less random search's", *(f"{cost} trainings" for cost in COSTS), "reaches its last at")
        yield table(columns, rows, f"{space}: test accuracy of what was found, points")


def _difference(pairs: Floats) -> str:
    half = stats.t.ppf(0.975, len(pairs) - 1) * pairs.std(ddof=1) / np.sqrt(len(pairs))
    return f"{pairs.mean():+.2f} ± {half:.2f}"


def _reached(results: dict[str, Any], space: str, method: str) -> str:
    """The cost at which the mean over seeds reaches random search's last."""
    last = curves(results, space, "random", [max(COSTS)]).mean()
    costs = np.arange(1, max(COSTS) + 1)
    reached = costs[curves(results, space, method, costs).mean(axis=0) >= last]
    return str(reached[0]) if len(reached) else "never"


def figure(results: dict[str, Any]) -> Figure:
    """Means over seeds of what was found, against cost."""
    costs = np.arange(COSTS[0], max(COSTS) + 1)  # before, most have hardly begun
    lines = {
        space: {
            method: Line(costs, found.mean(axis=0))
            for method in METHODS
            if len(found := curves(results, space, method, costs))
        }
        for space in results
    }
    return line_plot(lines, {"xlabel": "cost in trainings", "ylabel": "test accuracy of the best found (%)"})


def plan(arguments: argparse.Namespace) -> Plan:
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    jobs = [
        ((space, method, str(seed)), partial(search, space, method, seed))
        for seed in range(arguments.seeds)
        for space in ("DeepNets-1M", "DARTS")
        for method in METHODS
    ]
    setting = {"networks": {space: len(pool(space).networks) for space in ("DeepNets-1M", "DARTS")}, "share": _SHARE}
    return Plan(setting, jobs, tables, figure)


main = partial(experiment, plan, {"--seeds": SEEDS})

if __name__ == "__main__":
    sys.exit(main())
