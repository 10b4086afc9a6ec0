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
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import optuna
from matplotlib.figure import Figure
from rich.console import Console
from rich.table import Table
from scipy.stats import ttest_1samp, ttest_ind

from tart_nas.drawing import save_figure
from tart_nas.experiments.command import exit_status
from tart_nas.files import replacing
from tart_nas.measurements import MeasuringSettings, measure, read_label_file
from tart_nas.predictors import Predictor
from tart_nas.search_spaces import DartsSpace, DeepNets1MSpace
from tart_nas.strategies import top_k
from tart_nas.training import TrainingRecipe

__all__ = ["GROUPS", "TASKS", "Task", "compared", "draw", "main", "picked", "table"]

Floats = npt.NDArray[np.float64]

CANDIDATES, PICKED, SEED = 10_000, 10, 0
GROUPS = ("random", "top")
LABELS = Path(__file__).parent / "labels"

_IMAGES: dict[str, Any] = {
    "dataset": "cifar10",
    "C": 8,
    "image_size": 16,
    "train_images": 10_000,
    "validation_images": 2000,
    "test_images": 4000,
}
_RESAMPLES = 10_000


@dataclass(frozen=True)
class Task:
    """A space, what ranks its candidates and how they are trained.

    Args:
        title: for the table and the figure.
        space: what candidates are sampled from.
        predictor: the name of a bundled one.
        settings: how networks are trained and measured.
    """

    title: str
    space: DartsSpace | DeepNets1MSpace
    predictor: str
    settings: MeasuringSettings


TASKS = {
    "darts": Task(
        "DARTS, darts-cifar10",
        DartsSpace(),
        "darts-cifar10",
        MeasuringSettings(
            recipe=TrainingRecipe(epochs=5, batch_size=64, lr=0.1, crop=2),
            n_cells=5,
            track_running_stats=True,
            **_IMAGES,
        ),
    ),
    "deepnets1m": Task(
        "DeepNets-1M search, deepnets1m-cifar10",
        DeepNets1MSpace("search"),
        "deepnets1m-cifar10",
        MeasuringSettings(recipe=TrainingRecipe(epochs=4, batch_size=64, lr=0.1, crop=2), **_IMAGES),
    ),
}
"""What is measured; budgets were chosen by how long they take, before any result was known."""


def picked(task: Task, group: str) -> tuple[dict[int, Any], dict[int, float]]:
    """The networks of a ten by their place among the candidates, and the predictor's scores of them.

    Random ones are drawn without a look at the scores, and have none here.
    """
    candidates = task.space.sample(CANDIDATES, SEED)
    if group == "random":
        places = np.random.default_rng(SEED).choice(CANDIDATES, size=PICKED, replace=False).tolist()
        return {place: candidates[place] for place in places}, {}
    scores = Predictor.from_pretrained(task.predictor).predict(candidates)
    places = top_k(scores, PICKED)
    return {place: candidates[place] for place in places}, {place: float(scores[place]) for place in places}


def measured(labels: Path, name: str) -> dict[str, Any] | None:
    """What is known of a space's networks so far; None where nothing of one of the groups is."""
    found = {}
    for group in GROUPS:
        path = _folder(labels, name, group) / "labels.json"
        about, values, failed = read_label_file(path, group) if path.is_file() else ({}, {}, {})
        if not values:
            return None
        scores = about["networks"]["scores"]
        values = {place: values[place] for place in about["networks"]["places"] if place in values}
        found[group] = {
            "networks": [
                {"candidate": place, "score": scores.get(str(place))}
                | {key: label[key] for key in ("val_acc", "test_acc", "params", "trained_params")}
                for place, label in values.items()
            ],
            "failed": failed,
            "source": {key: value for key, value in about["networks"].items() if key not in ("scores", "places")},
        }
    return found


def compared(groups: Mapping[str, Sequence[Mapping[str, float]]]) -> dict[str, Any]:
    """The difference of the means and of the best, in points of test accuracy.

    Args:
        groups: for ``"random"`` and ``"top"``, at least two networks each with ``val_acc`` and ``test_acc``.
    """
    test = {group: np.array([network["test_acc"] for network in groups[group]]) for group in GROUPS}
    validation = {group: np.array([network["val_acc"] for network in groups[group]]) for group in GROUPS}
    interval = ttest_ind(test["top"], test["random"], equal_var=False).confidence_interval(0.95)
    difference = float(test["top"].mean() - test["random"].mean())
    rng = np.random.default_rng(SEED)
    best, again = {}, {}
    for group in GROUPS:
        best[group] = float(test[group][validation[group].argmax()])
        both = np.stack([validation[group], test[group]])
        drawn = rng.multivariate_normal(both.mean(axis=1), np.cov(both), size=(_RESAMPLES, both.shape[1]))
        again[group] = drawn[np.arange(_RESAMPLES), drawn[..., 0].argmax(axis=1), 1]
    margin = 1.96 * float((again["top"] - again["random"]).std())
    pairs = np.sign(test["top"][:, None] - test["random"])
    return {
        "mean": {group: float(test[group].mean()) for group in GROUPS},
        "mean_difference": difference,
        "mean_interval": np.nan_to_num([interval.low, interval.high], nan=difference).tolist(),  # where nothing varies
        "best": best,
        "best_difference": best["top"] - best["random"],
        "best_interval": [best["top"] - best["random"] - margin, best["top"] - best["random"] + margin],
        "pairs_won": float((pairs > 0).mean() + (pairs == 0).mean() / 2),
    }


