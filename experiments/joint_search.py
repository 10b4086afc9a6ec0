"""Architecture and training searched together: what a learning rate does to the search for an architecture.

``python -m tart_nas.experiments.joint_search DATA`` runs studies of 60 trials on the labelled architectures of DATA,
the task ``table`` of :mod:`tart_nas.experiments.optuna_gain`. Beside the architecture a study suggests a learning rate
from 1e-4 to 1. The value of a trial is the label less ``strength * (log10(rate) + 1.5) ** 2``:

``none``: no such parameter. ``weak``: strength 0.1, up to 0.6 points. ``strong``: strength 1, up to 6 points; the
labels of all networks are within some 5.

``GP`` and ``random forest``, *same candidates*, see the candidates that TartSampler draws (half of them mutations of
the ten best), each with a random rate, and take the one with the greatest expected improvement by scikit-learn's model
of which operation stands on which edge. They tell what the surrogate model is worth beside the candidates. ``SMAC3``
runs only where ``--only SMAC3`` names it, since it is no dependency.
"""

import argparse
import math
import sys
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import numpy as np
import numpy.typing as npt
import optuna
from optuna.samplers import BaseSampler, RandomSampler, TPESampler
from rich.table import Table

from tart_nas.experiments.optuna_gain import TableSpace, edge_features
from tart_nas.experiments.runner import DATA, Plan, experiment, jobs_for
from tart_nas.experiments.smac_search import SMAC, values_by_smac
from tart_nas.experiments.tables import table
from tart_nas.predictors import read_labelled
from tart_nas.strategies.acquisition import acquire
from tart_nas.strategies.optuna_plugin import TartSampler, suggest_architecture
from tart_nas.strategies.optuna_plugin.candidates import drawn_by_space

Floats = npt.NDArray[np.float64]

STRENGTHS = {"none": None, "weak": 0.1, "strong": 1.0}
_TRIALS = 60
_STEPS = (20, 40, 60)
_STARTUP = 10  # random trials, as of TartSampler

SAMPLERS: dict[str, Callable[[TableSpace, int], BaseSampler]] = {
    "random": lambda space, seed: RandomSampler(seed=seed),
    "TPE": lambda space, seed: TPESampler(seed=seed),
    "TartSampler": lambda space, seed: TartSampler(space=space, seed=seed),
    "TartSampler, rate by TPE": lambda space, seed: TartSampler(space=space, base=TPESampler(seed=seed), seed=seed),
}
MODELS = ("GP, same candidates", "random forest, same candidates")


class Task:
    """Architectures with their labels, and what a rate does to them."""

    def __init__(self, architectures: Any, targets: Floats) -> None:
        self.space = TableSpace(architectures)
        self._labels = dict(zip(architectures, np.asarray(targets).tolist(), strict=True))

    def value(self, architecture: Any, rate: float, strength: float | None) -> float:
        """Of a trial."""
        return float(self._labels[architecture]) - (strength or 0.0) * (math.log10(rate) + 1.5) ** 2

    def search(self, effect: str, method: str, seed: int) -> list[float]:
        """The best value after each of some numbers of trials."""
        strength = STRENGTHS[effect]
        if method == SMAC:
            value = partial(self.value, strength=strength)
            values = values_by_smac(self.space, value, _TRIALS, seed, has_rate=strength is not None)
        else:
            search = self._by_sampler if method in SAMPLERS else self._by_model
            values = search(method, strength, seed)
        return [round(float(max(values[:n])), 4) for n in _STEPS]

    def _by_sampler(self, method: str, strength: float | None, seed: int) -> list[float]:
        """The values of all trials of a study."""

        def objective(trial: optuna.Trial) -> float:
            architecture = suggest_architecture(trial, self.space)
            rate = 1.0 if strength is None else trial.suggest_float("rate", 1e-4, 1, log=True)
            return self.value(architecture, rate, strength)

        study = optuna.create_study(direction="maximize", sampler=SAMPLERS[method](self.space, seed))
        study.optimize(objective, n_trials=_TRIALS)
        return [trial.value or 0.0 for trial in study.trials]

    def _by_model(self, method: str, strength: float | None, seed: int) -> list[float]:
        """The same, of a plain model on TartSampler's candidates."""
        rng = np.random.default_rng(seed)
        rows: list[Floats] = []
        tried: list[Any] = []
        values: list[float] = []
        while len(values) < _TRIALS:
            parents = [tried[i] for i in np.argsort(values)[::-1][:10]] if len(values) >= _STARTUP else []
            pool = [a for a in drawn_by_space(self.space, 500, rng, parents) if strength is not None or a not in tried]
            logs = rng.uniform(-4, 0, len(pool))
            features = np.array([_row(a, log, strength) for a, log in zip(pool, logs.tolist(), strict=True)])
            place = 0
            if len(values) >= _STARTUP:
                mean, std = _predicted(method, np.array(rows), np.array(values), features, seed)
                place = int(acquire("expected-improvement", mean, std, max(values), rng).argmax())
            rows.append(features[place])
            tried.append(pool[place])
            values.append(self.value(pool[place], 10 ** float(logs[place]), strength))
        return values


def _row(architecture: Any, log: float, strength: float | None) -> Floats:
    edges = edge_features(architecture)
    return edges if strength is None else np.append(edges, 3 * (log + 4) / 4)  # as wide as some three edges apart


def _predicted(method: str, rows: Floats, values: Floats, asked: Floats, seed: int) -> tuple[Floats, Floats]:
    """Means and standard deviations, in the values' unit."""
    from sklearn.ensemble import RandomForestRegressor
    from sklearn.gaussian_process import GaussianProcessRegressor
    from sklearn.gaussian_process.kernels import ConstantKernel, Matern, WhiteKernel

    center, scale = values.mean(), values.std() or 1.0
    targets = (values - center) / scale
    if method.startswith("GP"):
        kernel = ConstantKernel() * Matern(length_scale=5.0, nu=2.5) + WhiteKernel(0.1)
        mean, std = GaussianProcessRegressor(kernel, random_state=seed).fit(rows, targets).predict(asked, True)
    else:
        forest = RandomForestRegressor(100, min_samples_leaf=3, random_state=seed).fit(rows, targets)
        each = np.array([tree.predict(asked) for tree in forest.estimators_])
        mean, std = each.mean(axis=0), each.std(axis=0)
    return center + scale * mean, scale * std


def tables(results: dict[str, Any]) -> Iterator[Table]:
    """For each effect, means over seeds, and how often the last is at least TPE's of the same seed."""
    for effect in results:
        rows, of_tpe = [], results[effect].get("TPE", {})
        for method, of_seeds in results[effect].items():
            means = np.mean(list(of_seeds.values()), axis=0)
            both = of_seeds.keys() & of_tpe.keys()
            wins = sum(of_seeds[seed][-1] >= of_tpe[seed][-1] for seed in both)
            rows.append((method, *(f"{mean:.3f}" for mean in means), f"{wins} of {len(both)}"))
        yield table(("best after", *map(str, _STEPS), "no worse than TPE"), rows, f"effect of the rate: {effect}")


def plan(arguments: argparse.Namespace) -> Plan:
    architectures, targets, description = read_labelled(arguments.data)
    task = Task(architectures, targets)
    jobs = jobs_for(task.search, STRENGTHS, (*SAMPLERS, *MODELS, SMAC), range(arguments.seeds))
    return Plan({"data": description}, jobs, tables, by_name=(SMAC,), about={"optuna": optuna.__version__})


main = partial(experiment, plan, {**DATA, "--seeds": 10})


if __name__ == "__main__":
    sys.exit(main())
