"""What the predictor buys: its top 10 of 10,000 candidates and 10 random ones, trained alike on CIFAR-10.

``python -m tart_nas.experiments.search_gain --data-dir CIFAR10`` samples the candidates of two spaces, DARTS' and the
``search`` split's of DeepNets-1M, scores each with its space's bundled predictor, draws 10 at random, whatever their
scores, and trains and measures both tens by :func:`tart_nas.measurements.measure`. Each network is written as soon as
it is known, into ``experiments/labels/search-gain-...``; the same command goes on where another stopped.

The budget is the same for all networks of a space: 8 channels and images of 16x16, as for the labels in
``experiments/labels``, but several times as many images, since the labels' budget ranks DARTS networks unstably. Of
each ten the network of the best *validation* accuracy is the one that a search would return; what is compared are
accuracies on test images, which choose nothing.

The difference of the means has the 95 % interval of Welch's t-test. That of the best ones is what was found, plus and
minus 1.96 standard deviations of a parametric bootstrap: it draws both tens again, from normal distributions of
validation and test accuracy fitted to each, and chooses again by validation accuracy. Drawing the ten themselves again,
with replacement, never finds a better one than they have: such intervals cover the truth in 80 to 87 % of simulated
cases, these in 93 % or more. All networks are trained once, with the same seed: the intervals are about other
candidates and chances of training, of which each network has had one.
"""

import argparse
import json
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from rich.console import Console
from rich.table import Table
from scipy.stats import ttest_1samp, ttest_ind

from tart_nas.drawing import save_figure
from tart_nas.experiments.measure_labels import LABELS
from tart_nas.experiments.plots import panels
from tart_nas.experiments.runner import Options, command
from tart_nas.experiments.tables import table
from tart_nas.files import replacing
from tart_nas.measurements import MeasuringSettings, measure, read_label_file
from tart_nas.predictors import Predictor
from tart_nas.search_spaces import DartsSpace, DeepNets1MSpace
from tart_nas.strategies import top_k
from tart_nas.training import TrainingRecipe

CANDIDATES, PICKED, SEED = 10_000, 10, 0
GROUPS = ("random", "top")
_RESAMPLES = 10_000


@dataclass(frozen=True)
class Task:
    """A space, what ranks its candidates and how they are trained.

    Args:
        space: what candidates are sampled from.
        predictor: the name of a bundled one.
        settings: how networks are trained and measured.
    """

    space: DartsSpace | DeepNets1MSpace
    predictor: str
    settings: MeasuringSettings


_settings = partial(
    MeasuringSettings,
    dataset="cifar10",
    C=8,
    image_size=16,
    train_images=10_000,
    validation_images=2000,
    test_images=4000,
)
_recipe = partial(TrainingRecipe, batch_size=64, lr=0.1, crop=2)
TASKS = {
    "darts": Task(
        DartsSpace(), "darts-cifar10", _settings(recipe=_recipe(epochs=5), n_cells=5, track_running_stats=True)
    ),
    "deepnets1m": Task(DeepNets1MSpace("search"), "deepnets1m-cifar10", _settings(recipe=_recipe(epochs=4))),
}
"""What is measured; budgets were chosen by how long they take, before any result was known."""


def picked(task: Task, group: str) -> tuple[dict[int, Any], dict[int, float]]:
    """The networks of a ten by their place among the candidates, and the predictor's scores of them.

    Random ones are drawn without a look at the scores, and have none here.
    """
    candidates = task.space.sample(CANDIDATES, SEED)
    if group == "random":
        # From all candidates: unlike in a search, a network may be in both tens.
        places = np.random.default_rng(SEED).choice(CANDIDATES, size=PICKED, replace=False).tolist()
        return {place: candidates[place] for place in places}, {}
    scores = Predictor.from_pretrained(task.predictor).predict(candidates)
    places = top_k(scores, PICKED)
    return {place: candidates[place] for place in places}, {place: float(scores[place]) for place in places}


def measured(labels: Path, name: str) -> dict[str, Any] | None:
    """What is known of a space's networks so far; None where one of the groups has less than two."""
    found = {}
    for group in GROUPS:
        path = _folder(labels, name, group) / "labels.json"
        about, values, failed = read_label_file(path, group) if path.is_file() else ({}, {}, {})
        if len(values) < 2:
            return None
        source = dict(about["networks"])
        scores, places = source.pop("scores"), source.pop("places")
        found[group] = {
            "networks": [
                {"candidate": place, "score": scores.get(str(place))}
                | {key: values[place][key] for key in ("val_acc", "test_acc", "params", "trained_params")}
                for place in places
                if place in values
            ],
            "failed": failed,
            "source": source,
        }
    return found


