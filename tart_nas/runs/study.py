"""The trials of a run: an Optuna study that holds one trial for each picked architecture.

The study is the run's only database, in the run folder's SQLite file or any other storage. The search, one at a time,
enqueues picks; workers train what is enqueued. A trial that a killed search left running is taken up again in place, so
that a resumed run has the trials of an undisturbed one; training is seeded, so that its numbers are the same too.

Others may use the study too: a dashboard or a script adds, enqueues and optimizes trials. A trial that is no pick is
not the run's and is left alone. A pick that somebody else's ``optimize`` took and gave a value was not trained, which
shows because it has no curve: it is enqueued again.
"""

import json
import math
import time
import warnings
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import optuna
from optuna.exceptions import ExperimentalWarning
from optuna.trial import FrozenTrial, TrialState, create_trial

from tart_nas.architecture import Architecture
from tart_nas.checks import short
from tart_nas.errors import RunFolderError, reason
from tart_nas.runs.folder import RunFolder
from tart_nas.runs.storage import open_study, read_study
from tart_nas.runs.trial_parameters import TrialParameters, trial_parameters
from tart_nas.search_spaces import ArchitectureSource
from tart_nas.search_spaces.trial_architecture import AnyArchitecture, architecture_from_dict
from tart_nas.trials import FAILURE, RetryWhileUnreachable

__all__ = [
    "CURVE",
    "FAILURE_IS_FINAL",
    "IMAGE_FINGERPRINT",
    "TEST_IMAGE_FINGERPRINT",
    "Pick",
    "enqueue",
    "is_pick",
    "is_trained",
    "name_metric",
    "plan",
    "shown_of_pick",
    "study_of_run",
    "trials",
]

IMAGE_FINGERPRINT, TEST_IMAGE_FINGERPRINT = "image_fingerprint", "test_image_fingerprint"
"""The user attributes of a run's study by which its images are known: those that are trained and validated on, and
the test images, which are read last."""

CURVE, FAILURE_IS_FINAL = "curve", "failure_is_final"  # user attributes of a trial that ended
_PICK = ("pick", "rank", "predicted_score", "architecture", "trained_architecture", "parameters")  # of every pick
_SHOWN = ("pick", "rank", "predicted_score", "parameters", "round", "genotype")
_PATIENCE = 60.0  # seconds that a storage on another machine may be away: a database restarts in that time


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
        expected_std: the standard deviation of a measurement around it; None where nothing tells it.
        costs: of the architecture at its own size, by the names of limits; the latency is measured, and the predicted
            one is ``predicted_latency_ms``, which runs of versions before may lack. Empty where the search has no goals
            but accuracy.
    """

    name: str
    rank: int
    predicted: float
    architecture: AnyArchitecture
    trained: AnyArchitecture
    parameters: int
    multiply_accumulates: int | None = None
    round: int = 1
    expected: float | None = None
    expected_std: float | None = None
    costs: Mapping[str, float] = field(default_factory=dict)

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
            **self._cells(),
            "architecture": json.dumps(self.architecture.to_dict()),
            "trained_architecture": json.dumps(self.trained.to_dict()),
            "parameters": self.parameters,
            "multiply_accumulates": self.multiply_accumulates,
            "round": self.round,
            "expected_accuracy": self.expected,
            "expected_accuracy_std": self.expected_std,
            **({"costs": dict(self.costs)} if self.costs else {}),
        }

    def _cells(self) -> dict[str, str]:
        """The genotype, for who looks at the study; of a network of a user's own its parameters tell all."""
        if isinstance(self.architecture, Architecture):
            return {"genotype": json.dumps(self.architecture.genotype.to_dict())}
        return {}

    @classmethod
    def from_attributes(cls, attributes: dict[str, Any]) -> "Pick":
        """Reads what :meth:`to_attributes` gave.

        Raises:
            RunFolderError: if it is something else, as in a storage that is damaged or that somebody else writes into.
        """
        try:
            judged, trained = (
                architecture_from_dict(json.loads(attributes[name]))
                for name in ("architecture", "trained_architecture")
            )
        except (ValueError, TypeError, RecursionError) as error:
            raise RunFolderError(
                f"The study of the run is damaged: its pick {short(attributes['pick'])} has no architecture "
                f"({reason(error)})."
            ) from None
        numbers = [attributes[name] for name in ("rank", "predicted_score", "parameters")]
        numbers += [attributes.get(name) or 0 for name in ("multiply_accumulates", "round", "expected_accuracy")]
        costs = attributes.get("costs", {})
        numbers += costs.values() if isinstance(costs, Mapping) else [costs]
        if not isinstance(attributes["pick"], str) or not all(isinstance(value, int | float) for value in numbers):
            raise RunFolderError(
                f"The study of the run is damaged: its pick {short(attributes['pick'])} has {short(numbers)} where "
                f"numbers are expected."
            )
        return cls(
            name=attributes["pick"],
            rank=attributes["rank"],
            predicted=attributes["predicted_score"],
            architecture=judged,
            trained=trained,
            parameters=attributes["parameters"],
            multiply_accumulates=attributes.get("multiply_accumulates"),  # these four: runs of earlier versions
            round=attributes.get("round", 1),
            expected=attributes.get("expected_accuracy"),
            expected_std=attributes.get("expected_accuracy_std"),
            # Versions before picked random candidates whose latency could not be predicted: JSON has no NaN.
            costs={name: value for name, value in costs.items() if math.isfinite(value)},
        )