def table(results: Mapping[str, Any]) -> Table:
    """Means and best ones of each space, and what they differ by."""
    drawn = Table("test accuracy, %", "random", "top", "difference", "95 % interval")
    for name, result in results.items():
        comparison, counts = result["comparison"], {group: len(result[group]["networks"]) for group in GROUPS}
        for what, label in (("mean", "mean"), ("best", "best by validation")):
            low, high = comparison[f"{what}_interval"]
            drawn.add_row(
                f"{TASKS[name].title}: {label}",
                *(f"{comparison[what][group]:.2f} (of {counts[group]})" for group in GROUPS),
                f"{comparison[f'{what}_difference']:+.2f}",
                f"{low:+.2f} to {high:+.2f}",
            )
    return drawn


def draw(results: Mapping[str, Any]) -> Figure:
    """Every network's test accuracy, the means with their own 95 % intervals, the best by validation."""
    figure = Figure(figsize=(5.4 * len(results), 4.2), layout="constrained")
    colors = {"random": "#8a929e", "top": "#0b63c5"}
    for axes, (name, result) in zip(figure.subplots(1, len(results), squeeze=False)[0], results.items(), strict=True):
        for place, group in enumerate(GROUPS):
            networks = result[group]["networks"]
            values = np.array([network["test_acc"] for network in networks])
            x = place - 0.1 + 0.02 * (np.arange(len(values)) - len(values) / 2)
            axes.scatter(x, values, color=colors[group], alpha=0.75, s=28, linewidths=0)
            best = int(np.argmax([network["val_acc"] for network in networks]))
            axes.scatter(x[best], values[best], s=110, facecolors="none", edgecolors="black", linewidths=1.2)
            low, high = ttest_1samp(values, 0).confidence_interval(0.95)
            error = [[values.mean() - low], [high - values.mean()]]
            axes.errorbar(place + 0.2, values.mean(), error, color=colors[group], marker="D", capsize=4)
        c = result["comparison"]
        low, high = c["mean_interval"]
        axes.set_title(
            f"{TASKS[name].title}\nmeans differ by {c['mean_difference']:+.2f} points ({low:+.2f} to {high:+.2f})",
            fontsize=10,
        )
        axes.set_xticks(range(len(GROUPS)), [f"{len(result[group]['networks'])} {group}" for group in GROUPS])
        axes.set_xlim(-0.5, 1.5)
        axes.set_ylabel("test accuracy on CIFAR-10, reduced budget (%)")
        axes.spines[["top", "right"]].set_visible(False)
    figure.supxlabel("diamonds: means with 95 % intervals; circled: best by validation accuracy", fontsize=8)
    return figure


def run(arguments: argparse.Namespace, console: Console) -> None:
    """Measures what is missing, writes the result and the figure, prints the table."""
    for name in arguments.spaces:
        task = TASKS[name]
        for group in arguments.groups:
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
    for name, result in list(results.items()):
        groups = {group: result[group]["networks"] for group in GROUPS}
        if min(map(len, groups.values())) < 2:
            del results[name]
            continue
        result["settings"] = TASKS[name].settings.to_dict()
        result["comparison"] = compared(groups)
    with replacing(arguments.out) as temporary:
        temporary.write_text(json.dumps({"results": results}, indent=1, allow_nan=False) + "\n")
    if results:
        console.print(table(results))
        console.print(f"{arguments.out}, {save_figure(draw(results), arguments.out.with_suffix('.png'))}")


def _folder(labels: Path, name: str, group: str) -> Path:
    return labels / f"search-gain-{name}-{group}"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data-dir", type=Path, help="where CIFAR-10 is; downloaded by default")
    parser.add_argument("--labels", type=Path, default=LABELS, help="where the folders of the measurements are")
    parser.add_argument("--out", type=Path, default=Path(__file__).with_suffix(".json"))
    parser.add_argument("--spaces", nargs="*", choices=TASKS, default=list(TASKS), help="none: only the table")
    parser.add_argument("--groups", nargs="+", choices=GROUPS, default=list(GROUPS))
    parser.add_argument("--at-most", type=int, help="train so many networks of each ten now")
    arguments = parser.parse_args()
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    return exit_status(lambda: run(arguments, Console(highlight=False, width=130)))


if __name__ == "__main__":
    sys.exit(main())
