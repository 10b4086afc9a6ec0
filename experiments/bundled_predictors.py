"""Makes the bundled predictors again, from what is in the repository.

``python -m tart_nas.experiments.bundled_predictors [NAME ...] --out DIR`` runs the ``tart-nas fit`` or ``tart-nas
update`` that made each and says by how much the new one's predictions differ. A Gaussian process comes out the same but
for rounding. Transformers do not on another processor: rounding grows over the thousands of steps of their fits.

``darts-cifar10`` is fitted to its own training set, 718 architectures of NAS-Bench-301 with twelve zero-cost proxies
(NASLib's zero-cost benchmark, Apache-2.0), which its file holds. ``darts-small`` is ``darts-cifar10``, updated with the
labels of the DARTS space that were measured at the budget ``small``: those of ``labels/darts`` and ``labels/darts-
pool``, with their repeats, and of twenty networks that an experiment of version 0.1 trained, ten of them the best of
10,000 by the predictor of then.
"""

import argparse
import json
import shlex
import subprocess
import sys
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
from rich.console import Console

from tart_nas.architecture import Architecture
from tart_nas.errors import PredictorError
from tart_nas.experiments.compare_predictors import METHODS
from tart_nas.experiments.mean_labels import FIRST, MORE
from tart_nas.experiments.mean_labels import METHODS as DEEPNETS_METHODS
from tart_nas.experiments.measure_labels import LABELS
from tart_nas.experiments.runner import command
from tart_nas.predictors import Predictor
from tart_nas.search_spaces import DartsSpace, DeepNets1MSpace

__all__ = ["FITS", "UPDATES", "largest_difference", "main", "make"]

_MEASURED, _MORE = (str(LABELS.absolute() / name / "labels.json") for name in (FIRST, MORE))
_JUDGED = ("--also-judge", "train", "--also-judge", "search")

_BEST = METHODS["TART, cell, taught + Gaussian process"]
_BOTH = DEEPNETS_METHODS["Gaussian processes, the mean of both"]

FITS: dict[str, tuple[str, ...]] = {
    "darts-cifar10": (
        "darts_train.json",
        *("--kind", _BEST["kind"], "--set", f"members={json.dumps(_BEST['members'])}", "--set", "weights=null"),
    ),
    # The best of those in mean_labels.py that are fitted in seconds.
    "deepnets1m-cifar10": (
        *(_MEASURED, _MORE, "--kind", _BOTH["kind"], "--set", f"members={json.dumps(_BOTH['members'])}"),
        *("--set", "weights=null", *_JUDGED),
    ),
    # Of the first 300 labels: with these a fit takes twenty minutes of a core already.
    "deepnets1m-cifar10-graph": (
        *(_MEASURED, "--kind", "tart-graph", "--set", "ensemble=3", "--set", "calibration=1"),
        *_JUDGED,
        *("--folds", "0"),
    ),
}
"""The arguments of the ``tart-nas fit`` of each, but for ``--out``; ``darts_train.json`` is its own training set."""

UPDATES: dict[str, tuple[str, ...]] = {
    "darts-small": (
        "darts-cifar10",
        *(
            str(LABELS.absolute() / name / "labels.json")
            for name in (
                *("darts", "darts-repeat", "darts-pool", "darts-pool-repeat"),
                *("search-gain-darts-random", "search-gain-darts-top"),
            )
        ),
    ),
}
"""Likewise of ``tart-nas update``."""


def make(name: str, out: Path, folds: int | None = None) -> Path:
    """Fits a bundled predictor again.

    Args:
        name: one of :data:`FITS` or :data:`UPDATES`.
        out: the folder of its file.
        folds: of the cross-validation; None for those that the bundled one had.

    Raises:
        PredictorError: if there is none of that name, or a command fails, which has said why.
    """
    if name not in (*FITS, *UPDATES):
        raise PredictorError(f"There is no bundled predictor {name}: expected some of {', '.join((*FITS, *UPDATES))}.")
    path = out.absolute() / f"{name}.safetensors"
    more = ["--out", str(path)] if folds is None else ["--out", str(path), "--folds", str(folds)]
    with TemporaryDirectory() as folder:
        if name == "darts-cifar10":
            _run(folder, "data", "labels", name, "--out", FITS[name][0])
        if name in FITS:
            _run(folder, "fit", *FITS[name], *more)
        else:
            _run(folder, "update", *UPDATES[name], *more)
    return path


def largest_difference(predictor: Predictor, name: str, n: int = 500) -> float:
    """The largest difference to the bundled predictor's predictions of n random architectures, of all targets.

    Returns:
        It, in standard deviations of the labels.
    """
    bundled = Predictor.from_pretrained(name)
    space = DartsSpace() if name.startswith("darts") else DeepNets1MSpace("search")
    asked: list[Architecture] = space.sample(n, seed=0)
    differences = [
        np.abs(predictor.predict(asked, target=target) - bundled.predict(asked, target=target)).max() / scaling["scale"]
        for target, scaling in bundled.metadata["targets"].items()
    ]
    return float(np.max(differences))


def _run(folder: str, *arguments: str) -> None:
    print("$ tart-nas", shlex.join(arguments), flush=True)
    if subprocess.run([sys.executable, "-m", "tart_nas.cli", *arguments], cwd=folder, check=False).returncode:
        raise PredictorError(f"`tart-nas {arguments[0]}` failed.")


def run(arguments: argparse.Namespace, console: Console) -> None:
    for name in arguments.names or (*FITS, *UPDATES):
        path = make(name, arguments.out, arguments.folds)
        difference = largest_difference(Predictor.load(path), name)
        console.print(f"{path}: predictions differ by at most {difference:.2g} standard deviations of the labels")


main = partial(
    command,
    __doc__,
    {
        "names": ({"nargs": "*", "metavar": "NAME"}, f"of {', '.join((*FITS, *UPDATES))}; default all"),
        "--out": ({"type": Path, "required": True}, "the folder of the files"),
        "--folds": (int, "of the cross-validation; default as the bundled ones, 0 for none"),
    },
    run,
)

if __name__ == "__main__":
    sys.exit(main())
