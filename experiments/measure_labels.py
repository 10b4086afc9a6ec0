"""Measures labels: 600 training and 100 test networks of generated DeepNets-1M splits, 200 of the DARTS space.

A single label of a small budget is noisy, so that a predictor's rank correlation with single labels has a ceiling well
below 1. The 100 test networks are therefore trained three times, and judged by their mean. They are of another draw
than the training networks, and none of them is among these. Of the training networks 20, of the DARTS space 40 are
repeated with another seed, which tells how noisy a label is.

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
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, fields, replace
from functools import partial
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table
from scipy.stats import kendalltau, spearmanr

from tart_nas.architecture import Architecture
from tart_nas.deepnets1m import DeepNets1M, generate
from tart_nas.experiments.runner import command
from tart_nas.experiments.tables import table
from tart_nas.measurements import MeasuringSettings, measure, read_label_file
from tart_nas.predictors import Predictor
from tart_nas.search_spaces import DartsSpace
from tart_nas.training import BUDGETS, DARTS_BUDGETS, Budget

LABELS = Path(__file__).parent / "labels"


def _of(budget: Budget) -> dict[str, Any]:
    return {setting.name: getattr(budget, setting.name) for setting in fields(budget)}


def _settings(budget: Budget, **others: Any) -> MeasuringSettings:
    return MeasuringSettings(dataset="cifar10", **_of(budget), **others)


BUDGET = _settings(BUDGETS["small"], validation_images=1024, test_images=2048)
_OF_DARTS = {"track_running_stats": True, "validation_images": 5000, "test_images": 10_000}
BUDGET_DARTS = _settings(DARTS_BUDGETS["small"], **_OF_DARTS)
# One network takes an hour and more of a CPU core and minutes of a GPU, so it is measured only where its files are
# named.
BUDGET_LARGE = _settings(replace(DARTS_BUDGETS["medium"], image_size=32), **_OF_DARTS)
LARGE_FILE = "darts-pool-large"
LARGE = 100  # networks: the first of the pool
REPEATED = 20
TINY = 60  # networks that are trained at the budget "tiny" too, to see what it tells of "small"
TESTED = 100  # networks of DeepNets-1M that are trained once for each seed of TEST_SEEDS
TEST_SEEDS = (0, 1, 2)
_PAUSE = 10.0  # seconds that a turn takes at least, for others may be at work on the last networks
TEST_FILES = tuple(f"deepnets1m-test-{seed}" for seed in TEST_SEEDS)
FILES = (
    "deepnets1m-val",
    "deepnets1m-val-repeat",
    "deepnets1m-val-more",
    *TEST_FILES,
    "deepnets1m-tiny",
    "deepnets1m-tiny-repeat",
    "darts",
    "darts-repeat",
    "darts-tiny",
    "darts-tiny-repeat",
    "darts-pool",
    "darts-pool-repeat",
)
PROPERTIES = (
    "val_acc",
    "test_acc",
    "val_acc_noise",
    "test_acc_noise",
    "converge_time",
    "time",
    "time / time_reference",
)


@dataclass(frozen=True)
class Plan:
    """A file of labels.

    Args:
        group: of its labels.
        architectures: by index.
        settings: how they are measured.
        source: where they come from.
        share: how many are measured in a turn.
    """

    group: str
    architectures: Mapping[int, Architecture]
    settings: MeasuringSettings
    source: Mapping[str, Any]
    share: int

    def at(self, budget: Budget) -> "Plan":
        """The first networks at another budget."""
        few = {i: self.architectures[i] for i in range(TINY)}
        return replace(self, architectures=few, settings=replace(self.settings, **_of(budget)))

    def repeated(self) -> "Plan":
        """The first networks once more, with another seed."""
        few = {i: self.architectures[i] for i in range(REPEATED)}
        return replace(self, architectures=few, settings=replace(self.settings, seed=1), share=min(self.share, 4))


def plans() -> dict[str, Plan]:
    """What is measured, by the name of its folder."""
    # The first 300 of 600 are what ``--n 300`` generates: the labels of before are the first half of these.
    val = dict(enumerate(_generated(600, seed=0)))
    tested = dict(enumerate(_generated(TESTED, seed=1)))
    if shared := set(val.values()) & set(tested.values()):
        raise AssertionError(f"{len(shared)} test networks are among the training networks")
    space = DartsSpace()
    darts = space.sample(60, 0)
    pool = [a for a in space.sample(160, 1) if a not in set(darts)][:140]

    def deepnets1m(networks: dict[int, Architecture], n: int, split_seed: int, *, seed: int = 0) -> Plan:
        made_by = f"tart-nas data generate val --n {n} --seed {split_seed}"
        source = {"data": "DeepNets-1M val", "generated by": made_by}
        return Plan("val", networks, replace(BUDGET, seed=seed), source, 5)

    def of_darts(networks: list[Architecture], space_seed: int) -> Plan:
        source = {"space": space.name, **space.settings, "seed": space_seed}
        return Plan("darts", dict(enumerate(networks)), BUDGET_DARTS, source, 1)

    first = deepnets1m({i: a for i, a in val.items() if i < 300}, 300, 0)
    more = deepnets1m({i: a for i, a in val.items() if i >= 300}, 600, 0)
    tests = {name: deepnets1m(tested, TESTED, 1, seed=seed) for name, seed in zip(TEST_FILES, TEST_SEEDS, strict=True)}
    of_60, of_pool = of_darts(darts, 0), of_darts(pool, 1)
    large = replace(of_pool, architectures=dict(enumerate(pool[:LARGE])), settings=BUDGET_LARGE)
    return {
        "deepnets1m-val": first,
        "deepnets1m-val-repeat": first.repeated(),
        "deepnets1m-val-more": more,
        **tests,
        "deepnets1m-tiny": first.at(BUDGETS["tiny"]),
        "deepnets1m-tiny-repeat": first.at(BUDGETS["tiny"]).repeated(),
        "darts": of_60,
        "darts-repeat": of_60.repeated(),
        "darts-tiny": of_60.at(DARTS_BUDGETS["tiny"]),
        "darts-tiny-repeat": of_60.at(DARTS_BUDGETS["tiny"]).repeated(),
        "darts-pool": of_pool,
        "darts-pool-repeat": of_pool.repeated(),
        LARGE_FILE: large,
    }


def _generated(n: int, *, seed: int) -> list[Architecture]:
    with tempfile.TemporaryDirectory() as folder:
        generate("val", n, folder, seed=seed)
        return list(DeepNets1M(folder, "val").architectures())


def run(arguments: argparse.Namespace, console: Console) -> None:
    """Measures what is missing, in turns some of each file, and prints how good the labels are."""
    end, begun = time.monotonic() + 60 * arguments.minutes, 0.0
    turns = {name: plan for name, plan in plans().items() if name in arguments.files}
    while turns and time.monotonic() < end:
        time.sleep(max(0.0, begun + _PAUSE - time.monotonic()))
        begun = time.monotonic()
        for name, plan in list(turns.items()):
            file = measure(
                plan.architectures,
                plan.settings,
                out=arguments.labels / name,
                group=plan.group,
                source=plan.source,
                data_dir=arguments.data_dir,
                at_most=plan.share,
            )
            about, _, _ = read_label_file(file)
            console.print(f"{name}: {about['measured']} of {about['planned']} measured, {about['failed']} failed")
            if about["measured"] + about["failed"] == about["planned"]:
                del turns[name]
    for made in tables(arguments.labels):
        console.print(made)


def tables(labels: Path) -> Iterator[Table]:
    """Rank correlations between the two measurements of the same networks, and with what knows none of the labels."""
    known = {name: read_label_file(f)[1] for name in FILES if (f := labels / name / "labels.json").exists()}
    for name, first in known.items():
        second = known.get(f"{name}-repeat", {})
        if len(both := sorted(first.keys() & second.keys())) < 3:  # of fewer there is no correlation
            continue
        rows = []
        for key in PROPERTIES:
            columns = [[_value(values[i], key) for i in both] for values in (first, second)]
            rows.append((key, f"{kendalltau(*columns).statistic:.2f}", f"{spearmanr(*columns).statistic:.2f}"))
        title = f"{name}: {len(both)} networks with a repeat with another seed"
        yield table(("rank correlation", "Kendall", "Spearman"), rows, title)
    if darts := list(known.get("darts", {}).values()):
        networks = [Architecture.from_dict(label["architecture"]) for label in darts]
        rows_of_scores = []
        for name in ("darts-cifar10", "flops", "params"):
            scores = Predictor.open(name).predict(networks)
            taus = [kendalltau(scores, [label[key] for label in darts]).statistic for key in ("val_acc", "test_acc")]
            rows_of_scores.append((name, *(f"{tau:.2f}" for tau in taus)))
        yield table(("darts: Kendall tau of scores that know no label", "validation", "test"), rows_of_scores)


def _value(label: Mapping[str, Any], key: str) -> float:
    return float(label["time"] / label["time_reference"] if "/" in key else label[key])


main = partial(
    command,
    __doc__,
    {
        "--data-dir": (Path, "where CIFAR-10 is; downloaded by default"),
        "--labels": (LABELS, "where the labels are"),
        "--files": [*FILES],
        "--minutes": (float("inf"), "begin no turn after so long"),
    },
    run,
)

if __name__ == "__main__":
    sys.exit(main())
