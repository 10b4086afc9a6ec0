"""The networks of ``generation`` in real training: four tens, trained alike on CIFAR-10.

``python -m tart_nas.experiments.generation_training --data-dir CIFAR10`` takes the top tens of the generator, of
evolution and of the random sample of seed 0 from ``experiments/generation.json``, and ten networks drawn at random. It
trains and measures all of them at the budget ``small`` of the DARTS space, into ``experiments/labels/generation-...``.
That takes hours; the same command goes on where another stopped, and ``--at-most 1`` trains one network of each ten. It
prints the mean test accuracy of each ten with its 95 % interval, and the difference to the ten random ones with that of
Welch's t-test.
"""

import argparse
import json
import sys
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console
from scipy.stats import ttest_1samp, ttest_ind

from tart_nas.architecture import Architecture
from tart_nas.errors import RunFolderError, reason
from tart_nas.experiments.measure_labels import BUDGET_DARTS, MEASURING
from tart_nas.experiments.runner import command
from tart_nas.experiments.tables import table
from tart_nas.measurements import measure, read_label_file
from tart_nas.search_spaces import DartsSpace
from tart_nas.strings import decode

DRAWN, TEN = "drawn", 10
METHODS = ("generator", "evolution", "random", DRAWN)
# Fewer images than the labels of ``measure_labels`` are judged by, which saves time; the rest is the same.
SETTINGS = replace(BUDGET_DARTS, validation_images=2000, test_images=4000)
_SEED = 10**6  # of the ten random networks; those of the experiment are the seeds from 0 on


def tens(results: Path) -> dict[str, list[Architecture]]:
    """The networks of each ten.

    Raises:
        RunFolderError: if the file has no results of seed 0.
    """
    try:
        found = json.loads(results.read_text())["results"]
        networks = {method: list(map(decode, found[method]["0"]["top"])) for method in METHODS if method != DRAWN}
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise RunFolderError(f"{results} has no top tens of seed 0: {reason(error)}.") from None
    return {**networks, DRAWN: DartsSpace().sample(TEN, _SEED)}


def run(arguments: argparse.Namespace, console: Console) -> None:
    """Measures what is missing and prints the table."""
    accuracies: dict[str, Any] = {}
    for name, networks in tens(arguments.results).items():
        file = measure(
            dict(enumerate(networks)),
            SETTINGS,
            out=arguments.labels / f"generation-{name}",
            group=name,
            source={"picked": name, "strings": [str(network) for network in networks]},
            data_dir=arguments.data_dir,
            at_most=arguments.at_most,
            device=arguments.device,
            progress=True,
        )
        _, labels, _ = read_label_file(file, name)
        accuracies[name] = np.array([label["test_acc"] for label in labels.values()])
    rows = []
    for name, values in accuracies.items():
        mean = f"{values.mean():.2f} (of {len(values)})" if len(values) else ""
        own = ttest_1samp(values, 0).confidence_interval(0.95) if len(values) > 1 else None
        both = len(values) > 1 and len(accuracies[DRAWN]) > 1 and name != DRAWN
        gain = ttest_ind(values, accuracies[DRAWN], equal_var=False).confidence_interval(0.95) if both else None
        rows.append((name, mean, *("" if i is None else f"{i.low:+.2f} to {i.high:+.2f}" for i in (own, gain))))
    console.print(table(("test accuracy, %", "mean", "95 % interval", "above random ones"), rows))


main = partial(
    command,
    __doc__,
    {
        **MEASURING,
        "--at-most": (int, "train so many networks of each ten now"),
        "--results": (Path(__file__).with_name("generation.json"), "of the experiment `generation`"),
    },
    run,
)

if __name__ == "__main__":
    sys.exit(main())
