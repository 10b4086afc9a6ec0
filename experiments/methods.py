"""Predictors that experiments compare: their settings, tasks, and how well one ranks what it has not seen."""

import json
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache, partial
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.stats import kendalltau, norm

from tart_nas.experiments.runner import Job
from tart_nas.predictors import LabelledData, Predictor
from tart_nas.predictors.models.ensemble import combined
from tart_nas.predictors.pretraining import pretrained
from tart_nas.search_spaces import DartsSpace

__all__ = [
    "PUBLISHED_SIZES",
    "SMALL_TRANSFORMERS",
    "Measurement",
    "Method",
    "Task",
    "fold_tasks",
    "folds",
    "ranking_tau",
]

Floats = npt.NDArray[np.float64]
Rows = npt.NDArray[np.int64]

Method = Mapping[str, Any]
"""``kind`` and settings of a predictor. With ``"init": "structure"`` it starts from one that was pretrained on
structure, without labels."""

_LARGE_STEPS = {"epochs": 100, "batch": 16, "learning_rate": 1e-3}

PUBLISHED_SIZES: dict[str, Method] = {
    "Neural Predictor, 300 epochs": {"kind": "neural-predictor"},
    "pure transformer, 12 layers": {"kind": "pure-transformer", **_LARGE_STEPS},
    "TART, graph, 6 layers": {"kind": "tart-graph", "width": 64, "layers": 6, "features": "full", **_LARGE_STEPS},
}
"""Methods with the layers of the TART paper, fitted in batches of 16. Experiments leave them out unless they are named,
since a fit to 240 networks of DeepNets-1M takes some two minutes on a GPU and ten on one CPU core."""

SMALL_TRANSFORMERS: dict[str, Method] = {
    "pure transformer": {"kind": "pure-transformer", "width": 32, "layers": 4},
    "TART, graph": {"kind": "tart-graph"},
}
"""Small networks, by default 100 epochs in batches of 4: a fit to 240 networks of DeepNets-1M takes some three minutes
on one CPU core."""


@dataclass(frozen=True, eq=False)
class Task:
    """Some architectures of a data set to learn from, and others to rank.

    Args:
        name: unique, such as ``"100/2"``.
        seed: of the fit.
        train: indices.
        test: indices.
    """

    name: str
    seed: int
    train: Rows
    test: Rows


def folds(size: int, count: int, repeat: int = 0) -> Iterator[tuple[Rows, Rows]]:
    """Train and test indices of a cross-validation, those of :func:`tart_nas.predictors.cross_validate`."""
    for test in np.array_split(np.random.default_rng(repeat).permutation(size), count):
        yield np.setdiff1d(np.arange(size), test), test


def fold_tasks(size: int, count: int, repeat: int = 0, first_seed: int = 0, start: str = "") -> Iterator[Task]:
    """The tasks of one cross-validation, named by the number of the fold behind ``start``; each has its own seed."""
    for fold, (train, test) in enumerate(folds(size, count, repeat)):
        yield Task(f"{start}{fold}", first_seed + fold, train, test)


@dataclass(frozen=True)
class _Outcome:
    """What a method predicts of a task's test architectures: means and standard deviations (targets, m)."""

    mean: Floats
    std: Floats
    fit_seconds: float
    score_seconds: float


