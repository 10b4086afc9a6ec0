from dataclasses import replace
from typing import Any

import optuna
import pytest

import tart_nas
from tart_nas.predictors import Predictor
from tart_nas.published import DARTS
from tart_nas.runs.study import Pick

optuna.logging.set_verbosity(optuna.logging.WARNING)

SMALL: dict[str, Any] = {
    "space": tart_nas.DartsSpace(),
    "candidates": 60,
    "top_k": 2,
    "random": 1,
    "dataset": "digits",
    # 8 pixels, the size that digits come from: at 32 a search spends four fifths of its time in convolutions.
    "budget": tart_nas.TrainingBudget(n_cells=2, C=4, train_images=120, image_size=8),
    "recipe": tart_nas.TrainingRecipe(epochs=2, batch_size=40, lr=0.05),
    "device": "cpu",
}
SMALL_OPTIONS = (
    "--space darts --candidates 60 --top-k 2 --random 1 --dataset digits --cells 2 --channels 4 --train-images 120 "
    "--image-size 8 --epochs 2 --batch-size 40 --lr 0.05 --device cpu --quiet"
).split()


@pytest.fixture(scope="session")
def ridge(labelled, tmp_path_factory):
    """A predictor that is fitted in a moment, and its file."""
    predictor = Predictor("ridge").fit(*labelled)
    path = tmp_path_factory.mktemp("predictor") / "ridge.safetensors"
    predictor.save(path)
    return predictor, path


@pytest.fixture(scope="session")
def finished(ridge, tmp_path_factory):
    """An undisturbed small run, with its pictures."""
    result = tart_nas.search(predictor=ridge[0], out=tmp_path_factory.mktemp("run") / "folder", **SMALL)
    assert (result.folder / "report.png").stat().st_size > 10_000
    return result


def pick(name):
    """A pick of the search by its name, all of the same architecture."""
    return Pick(name, 1, 95.0, DARTS, replace(DARTS, n_cells=2, C=4), 1000)


def outcome(folder, of_run=False):
    """What a run ended with, without what differs from run to run: its times; if so asked, without others' trials."""
    study = optuna.load_study(study_name=None, storage=f"sqlite:///{folder / 'study.sqlite3'}")
    trials = []
    for trial in study.get_trials():
        if of_run and "rank" not in trial.user_attrs:
            continue
        attributes = dict(trial.user_attrs)
        attributes["curve"] = [{**epoch, "seconds": 0} for epoch in attributes["curve"]]
        trials.append((trial.number, trial.state.name, trial.value, trial.intermediate_values, attributes))
    weights = {str(path.relative_to(folder)): path.read_bytes() for path in sorted(folder.glob("weights/*/*"))}
    return trials, study.user_attrs["test_accuracy"], weights, (folder / "candidates.parquet").read_bytes()


@pytest.fixture
def start(ridge, fork_server):
    """Starts a search without pictures in a process of its own; its files have at most so many bytes, if told."""

    def begin(folder, *options, bytes_at_most=None):
        limit = "" if bytes_at_most is None else f"resource.setrlimit(resource.RLIMIT_FSIZE, {2 * (bytes_at_most,)})"
        imports = "import resource; from tart_nas.cli import main; from tests.undrawn import undrawn_figures"
        code = f"{imports}\n{limit}\nwith undrawn_figures(): main()"
        arguments = ("search", "--predictor", ridge[1], "--out", folder, *SMALL_OPTIONS, *options)
        return fork_server.start(*arguments, code=code)

    return begin
