"""NSGA-II on a predictor against a random sample that is ranked by it: the Pareto front of accuracy and parameters.

``python -m tart_nas.experiments.front_search`` lets :func:`tart_nas.strategies.evolve` look for the front of the
predicted accuracy and the number of parameters in the DARTS space, beside regularized evolution of the accuracy alone
and a random sample, with as many predictions each. A front is measured by its hypervolume: the area that it dominates,
up to the worst of each objective in the random samples, as a share of the box between that and the best of each
objective that any method found. Nothing is trained.

The second table is of the latency predictor that a search fits to 32 networks that it times: Kendall's tau of its
predictions and the measured times of others, which a search sees of what it picks alone.
"""

import argparse
import sys
from collections.abc import Iterator, Sequence
from functools import cache, partial
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from rich.table import Table

from tart_nas.architecture import Architecture
from tart_nas.experiments.methods import ranking_tau
from tart_nas.experiments.runner import Plan, experiment, jobs_for
from tart_nas.experiments.tables import mean_and_spread, table
from tart_nas.layout import parameter_count
from tart_nas.predictors import Predictor
from tart_nas.runs.costs import Costs
from tart_nas.search_spaces import DartsSpace
from tart_nas.strategies import evolve, pareto_front

EVALUATIONS = (1000, 2500, 5000)  # of which the largest is half of a search's default number of candidates
SEEDS, TIMED_SEEDS = 5, 3
TIMED = 40  # networks whose predicted and measured latencies are compared; a seed takes a minute of a core
METHODS = ("random", "evolution of the accuracy", "NSGA-II")
PREDICTOR = "darts-cifar10"
FRONTS, LATENCY = "fronts", "latency"

Floats = npt.NDArray[np.float64]

_predictor = cache(Predictor.from_pretrained)


def objectives(architectures: Sequence[Architecture]) -> Floats:
    """The predicted accuracy in per cent and minus the millions of parameters, (n, 2)."""
    sizes = [parameter_count(architecture) / 1e6 for architecture in architectures]
    return np.stack([_predictor(PREDICTOR).predict(architectures), np.negative(sizes)], axis=1)


def searched(method: str, seed: int, evaluations: Sequence[int]) -> dict[str, Any]:
    """The fronts of the first candidates of a search, by their number; the worst of each objective among all."""
    space, n = DartsSpace(), max(evaluations)
    if method == "NSGA-II":
        found, _ = evolve(space, objectives, n, seed)
    elif method == "random":
        found = space.sample(n, seed)
    else:
        found, _ = evolve(space, _predictor(PREDICTOR).predict, n, seed)
    values = objectives(found)
    fronts = {str(k): values[:k][pareto_front(values[:k])].tolist() for k in evaluations}
    return {"fronts": fronts, "worst": values.min(axis=0).tolist()}


def latency(seed: int) -> dict[str, float]:
    """How the latency predictor of a search ranks networks that it has not seen, on this device."""
    networks = DartsSpace().sample(500, seed)
    costs = Costs(("latency_ms",), 10, 32, torch.device("cpu"), seed)
    costs.prepare(networks)
    others = DartsSpace().sample(TIMED, seed + 1000)
    measured = np.array([costs.measure(network) for network in others])
    predicted = costs.of(others)["latency_ms"]
    error = float(np.median(np.abs(predicted / measured - 1)))
    return {"tau": ranking_tau(predicted, measured), "error": error}


def hypervolume(front: Floats, worst: Floats) -> float:
    """The area that points (k, 2), of both of which more is better, dominate above a reference point."""
    points = np.unique(front[(front > worst).all(axis=1)], axis=0)[::-1]  # the best of the first objective first
    heights = np.maximum.accumulate(points[:, 1]) if len(points) else np.zeros(0)
    widths = points[:, 0] - np.append(points[1:, 0], worst[0])
    return float((widths * (heights - worst[1])).sum())


def tables(results: dict[str, Any]) -> Iterator[Table]:
    """The hypervolumes by number of predictions, and the differences to the random sample of the same seed."""
    fronts = results.get(FRONTS, {})
    if "random" in fronts:
        worst = np.min([entry["worst"] for entry in fronts["random"].values()], axis=0)
        points = [p for by_seed in fronts.values() for e in by_seed.values() for f in e["fronts"].values() for p in f]
        box = float(np.prod(np.max(points, axis=0) - worst))
        shares = {
            (method, seed, n): hypervolume(np.array(front), worst) / box
            for method, by_seed in fronts.items()
            for seed, entry in by_seed.items()
            for n, front in entry["fronts"].items()
        }
        counts = sorted({n for _, _, n in shares}, key=int)
        rows = []
        for method, by_seed in fronts.items():
            means = [mean_and_spread([shares[method, seed, n] for seed in by_seed]) for n in counts]
            gains = [
                shares[method, seed, counts[-1]] - shares["random", seed, counts[-1]]
                for seed in by_seed
                if seed in fronts["random"]
            ]
            ahead = "" if method == "random" else f"{sum(gain > 0 for gain in gains)} of {len(gains)}"
            rows.append((method, *means, ahead))
        titles = [f"{int(n):,} predictions" for n in counts]
        yield table(("hypervolume", *titles, "seeds ahead of random"), rows)
    if times := results.get(LATENCY, {}):
        columns = [mean_and_spread([value[name] for value in times.values()]) for name in ("tau", "error")]
        title = f"latency predictor of a search, on {TIMED} other networks, {len(times)} seeds"
        yield table(("", "Kendall tau", "median relative error"), [("32 timed networks", *columns)], title)


def plan(arguments: argparse.Namespace) -> Plan:
    counts = [n for n in EVALUATIONS if n <= arguments.evaluations] or [arguments.evaluations]
    jobs = jobs_for(partial(searched, evaluations=counts), METHODS, range(arguments.seeds), under=(FRONTS,))
    jobs += jobs_for(latency, range(arguments.timed_seeds), under=(LATENCY,))
    setting = {"evaluations": counts, "predictor": _predictor(PREDICTOR).identity}
    return Plan(setting, jobs, tables)


main = partial(
    experiment,
    plan,
    {
        "--evaluations": (max(EVALUATIONS), "most predictions"),
        "--seeds": (SEEDS, "of the fronts"),
        "--timed-seeds": (TIMED_SEEDS, "of the latency predictor"),
    },
)

if __name__ == "__main__":
    sys.exit(main())