class Measurement:
    """Measures methods on tasks of one data set.

    Fits are deterministic, so an ensemble is put together from what its members predicted where they were measured on
    the same task just before: what comes out is the same as of a fit of its own.

    Args:
        data: labelled architectures.
        device: of what can be computed elsewhere than on the CPU; None for a GPU when there is one.
    """

    def __init__(self, data: LabelledData, device: str | None = "cpu") -> None:
        self._data, self._device = data, device
        self._outcome = lru_cache(maxsize=16)(self._predicted)

    def jobs(
        self,
        methods: Mapping[str, Method],
        tasks: Iterable[Task],
        is_measured: Callable[[str, str], bool] = lambda method, task: True,
    ) -> list[Job]:
        """What measures each method on each task, all methods on the first task before any on the second.

        Args:
            methods: by name.
            tasks: the place of a result is the name of its method and that of its task.
            is_measured: whether a method, by its name, is measured on a task, by its name.
        """
        return [
            ((name, task.name), partial(self.of, method, task))
            for task in tasks
            for name, method in methods.items()
            if is_measured(name, task.name)
        ]

    def of(self, method: Method, task: Task) -> dict[str, float]:
        """Fits a method to a task's labels and judges its predictions of the others.

        Returns:
            ``tau``, Kendall's; ``top``, the share of the true best 10 % that is among the predicted best 10 %;
            ``regret``, how far the best of the 10 with the highest predictions lies below the true best, in the
            targets' unit; ``coverage``, the share of targets within the 90 % interval of their prediction, where the
            method tells one. Of several targets only Kendall's tau of each, by name. ``fit_seconds`` and
            ``scores_per_second``.

        Raises:
            PredictorError: if the labels cannot be learned from.
        """
        outcome = self._outcome(json.dumps(method), task)
        seconds = {
            "fit_seconds": outcome.fit_seconds,
            "scores_per_second": outcome.mean.shape[1] / outcome.score_seconds,
        }
        truths = {name: values[task.test] for name, values in self._data.targets.items()}
        if len(truths) > 1:
            taus = (ranking_tau(*pair) for pair in zip(outcome.mean, truths.values(), strict=True))
            return {**dict(zip(truths, taus, strict=True)), **seconds}
        (scores,), (std,), (truth,) = outcome.mean, outcome.std, truths.values()
        tenth = max(1, len(truth) // 10)
        judged = {
            "tau": ranking_tau(scores, truth),
            "top": len(np.intersect1d(np.argsort(-truth)[:tenth], np.argsort(-scores)[:tenth])) / tenth,
            "regret": float(truth.max() - truth[np.argsort(-scores)[:10]].max()),
        }
        if np.isfinite(std).all():
            judged["coverage"] = float((np.abs(truth - scores) <= norm.ppf(0.95) * std).mean())
        return judged | seconds

    def _predicted(self, method: str, task: Task) -> _Outcome:
        settings = json.loads(method)
        kind, init = settings.pop("kind"), settings.pop("init", None)
        if kind == "ensemble":
            parts = [self._outcome(json.dumps(member), task) for member in settings["members"]]
            both = np.stack([p.mean for p in parts]), np.stack([p.std for p in parts])
            mean, std = combined(*both, settings.get("weights", "precision"))
            return _Outcome(mean, std, sum(p.fit_seconds for p in parts), sum(p.score_seconds for p in parts))
        train, asked = self._data.take(task.train), self._data.take(task.test).architectures
        start = time.perf_counter()
        predictor = Predictor(kind, **settings).to(self._device)
        predictor.fit(
            train.architectures,
            train.targets,
            seed=task.seed,
            auxiliary=train.auxiliary,
            init=_pretrained_on_structure(kind) if init else None,
            label_size=train.label_size,
            extend_scope=asked,  # of a random split some lie outside the ranges of the training set
        )
        fitted = time.perf_counter()
        pairs = [predictor.predict(asked, return_std=True, target=name) for name in train.targets]
        means, stds = (np.stack(parts) for parts in zip(*pairs, strict=True))
        return _Outcome(means, stds, fitted - start, time.perf_counter() - fitted)


def ranking_tau(scores: npt.ArrayLike, truth: npt.ArrayLike) -> float:
    """Kendall's tau, 0 where all scores are equal."""
    return float(np.nan_to_num(kendalltau(scores, truth).statistic))


@lru_cache
def _pretrained_on_structure(kind: str) -> Predictor:
    return pretrained(DartsSpace().sample(10_000, seed=1), kind, seed=1)
