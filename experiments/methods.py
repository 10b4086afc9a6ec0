"""Predictors that experiments compare: their settings, and how well one ranks architectures that it has not seen."""

import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.stats import kendalltau

from tart_nas.predictors import LabelledData, Predictor
from tart_nas.predictors.pretraining import pretrained
from tart_nas.search_spaces import DartsSpace

__all__ = [
    "PUBLISHED_SIZES",
    "SMALL_TRANSFORMERS",
    "Task",
    "fit_method",
    "folds",
    "rank_unseen",
    "ranking_tau",
]

Rows = npt.NDArray[np.int64]

_LARGE_STEPS = {"epochs": 100, "batch": 16, "learning_rate": 1e-3}

PUBLISHED_SIZES: dict[str, dict[str, Any]] = {
    "Neural Predictor, 300 epochs": {"kind": "neural-predictor"},
    "pure transformer, 12 layers": {"kind": "pure-transformer", **_LARGE_STEPS},
    "TART, graph, 6 layers": {"kind": "tart-graph", "width": 64, "layers": 6, "features": "full", **_LARGE_STEPS},
}
"""Methods with the layers of the TART paper, fitted in batches of 16. Experiments leave them out unless they are named,
since a fit to 240 networks of DeepNets-1M takes some two minutes on a GPU and ten on one CPU core."""

SMALL_TRANSFORMERS: dict[str, dict[str, Any]] = {
    "pure transformer": {"kind": "pure-transformer", "width": 32, "layers": 4},
    "TART, graph": {"kind": "tart-graph"},
}
"""Small networks, by default 100 epochs in batches of 4: a fit to 240 networks of DeepNets-1M takes some three minutes
on one CPU core."""


@dataclass(frozen=True, eq=False)
class Task:
    """Some architectures of a data set to learn from and others to rank.

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


def fit_method(
    method: Mapping[str, Any], train: LabelledData, test: LabelledData, seed: int, device: str | None = "cpu"
) -> Predictor:
    """Fits a method.

    Args:
        method: ``kind`` and settings of a predictor; with ``"init": "structure"`` it starts from one that was
            pretrained on structure, without labels.
        train: what is learned from.
        test: what will be asked; only the architectures are looked at, to extend the scope. Of a random split some
            lie outside the ranges of the training set.
        seed: of the fit.
        device: of what can be computed elsewhere than on the CPU; None for a GPU when there is one.
    """
    settings = {name: value for name, value in method.items() if name not in ("kind", "init")}
    return (
        Predictor(method["kind"], **settings)
        .to(device)
        .fit(
            train.architectures,
            train.targets,
            seed=seed,
            auxiliary=train.auxiliary,
            init=_pretrained_on_structure(method["kind"]) if "init" in method else None,
            label_size=train.label_size,
            extend_scope=test.architectures,
        )
    )


def rank_unseen(
    method: Mapping[str, Any], train: LabelledData, test: LabelledData, seed: int, device: str | None = "cpu"
) -> dict[str, float]:
    """Fits a method to data with one target and compares its predictions of other architectures.

    Returns:
        Kendall's tau of the predictions; the seconds of the fit; the predictions per second; the two sizes.

    Raises:
        PredictorError: if the training set cannot be learned from.
    """
    start = time.perf_counter()
    predictor = fit_method(method, train, test, seed, device)
    fitted = time.perf_counter()
    scores = predictor.predict(test.architectures)
    (truth,) = test.targets.values()
    return {
        "tau": ranking_tau(scores, truth),
        "fit_seconds": fitted - start,
        "scores_per_second": len(scores) / (time.perf_counter() - fitted),
        "train": len(train.architectures),
        "test": len(scores),
    }


def ranking_tau(scores: npt.ArrayLike, truth: npt.ArrayLike) -> float:
    """Kendall's tau, 0 where all scores are equal."""
    return float(np.nan_to_num(kendalltau(scores, truth).statistic))


@lru_cache
def _pretrained_on_structure(kind: str) -> Predictor:
    return pretrained(DartsSpace().sample(10_000, seed=1), kind, seed=1)
