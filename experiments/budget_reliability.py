"""How well a small budget ranks networks, and what it costs: the budgets of ``--budget`` that one CPU core affords.

``python -m tart_nas.experiments.budget_reliability`` reads the labels in ``experiments/labels`` and prints for
each space and budget Kendall's tau of test accuracies

- between two trainings of the same 20 networks with different seeds (40 of the DARTS space at ``small``),
- between the networks that were trained with both budgets,
- in the DARTS space with the predictions of ``darts-cifar10``, which knows full training.

Standard deviations are of 1,000 bootstrap samples of the networks. The cost is what the epochs of a training took on
one thread of a shared machine: the median of all networks.
"""

import argparse
import statistics
import sys
from collections.abc import Iterator
from functools import partial
from typing import Any

from rich.table import Table

from tart_nas.experiments.label_targets import (
    SPACES,
    TARGETS,
    labels_in,
    labels_of,
    repeated,
    tau,
    with_full_training,
)
from tart_nas.experiments.runner import Job, Plan, experiment
from tart_nas.experiments.tables import table

FOLDERS = {
    ("DeepNets-1M", "tiny"): ("deepnets1m-tiny",),
    ("DeepNets-1M", "small"): SPACES["DeepNets-1M"],
    ("DARTS", "tiny"): ("darts-tiny",),
    ("DARTS", "small"): SPACES["DARTS"],
}
"""The folders of the labels of a space and a budget; the repeats are beside them."""

_TEST = TARGETS["test accuracy"]


def between_budgets(space: str) -> dict[str, float]:
    """How well the tiny budget ranks networks as the small one does."""
    tiny, small = (labels_of(FOLDERS[space, budget][0]) for budget in ("tiny", "small"))
    both = sorted(tiny.keys() & small.keys())
    return tau(*([_TEST(labels[i]) for i in both] for labels in (tiny, small)))


def seconds(space: str, budget: str) -> float:
    """What the epochs of a training took, in seconds of one thread: the median of all networks."""
    labels = labels_in(FOLDERS[space, budget])
    return float(statistics.median(sum(label["curve"]["seconds"]) for label in labels))


def tables(results: dict[str, Any]) -> Iterator[Table]:
    """A row for each space and budget."""
    rows = []
    for space, budget in FOLDERS:
        found = results.get(space, {}).get(budget, {})
        taus = [found.get(name) for name in ("repeats", "small budget", "full training")]
        texts = ["" if value is None else f"{value['mean']:.2f} ± {value['std']:.2f}" for value in taus]
        rows.append((space, budget, *texts, f"{found['seconds']:.0f}" if "seconds" in found else ""))
    yield table(("space", "budget", "repeats", "the small budget", "full training", "seconds a network"), rows)


def plan(arguments: argparse.Namespace) -> Plan:
    """What is measured: nothing is trained, all is read from the labels."""
    jobs: list[Job] = []
    for (space, budget), folders in FOLDERS.items():
        jobs.append(((space, budget, "repeats"), partial(repeated, _TEST, folders)))
        jobs.append(((space, budget, "seconds"), partial(seconds, space, budget)))
        if budget == "tiny":
            jobs.append(((space, budget, "small budget"), partial(between_budgets, space)))
        if space == "DARTS":
            jobs.append(((space, budget, "full training"), partial(with_full_training, _TEST, folders)))
    return Plan({"target": "test accuracy"}, jobs, tables)


main = partial(experiment, plan, {})

if __name__ == "__main__":
    sys.exit(main())