def compared(groups: Mapping[str, Sequence[Mapping[str, float]]]) -> dict[str, Any]:
    """The difference of the means and of the best, in points of test accuracy.

    Args:
        groups: for ``"random"`` and ``"top"``, at least two networks each with ``val_acc`` and ``test_acc``.
    """
    rng, test, best, again = np.random.default_rng(SEED), {}, {}, {}
    for group in GROUPS:
        both = np.array([[network["val_acc"], network["test_acc"]] for network in groups[group]]).T  # (2, networks)
        test[group], best[group] = both[1], float(both[1, both[0].argmax()])
        drawn = rng.multivariate_normal(both.mean(axis=1), np.cov(both), size=(_RESAMPLES, both.shape[1]))
        again[group] = drawn[np.arange(_RESAMPLES), drawn[..., 0].argmax(axis=1), 1]
    interval = ttest_ind(test["top"], test["random"], equal_var=False).confidence_interval(0.95)
    difference, of_best = float(test["top"].mean() - test["random"].mean()), best["top"] - best["random"]
    margin = 1.96 * float((again["top"] - again["random"]).std())
    pairs = np.sign(test["top"][:, None] - test["random"])
    return {
        "mean": {group: float(test[group].mean()) for group in GROUPS},
        "mean_difference": difference,
        "mean_interval": np.nan_to_num([interval.low, interval.high], nan=difference).tolist(),  # where nothing varies
        "best": best,
        "best_difference": of_best,
        "best_interval": [of_best - margin, of_best + margin],
        "pairs_won": float((pairs > 0).mean() + (pairs == 0).mean() / 2),
    }


def summary(results: Mapping[str, Any]) -> Table:
    """Means and best ones of each space, and what they differ by."""
    rows = []
    for name, result in results.items():
        comparison = result["comparison"]
        for what, label in (("mean", "mean"), ("best", "best by validation")):
            low, high = comparison[f"{what}_interval"]
            means = [f"{comparison[what][group]:.2f} (of {len(result[group]['networks'])})" for group in GROUPS]
            difference = f"{comparison[f'{what}_difference']:+.2f}"
            rows.append((f"{name}, {TASKS[name].predictor}: {label}", *means, difference, f"{low:+.2f} to {high:+.2f}"))
    return table(("test accuracy, %", *GROUPS, "difference", "95 % interval"), rows)


def figure(results: Mapping[str, Any]) -> Figure:
    """Every network's test accuracy, the means with their own 95 % intervals, the best by validation."""
    drawn, all_axes = panels([f"{name}, {TASKS[name].predictor}" for name in results], 5.4, 4.2)
    for axes, result in zip(all_axes, results.values(), strict=True):
        for place, group in enumerate(GROUPS):
            validation, test = (
                np.array([n[key] for n in result[group]["networks"]]) for key in ("val_acc", "test_acc")
            )
            x, best = place - 0.1 + 0.02 * (np.arange(len(test)) - len(test) / 2), int(validation.argmax())
            axes.scatter(x, test, color=f"C{place}", alpha=0.75, s=28, linewidths=0)
            axes.scatter(x[best], test[best], s=110, facecolors="none", edgecolors="black")
            low, high = ttest_1samp(test, 0).confidence_interval(0.95)
            error = [[test.mean() - low], [high - test.mean()]]
            axes.errorbar(place + 0.2, test.mean(), error, color=f"C{place}", marker="D", capsize=4)
        axes.set_xticks(range(len(GROUPS)), GROUPS)
        axes.set(xlim=(-0.5, 1.5), ylabel="test accuracy on CIFAR-10, reduced budget (%)")
    drawn.supxlabel("diamonds: means with 95 % intervals; circled: best by validation accuracy", fontsize=8)
    return drawn


def run(arguments: argparse.Namespace, console: Console) -> None:
    """Measures what is missing, writes the result and the figure, prints the table."""
    for name, group in [(name, group) for name in arguments.spaces for group in GROUPS]:
        task = TASKS[name]
        networks, scores = picked(task, group)
        source: dict[str, Any] = {"space": task.space.name, **task.space.settings, "candidates": CANDIDATES}
        source |= {"seed": SEED, "picked": group, "places": list(networks), "scores": scores}
        if group == "top":
            source["predictor"] = Predictor.from_pretrained(task.predictor).identity
        measure(
            networks,
            task.settings,
            out=_folder(arguments.labels, name, group),
            group=group,
            source=source,
            data_dir=arguments.data_dir,
            at_most=arguments.at_most,
            progress=True,
        )
    results = {name: found for name in TASKS if (found := measured(arguments.labels, name)) is not None}
    for name, result in results.items():
        comparison = compared({group: result[group]["networks"] for group in GROUPS})
        result |= {"settings": TASKS[name].settings.to_dict(), "comparison": comparison}
    with replacing(arguments.out) as temporary:
        temporary.write_text(json.dumps({"results": results}, indent=1, allow_nan=False) + "\n")
    if results:
        console.print(summary(results))
        console.print(f"{arguments.out}, {save_figure(figure(results), arguments.out.with_suffix('.png'))}")


def _folder(labels: Path, name: str, group: str) -> Path:
    return labels / f"search-gain-{name}-{group}"


MEASURING: Options = {
    "--data-dir": (Path, "where CIFAR-10 is; downloaded by default"),
    "--labels": (LABELS, "where the folders of the measurements are"),
    "--at-most": (int, "train so many networks of each ten now"),
}
OPTIONS = {
    **MEASURING,
    "--out": Path(__file__).with_suffix(".json"),
    "--spaces": ({"nargs": "*", "choices": TASKS, "default": [*TASKS]}, "none: only the table"),
}
main = partial(command, __doc__, OPTIONS, run)

if __name__ == "__main__":
    sys.exit(main())
