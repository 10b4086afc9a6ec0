"""Measures labels: 300 networks of a generated DeepNets-1M val split, 60 of the DARTS space, 20 of each repeated.

``python -m tart_nas.experiments.measure_labels --data-dir CIFAR10`` goes on where the last call stopped and writes
after each network, into ``experiments/labels``: so labels accumulate over as many calls as it takes, on one core each.
It prints how many are there, from the repeats with another seed how stable their ranking is, and how well the bundled
predictor of the DARTS space, which knows nothing of these networks, ranks those.

The budget is reduced to about 15 s of one core for a network: 8 channels, images of 16x16 (each pixel the mean of
four), 2,500 of them to train on, 4 epochs. Networks of the DARTS space lie closer together, and that budget ranks them
by chance: they have 5 cells, 10,000 images, 5 epochs and all images to be judged by, which takes some 90 s. Proxies of
fewer channels and pixels keep rankings better than ones of fewer images (Zhou et al., "EcoNAS", CVPR 2020).
"""

import argparse
import tempfile
import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import optuna
from rich.console import Console
from scipy.stats import kendalltau, spearmanr

from tart_nas.architecture import Architecture
from tart_nas.deepnets1m import DeepNets1M, generate
from tart_nas.measurements import MeasuringSettings, measure, read_label_file
from tart_nas.predictors import Predictor
from tart_nas.search_spaces import DartsSpace
from tart_nas.training import TrainingRecipe

LABELS = Path(__file__).parent / "labels"
BUDGET = MeasuringSettings(
    dataset="cifar10",
    recipe=TrainingRecipe(epochs=4, batch_size=32, lr=0.05, crop=2),
    C=8,
    image_size=16,
    train_images=2500,
    validation_images=1024,
    test_images=2048,
)
BUDGET_DARTS = replace(
    BUDGET,
    recipe=TrainingRecipe(epochs=5, batch_size=64, lr=0.1, crop=2),
    n_cells=5,
    track_running_stats=True,
    train_images=10_000,
    validation_images=5000,
    test_images=10_000,
)
REPEATED = 20
_PAUSE = 10.0  # seconds that a turn takes at least
FILES = ("deepnets1m-val", "deepnets1m-val-repeat", "darts", "darts-repeat")
PROPERTIES = ("val_acc", "test_acc", "val_acc_noise", "test_acc_noise", "converge_time", "time", "relative time")


@dataclass(frozen=True)
class Plan:
    """A file of labels.

    Args:
        name: of its folder.
        group: of its labels.
        architectures: by index.
        settings: how they are measured.
        source: where they come from.
        share: how many are measured in a turn.
    """

    name: str
    group: str
    architectures: Mapping[int, Architecture]
    settings: MeasuringSettings
    source: Mapping[str, Any]
    share: int


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data-dir", type=Path, help="where CIFAR-10 is; downloaded by default")
    parser.add_argument("--labels", type=Path, default=LABELS, help="where the labels are")
    parser.add_argument("--files", nargs="+", choices=FILES, default=list(FILES), metavar="FILE", help=", ".join(FILES))
    parser.add_argument("--minutes", type=float, default=float("inf"), help="begin no network after so long")
    arguments = parser.parse_args()
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    console = Console(highlight=False)
    end = time.monotonic() + 60 * arguments.minutes
    turns, begun = [plan for plan in plans() if plan.name in arguments.files], 0.0
    while turns:
        left = []
        time.sleep(max(0.0, begun + _PAUSE - time.monotonic()))  # others may be at work on the last ones
        begun = time.monotonic()
        for plan in turns:
            if time.monotonic() > end:
                break
            file = measure(
                plan.architectures,
                plan.settings,
                out=arguments.labels / plan.name,
                group=plan.group,
                source=plan.source,
                data_dir=arguments.data_dir,
                at_most=plan.share,
            )
            about, _, _ = read_label_file(file)
            console.print(f"{plan.name}: {about['measured']} of {about['planned']} measured, {about['failed']} failed")
            if about["measured"] + about["failed"] < about["planned"]:
                left.append(plan)
        turns = left
    for name in ("deepnets1m-val", "darts"):
        stability(arguments.labels, name, console)
    judgement(arguments.labels / "darts/labels.json", console)


def plans() -> list[Plan]:
    """The four files; in each turn some of each."""
    with tempfile.TemporaryDirectory() as folder:
        generate("val", 300, folder, seed=0)
        val = dict(enumerate(DeepNets1M(folder, "val").architectures()))
    space = DartsSpace()
    darts = dict(enumerate(space.sample(60, 0)))
    val_source = {"data": "DeepNets-1M val", "generated by": "tart-nas data generate val --n 300 --seed 0"}
    darts_source = {"space": space.name, **space.settings, "seed": 0}
    planned = []
    for name, group, architectures, settings, source, share in (
        ("deepnets1m-val", "val", val, BUDGET, val_source, 5),
        ("darts", "darts", darts, BUDGET_DARTS, darts_source, 1),
    ):
        repeated = {i: architectures[i] for i in range(REPEATED)}
        again = replace(settings, seed=1)
        planned.append(Plan(name, group, architectures, settings, source, share))
        planned.append(Plan(f"{name}-repeat", group, repeated, again, source, min(share, 4)))
    return planned


def stability(labels: Path, name: str, console: Console) -> None:
    """Prints the rank correlations between the two measurements of the same networks."""
    files = [labels / folder / "labels.json" for folder in (name, f"{name}-repeat")]
    if not all(file.exists() for file in files):
        return
    first, second = (read_label_file(file)[1] for file in files)
    both = sorted(first.keys() & second.keys())
    if len(both) < 3:
        return
    console.print(f"\n{name}: rank correlation of {len(both)} networks with a repeat with another seed")
    for key in PROPERTIES:
        columns = [[_value(values[i], key) for i in both] for values in (first, second)]
        tau, rho = kendalltau(*columns).statistic, spearmanr(*columns).statistic
        console.print(f"  {key:15} Kendall {tau:5.2f}   Spearman {rho:5.2f}")


def judgement(file: Path, console: Console) -> None:
    """Prints how the scores of a predictor that was fitted to other networks agree with the labels."""
    if not file.exists():
        return
    labels = read_label_file(file, "darts")[1].values()
    architectures = [Architecture.from_dict(label["architecture"]) for label in labels]
    console.print(f"\ndarts: Kendall's tau of {len(labels)} networks with scores that know none of these labels")
    for name in ("darts-cifar10", "flops", "params"):
        scores = Predictor.open(name).predict(architectures)
        taus = [kendalltau(scores, [label[key] for label in labels]).statistic for key in ("val_acc", "test_acc")]
        console.print(f"  {name:15} validation {taus[0]:5.2f}   test {taus[1]:5.2f}")


def _value(label: Mapping[str, Any], key: str) -> float:
    return float(label["time"] / label["time_reference"] if key == "relative time" else label[key])


if __name__ == "__main__":
    main()
