"""The trials of a run: an Optuna study that holds one trial for each picked architecture.

The study is the run's only database. Picks are enqueued once, by the search itself; workers train what is enqueued.
"""

import json
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import optuna

from tart_nas.architecture import Architecture
from tart_nas.runs.folder import RunFolder
from tart_nas.runs.storage import Patience, open_study

__all__ = ["Pick", "plan", "study_of_run"]

_PATIENCE = 60.0  # seconds that a storage on another machine may be away


@dataclass(frozen=True)
class Pick:
    """A candidate that is to be trained.

    Args:
        name: ``top-1``, ``random-3``, ...; unique in a run.
        rank: its place among all candidates by predicted score, from 1.
        predicted: its score.
        architecture: as the predictor judged it.
        trained: as it is trained, within the training budget.
        parameters: number of parameters of the latter.
        multiply_accumulates: of the latter, for one image of the run; None in runs of version 0.1.0.
        round: in which it was picked, from 1.
        expected: from the second round on, the validation accuracy expected of it by what was measured before.
    """

    name: str
    rank: int
    predicted: float
    architecture: Architecture
    trained: Architecture
    parameters: int
    multiply_accumulates: int | None = None
    round: int = 1
    expected: float | None = None

    @property
    def is_random(self) -> bool:
        """Whether it was drawn for comparison instead of picked by the predictor."""
        return self.name.startswith("random")

    def to_attributes(self) -> dict[str, Any]:
        """The pick as the user attributes of a trial."""
        return {
            "pick": self.name,
            "rank": self.rank,
            "predicted_score": self.predicted,
            "genotype": json.dumps(self.architecture.genotype.to_dict()),
            "architecture": json.dumps(self.architecture.to_dict()),
            "trained_architecture": json.dumps(self.trained.to_dict()),
            "parameters": self.parameters,
            "multiply_accumulates": self.multiply_accumulates,
            "round": self.round,
            "expected_accuracy": self.expected,
        }

    @classmethod
    def from_attributes(cls, attributes: dict[str, Any]) -> "Pick":
        """Reads what :meth:`to_attributes` gave."""
        judged, trained = (
            Architecture.from_dict(json.loads(attributes[name])) for name in ("architecture", "trained_architecture")
        )
        return cls(
            name=attributes["pick"],
            rank=attributes["rank"],
            predicted=attributes["predicted_score"],
            architecture=judged,
            trained=trained,
            parameters=attributes["parameters"],
            multiply_accumulates=attributes.get("multiply_accumulates"),  # these three: runs of earlier versions
            round=attributes.get("round", 1),
            expected=attributes.get("expected_accuracy"),
        )


def plan(study: optuna.Study, picks: Iterable[Pick]) -> None:
    """Enqueues the picks that the study does not have yet, in their order."""
    known = {trial.user_attrs.get("pick") for trial in study.get_trials(deepcopy=False)}
    for pick in picks:
        if pick.name not in known:
            study.enqueue_trial({}, user_attrs=pick.to_attributes())


def study_of_run(folder: RunFolder, storage: str | None) -> tuple[optuna.Study, Patience]:
    """The study of a run, and how long to wait where its storage is away: a file of the folder never is."""
    address, name = folder.read_place()
    study = open_study(storage or address, name, folder.study)
    return study, Patience(0 if address is None else _PATIENCE)