def is_pick(trial: FrozenTrial) -> bool:
    """Whether a trial is one of the run; else somebody else added it to the study."""
    return all(name in trial.user_attrs for name in _PICK)


def shown_of_pick(trial: FrozenTrial) -> dict[str, Any]:
    """What pages of others show of the pick of a trial, as JSON values by name.

    That is its name, rank, score, number of parameters and round, and what it is made of: the genotype as text, or of
    a network of a user's own, which has none, what was suggested.
    """
    known = {name: trial.user_attrs[name] for name in _SHOWN if name in trial.user_attrs}
    return known if "genotype" in known else {**known, "suggestions": json.dumps(trial.params)}


def is_trained(trial: FrozenTrial) -> bool:
    """Whether a trial was trained by the run: its value is the validation accuracy of its curve's last epoch."""
    curve = trial.user_attrs.get(CURVE, ())
    if trial.state != TrialState.COMPLETE or trial.value is None or not curve:
        return False
    try:
        return math.isclose(curve[-1]["validation_accuracy"], trial.value)
    except (KeyError, TypeError, IndexError):  # a curve that is none
        return False


def trials(study: optuna.Study) -> list[tuple[Pick, FrozenTrial]]:
    """The picks in the order in which they were enqueued first, each with the trial that counts.

    That is the last one that was trained or, where none was, the last one: a pick has several trials if a worker
    stopped, or if it failed for a reason that is not its own and was tried again.
    """
    counting: dict[str, FrozenTrial] = {}
    for trial in filter(is_pick, study.get_trials(deepcopy=False)):
        name = trial.user_attrs["pick"]
        if name not in counting or is_trained(trial) or not is_trained(counting[name]):
            counting[name] = trial
    return [(Pick.from_attributes(trial.user_attrs), trial) for trial in counting.values()]


def name_metric(study: optuna.Study) -> None:
    """Says what the value of a trial is, for whoever looks at the study."""
    if study.metric_names is None:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ExperimentalWarning)  # of Optuna 4
            study.set_metric_names(["validation accuracy"])


def enqueue(study: optuna.Study, attributes: dict[str, Any], parameters: TrialParameters) -> None:
    """Adds a trial that waits, with all that is known of it.

    Its parameters and their distributions are those that ``suggest_architecture`` would have suggested: Optuna's
    importance and slices compare trials by these, and ``enqueue_trial`` does not take them.
    """
    values, distributions = parameters
    study.add_trial(
        create_trial(
            state=TrialState.WAITING,
            params=values,
            distributions=distributions,
            user_attrs=attributes,
            system_attrs={"fixed_params": values},  # what `enqueue_trial` sets, for somebody else's `optimize`
        )
    )


def plan(
    study: optuna.Study, picks: Iterable[Pick], source: ArchitectureSource | None = None, retry: bool = False
) -> None:
    """Enqueues the picks that have no trial which waits, runs, was trained, or failed in training, in their order.

    Args:
        study: of the run.
        picks: of a round.
        source: what the candidates come from, None for a list; see :func:`trial_parameters`.
        retry: whether to try those again that failed for a reason which is not their own, such as a worker that
            stopped. Earlier versions did not say whose fault a failure was: those are tried once more.
    """
    counting = {pick.name: trial for pick, trial in trials(study)}
    for pick in picks:
        if pick.name not in counting or _is_open(counting[pick.name], retry):
            enqueue(study, pick.to_attributes(), trial_parameters(pick.architecture, source))


def _is_open(trial: FrozenTrial, retry: bool) -> bool:
    """Whether a trial ended, but not by being trained or by a failure that counts."""
    if not trial.state.is_finished() or is_trained(trial):
        return False
    has_failed = trial.state in (TrialState.FAIL, TrialState.PRUNED) and FAILURE in trial.user_attrs
    return not has_failed or (retry and not trial.user_attrs.get(FAILURE_IS_FINAL, False))


def study_of_run(
    folder: RunFolder, storage: str | None, *, makes: bool = True
) -> tuple[optuna.Study, RetryWhileUnreachable]:
    """The study of a run, and how long to wait where its storage is away: a file of the folder never is.

    Args:
        folder: of the run.
        storage: the address of the study, as its user gave it; needed where it is outside of the folder.
        makes: whether to make the study if there is none, as the search does. Others wait for a search that runs.

    Raises:
        RunFolderError: if the storage cannot be opened, or there is no study.
        SettingError: if it is outside of the folder, and its address is not given.
    """
    _, name = folder.read_place()
    address = folder.address(storage)
    retrying = RetryWhileUnreachable(0 if address is None else _PATIENCE)
    if makes:
        return open_study(address, name, folder.study), retrying
    deadline = time.monotonic() + _PATIENCE
    while True:
        try:
            return read_study(address, name, folder.study), retrying
        except RunFolderError:
            if not folder.is_claimed() or time.monotonic() > deadline:
                raise
        time.sleep(0.5)  # seconds; the search makes tables and study right after it began
