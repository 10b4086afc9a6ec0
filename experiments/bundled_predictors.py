"""Makes the bundled predictors again, from what is in the repository.

``python -m tart_nas.experiments.bundled_predictors [NAME ...] --out DIR`` runs the ``tart-nas fit`` that made each and
says by how much the new one's predictions differ. A Gaussian process comes out the same but for rounding. Transformers
do not on another processor: rounding grows over the thousands of steps of their fits.

``darts-cifar10`` is fitted to its own training set, 718 architectures of NAS-Bench-301 with twelve zero-cost proxies
(NASLib's zero-cost benchmark, Apache-2.0), which its file holds. ``--labels FILE`` put the proxies there: it writes the
bundled file anew, what was learned unchanged, with the labels of FILE beside it, which must be those of its fit.
"""

import argparse
import shlex
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

from tart_nas.architecture import Architecture
from tart_nas.errors import PredictorError
from tart_nas.experiments.command import exit_status
from tart_nas.experiments.measure_labels import LABELS
from tart_nas.predictors import LabelledData, Predictor, pretrained
from tart_nas.predictors.checkpoint import read_checkpoint, write_checkpoint
from tart_nas.search_spaces import DartsSpace, DeepNets1MSpace

__all__ = ["FITS", "add_labels", "largest_difference", "make"]

_MEASURED = str(LABELS.absolute() / "deepnets1m-val/labels.json")
_JUDGED = ("--also-judge", "train", "--also-judge", "search")

FITS: dict[str, tuple[str, ...]] = {
    "darts-cifar10": ("darts_train.json",),
    "deepnets1m-cifar10": (_MEASURED, "--kind", "gp", *_JUDGED),
    "deepnets1m-cifar10-graph": (
        *(_MEASURED, "--kind", "tart-graph", "--set", "ensemble=3", "--set", "calibration=1"),
        *_JUDGED,
        *("--folds", "0"),
    ),
}
"""The arguments of the ``tart-nas fit`` of each, but for ``--out``; ``darts_train.json`` is its own training set."""


def make(name: str, out: Path, folds: int | None = None) -> Path:
    """Fits a bundled predictor again.

    Args:
        name: one of :data:`FITS`.
        out: the folder of its file.
        folds: of the cross-validation; None for those that the bundled one had.

    Raises:
        PredictorError: if a command fails; it has said why.
    """
    path = out.absolute() / f"{name}.safetensors"
    more = ["--out", str(path)] if folds is None else ["--out", str(path), "--folds", str(folds)]
    with TemporaryDirectory() as folder:
        if name == "darts-cifar10":
            _run(folder, "data", "labels", name, "--out", FITS[name][0])
        _run(folder, "fit", *FITS[name], *more)
    return path


def largest_difference(predictor: Predictor, name: str, n: int = 500) -> float:
    """The largest difference to the bundled predictor's predictions of n random architectures, of all targets.

    Returns:
        It, in standard deviations of the labels.
    """
    bundled = Predictor.from_pretrained(name)
    space = DartsSpace() if name == "darts-cifar10" else DeepNets1MSpace("search")
    asked: list[Architecture] = space.sample(n, seed=0)
    differences = [
        np.abs(predictor.predict(asked, target=target) - bundled.predict(asked, target=target)).max() / scaling["scale"]
        for target, scaling in bundled.metadata["targets"].items()
    ]
    return float(np.max(differences))


def add_labels(name: str, labels: LabelledData, out: Path) -> Path:
    """Writes a bundled predictor's file with the labels that it was fitted to beside what it learned.

    Raises:
        PredictorError: if it was fitted to others.
    """
    own = Predictor.from_pretrained(name).training_data()
    if list(own.architectures) != list(labels.architectures) or own.targets.keys() != labels.targets.keys():
        raise PredictorError(f"{name} was fitted to other architectures or targets than those.")
    if not all(np.allclose(own.targets[target], labels.targets[target], rtol=1e-12) for target in own.targets):
        raise PredictorError(f"{name} was fitted to other labels of these architectures.")
    arrays, metadata = read_checkpoint(pretrained.path(name))
    arrays["training/targets"] = np.stack([*labels.targets.values()], axis=1)
    arrays["training/auxiliary"] = (
        np.empty((len(own.architectures), 0)) if labels.auxiliary is None else labels.auxiliary
    )
    metadata["training"]["auxiliary_names"] = list(labels.auxiliary_names)
    path = out / f"{name}.safetensors"
    write_checkpoint(path, arrays, metadata)
    Predictor.load(path)  # which checks what was put in
    return path


def _run(folder: str, *arguments: str) -> None:
    print("$ tart-nas", shlex.join(arguments), flush=True)
    if subprocess.run([sys.executable, "-m", "tart_nas.cli", *arguments], cwd=folder, check=False).returncode:
        raise PredictorError(f"`tart-nas {arguments[0]}` failed.")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"of {', '.join(FITS)}; default all")
    parser.add_argument("--out", type=Path, required=True, help="the folder of the files")
    parser.add_argument("--folds", type=int, help="of the cross-validation; default as the bundled ones, 0 for none")
    parser.add_argument("--labels", type=Path, help="do not fit: add these labels to the file of the one predictor")
    arguments = parser.parse_args()
    if unknown := [name for name in arguments.names if name not in FITS]:
        parser.error(f"there is no bundled predictor {unknown[0]}: expected some of {', '.join(FITS)}")
    if arguments.labels is not None and len(arguments.names) != 1:
        parser.error("--labels is for one predictor: name it")

    def run() -> None:
        for name in arguments.names or FITS:
            if arguments.labels is not None:
                path = add_labels(name, LabelledData.read(arguments.labels), arguments.out)
            else:
                path = make(name, arguments.out, arguments.folds)
            difference = largest_difference(Predictor.load(path), name)
            print(f"{path}: predictions differ by at most {difference:.2g} standard deviations of the labels")

    return exit_status(run)


if __name__ == "__main__":
    sys.exit(main())
