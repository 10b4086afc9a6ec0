"""Results of searches that nobody had to train: what reports are made of, in every state."""

from pathlib import Path

import numpy as np
import optuna

import tart_nas
from tart_nas.networks import parameter_count
from tart_nas.runs import SearchResult, SearchSettings, TrainedPick, TrainingBudget
from tart_nas.runs.facts import PredictorFacts, RunFacts
from tart_nas.runs.folder import RunFolder
from tart_nas.runs.provenance import Provenance
from tart_nas.runs.study import Pick

BUDGET = TrainingBudget(n_cells=2, C=4, train_images=300)


def a_pick(name, place, accuracies=(0.5, 0.6), test=0.61, state="trained", failure=None, round=1):
    """A network; its curve has one epoch for each accuracy."""
    architecture = tart_nas.DartsSpace().sample(place + 1, seed=0)[place]
    trained = BUDGET.apply(architecture)
    assert isinstance(trained, tart_nas.Architecture)
    curve = tuple(
        {
            "epoch": number,
            "train_loss": 2.3456 - number / 7,
            "train_accuracy": accuracy - 0.0321,
            "validation_accuracy": accuracy,
            "lr": 0.1 / number,
            "seconds": 1.5,
        }
        for number, accuracy in enumerate(accuracies, start=1)
    )
    macs = 1_234_567 + 100_000 * place
    pick = Pick(name, place + 1, 94.5 - place / 100, architecture, trained, parameter_count(trained), macs, round)
    done = state == "trained"
    return TrainedPick(pick, curve, accuracies[-1] if done else None, test if done else None, failure, state, "cpu")


def a_result(picks=None, folder="runs/first", finished=True, facts=None, provenance=None, **settings):
    """A search of the DARTS space on digits."""
    if picks is None:
        picks = [
            a_pick("top-1", 0, (0.41, 0.5212), 0.5341),
            a_pick("top-2", 1, (0.47, 0.5812), 0.5763),
            a_pick("random-1", 7, (0.38, 0.4412), 0.4523),
            a_pick("random-2", 9, (0.37, 0.4512), 0.4398),
        ]
    random = sum(p.pick.is_random for p in picks)
    chosen = {"top_k": max(len(picks) - random, 1), "random": random, **settings}
    recipe = tart_nas.TrainingRecipe(epochs=max((len(p.curve) for p in picks), default=0) or 3, batch_size=50)
    return SearchResult(
        settings=SearchSettings(
            space={"name": "darts", **tart_nas.DartsSpace().settings},
            predictor="ensemble 0123456789abcdef",
            candidates=200,
            dataset="digits",
            budget=BUDGET,
            recipe=recipe,
            **chosen,
        ),
        folder=Path(folder),
        scores=np.sort(np.random.default_rng(0).normal(93, 0.5, 200))[::-1],
        picks=tuple(picks),
        scoring_seconds=0.5,
        images="scikit-learn's digits, scaled to 32x32",
        image_counts={"train": 270, "validation": 30, "test": 297},
        facts=facts
        or RunFacts(
            PredictorFacts("darts-cifar10", "ensemble", "accuracy", "%"), image_size=32, classes=tuple("0123456789")
        ),
        provenance=provenance
        or Provenance(
            command="tart-nas search --top-k 2 --random 2",
            predictor="darts-cifar10",
            made="2026-11-29T00:30:00+00:00",
            versions={"python": "3.11.7", "tart-nas": "0.1.0"},
        ),
        finished="2026-11-29T00:45:00+00:00" if finished else None,
        is_finished=finished,
    )


def new_study_of(finished, folder):
    """An empty study in a new folder with the settings and candidates of a finished run."""
    folder.mkdir()
    for name in ("config.json", "candidates.parquet"):
        (folder / name).write_bytes((finished.folder / name).read_bytes())
    storage = f"sqlite:///{folder / 'study.sqlite3'}"
    return optuna.create_study(study_name=RunFolder(folder).read_place()[1], storage=storage, direction="maximize")


STATES = {
    "finished": lambda: a_result(),
    "no random ones": lambda: a_result([a_pick("top-1", 0), a_pick("top-2", 1)]),
    "one epoch": lambda: a_result([a_pick("top-1", 0, (0.3,), 0.31), a_pick("random-1", 1, (0.2,), 0.22)]),
    "one failed": lambda: a_result([a_pick("top-1", 0), a_pick("top-2", 1, (), state="failed", failure="loss is nan")]),
    "all failed": lambda: a_result([a_pick("top-1", 0, (), state="failed", failure="loss is nan")]),
    "rounds": lambda: a_result([a_pick("top-1", 0), a_pick("top-2", 1, round=2)], top_k=1, rounds=2),
    "nothing trained yet": lambda: a_result([a_pick("top-1", 0, (), state="waiting")], finished=False),
    "nothing planned yet": lambda: a_result([], finished=False),
    "interrupted": lambda: a_result(
        [
            a_pick("top-1", 0, test=None),
            a_pick("top-2", 1, (0.2,), state="running"),
            a_pick("random-1", 2, (), state="waiting"),
        ],
        finished=False,
    ),
}
