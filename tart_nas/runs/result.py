"""What a search run gives: the scores of all candidates, and what became of the trained ones."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import numpy.typing as npt
import optuna
import torch
from optuna.trial import FrozenTrial, TrialState
from torch import nn

from tart_nas.errors import RunFolderError
from tart_nas.networks import load
from tart_nas.runs.candidates import ScoredCandidates
from tart_nas.runs.facts import RunFacts
from tart_nas.runs.folder import RunFolder
from tart_nas.runs.gain import Gain
from tart_nas.runs.provenance import Provenance
from tart_nas.runs.settings import SearchSettings
from tart_nas.runs.storage import open_study
from tart_nas.runs.study import CURVE, FAILURE, FAILURE_IS_FINAL, Pick, is_trained, trials

if TYPE_CHECKING:
    import pandas
    from matplotlib.figure import Figure

__all__ = ["SearchResult", "TrainedPick"]

State = Literal["trained", "failed", "running", "waiting"]

_ALL_TEST_IMAGES = {"digits": 297, "cifar10": 10_000}
"""Runs of version 0.1.0 did not write down how many images they tested on: all of their data set."""


@dataclass(frozen=True)
class TrainedPick:
    """A pick and what training it gave.

    Args:
        pick: what was trained, and why.
        curve: one mapping per epoch: ``train_loss``, ``train_accuracy``, ``validation_accuracy``, ``seconds``, ...
        validation_accuracy: of the last epoch, in [0, 1]; None when it failed.
        test_accuracy: in [0, 1], read once, after all were trained; None when it failed.
        failure: why it failed, else None.
        state: ``"trained"``, ``"failed"``, or in a run that has not finished ``"running"`` or ``"waiting"``.
        device: what it was trained on; None before that, and in runs of version 0.1.0.
        folder: where its trained network is, or will be.
    """

    pick: Pick
    curve: tuple[dict[str, float], ...]
    validation_accuracy: float | None
    test_accuracy: float | None
    failure: str | None
    state: State = "trained"
    device: str | None = None
    folder: Path = Path()

    def network(self, device: torch.device | str = "cpu") -> nn.Module:
        """The trained network; see :func:`tart_nas.networks.load`.

        Raises:
            CheckpointError: if it is not trained, or its files are gone.
        """
        return load(self.folder, device)

    @property
    def seconds(self) -> float | None:
        """How long its training took, validation included; None where that is not known."""
        seconds = [epoch["seconds"] for epoch in self.curve if "seconds" in epoch]
        return sum(seconds) if seconds else None

    def to_dict(self) -> dict[str, Any]:
        """The outcome as JSON values."""
        return {
            "name": self.pick.name,
            "rank": self.pick.rank,
            "predicted": self.pick.predicted,
            "parameters": self.pick.parameters,
            "multiply_accumulates": self.pick.multiply_accumulates,
            "round": self.pick.round,
            "expected_accuracy": self.pick.expected,
            "validation_accuracy": self.validation_accuracy,
            "test_accuracy": self.test_accuracy,
            "failure": self.failure,
            "state": self.state,
            "device": self.device,
            "seconds": self.seconds,
            "architecture": self.pick.architecture.to_dict(),
            "trained_architecture": self.pick.trained.to_dict(),
            "curve": list(self.curve),
        }


@dataclass(frozen=True)
class SearchResult:
    """The result of :func:`tart_nas.search`; ``print(result)`` shows the table, ``result.plot()`` the figure.

    Args:
        settings: what was asked for.
        folder: the run folder.
        scores: shape (number of candidates,), descending.
        picks: the picked candidates, round after round: the top k in their order, then the random ones.
        scoring_seconds: how long sampling and scoring took; NaN if the study that knew it was lost.
        images: what the networks were trained on, in words.
        image_counts: how many images were trained on, validated on and tested on, by the split's name.
        facts: what was predicted, and what the images are.
        provenance: the command, the date, the versions.
        finished: when it ended, ISO 8601 in UTC; None for a run that has not, and for those of version 0.1.0.
        is_finished: whether all that was picked is trained and tested.
    """

    settings: SearchSettings
    folder: Path
    scores: npt.NDArray[np.float64]
    picks: tuple[TrainedPick, ...]
    scoring_seconds: float
    images: str
    image_counts: Mapping[str, int]
    facts: RunFacts
    provenance: Provenance = field(default_factory=Provenance)
    finished: str | None = None
    is_finished: bool = True

    @classmethod
    def load(cls, folder: Path | str, storage: str | None = None, *, unfinished: bool = False) -> "SearchResult":
        """Reads the result of a run from its folder.

        Args:
            folder: of the run.
            storage: the address of the study, where it has a password or another address from here.
            unfinished: whether to read a run that has not finished too, as far as it has come.

        Raises:
            RunFolderError: if it is no run folder, or the run has not finished, or its candidates are not scored yet.
        """
        run = RunFolder(Path(folder))
        settings = run.read_settings()
        if not run.report_data.exists() and not unfinished:
            raise RunFolderError(f"The run in {folder} has not finished: give the command that began it again.")
        place, name = run.read_place()
        if not run.candidates.exists() or (place is None and not run.study.exists()):
            raise RunFolderError(f"The run in {folder} has scored no candidates yet: give its command again.")
        study = open_study(storage or place, name, run.study)
        return cls.of_study(settings, run, ScoredCandidates.read(run.candidates), study)

    @classmethod
    def of_study(
        cls, settings: SearchSettings, run: RunFolder, scored: ScoredCandidates, study: optuna.Study
    ) -> "SearchResult":
        """The result that the study of a run holds."""
        attributes = study.user_attrs
        test = attributes.get("test_accuracy", {})
        picks = tuple(_trained_pick(pick, trial, test, run) for pick, trial in trials(study))
        return cls(
            settings=settings,
            folder=run.path,
            scores=scored.scores,
            picks=picks,
            scoring_seconds=attributes.get("scoring_seconds", float("nan")),
            images=attributes.get("images", ""),
            image_counts=attributes.get("image_counts", {}),
            facts=RunFacts.read(attributes, run.read_place(), settings),
            provenance=run.read_provenance(),
            finished=attributes.get("finished"),
            is_finished="test_accuracy" in attributes
            and all(p.state == "failed" or (p.state == "trained" and p.pick.name in test) for p in picks),
        )

    @property
    def top(self) -> tuple[TrainedPick, ...]:
        """What the predictor picked, best score first."""
        return tuple(p for p in self.picks if not p.pick.is_random)

    @property
    def random(self) -> tuple[TrainedPick, ...]:
        """What was drawn at random beside it."""
        return tuple(p for p in self.picks if p.pick.is_random)

    @property
    def planned(self) -> int:
        """How many networks the whole run trains."""
        return self.settings.top_k * self.settings.rounds + self.settings.random

    @property
    def has_best(self) -> bool:
        """Whether at least one of the picked networks was trained."""
        return any(p.validation_accuracy is not None for p in self.top)

    @property
    def best(self) -> TrainedPick:
        """The best of the top k by validation accuracy.

        Raises:
            RunFolderError: if none of them could be trained.
        """
        trained = [p for p in self.top if p.validation_accuracy is not None]
        if not trained:
            reasons = [p.failure or f"{p.pick.name} is {p.state}" for p in self.top] or ["none is picked yet"]
            raise RunFolderError(f"No picked network could be trained: {'; '.join(reasons)}")
        return max(trained, key=lambda p: p.validation_accuracy or 0.0)

    def best_so_far(self) -> list[float]:
        """The best validation accuracy after each trained network, in the order in which they were picked."""
        accuracies = [p.validation_accuracy for p in self.picks if p.validation_accuracy is not None]
        return [float(best) for best in np.maximum.accumulate(accuracies)] if accuracies else []

    def gain(self) -> Gain | None:
        """How the test accuracies of the top k compare with those of the random ones; None where a side has none."""
        top, random = (
            [p.test_accuracy for p in side if p.test_accuracy is not None] for side in (self.top, self.random)
        )
        test_images = self.image_counts.get("test") or _ALL_TEST_IMAGES.get(self.settings.dataset)
        return Gain.between(top, random, test_images) if top and random and test_images else None

    def to_dict(self) -> dict[str, Any]:
        """The result as JSON values: the numbers of the report."""
        gain = self.gain()
        return {
            "settings": self.settings.to_dict(),
            "facts": self.facts.to_dict(),
            "provenance": self.provenance.to_dict(),
            "finished": self.finished,
            "is_finished": self.is_finished,
            "images": self.images,
            "scoring_seconds": None if math.isnan(self.scoring_seconds) else self.scoring_seconds,
            "scores": {
                "n": len(self.scores),
                "mean": float(self.scores.mean()),
                "std": float(self.scores.std()),
                "max": float(self.scores.max()),
                "min": float(self.scores.min()),
            },
            "image_counts": dict(self.image_counts),
            "gain": None if gain is None else gain.to_dict(),
            "best_so_far": self.best_so_far(),
            "picks": [pick.to_dict() for pick in self.picks],
        }

    def to_dataframe(self) -> "pandas.DataFrame":
        """The trained networks as a table of pandas, one row each, in the order in which they were picked.

        pandas is no dependency: nothing else here needs it.

        Returns:
            A data frame with the pick's name as its index and the columns ``is_random``, ``round``, ``rank``,
            ``predicted``, ``expected_accuracy``, ``parameters``, ``multiply_accumulates``, ``state``,
            ``validation_accuracy``, ``test_accuracy`` (fractions of 1), ``seconds``, ``failure`` and ``genotype``
            (DARTS' text).

        Raises:
            SettingError: if pandas is not installed.
        """
        from tart_nas.runs.data_frame import result_frame

        return result_frame(self)

    def plot(self) -> "Figure":
        """Scores with the picks marked, learning curves, predicted against measured, the best so far.

        Returns:
            A :class:`matplotlib.figure.Figure`.
        """
        from tart_nas.runs.figures import result_figure  # matplotlib takes a second to import

        return result_figure(self)

    def __str__(self) -> str:
        from tart_nas.runs.text import result_text

        return result_text(self)

    def _repr_html_(self) -> str:
        """The table and the gain, for notebooks."""
        from tart_nas.runs.notebook import result_html

        return result_html(self)


def _trained_pick(pick: Pick, trial: FrozenTrial, test: dict[str, float], run: RunFolder) -> TrainedPick:
    attributes, state = trial.user_attrs, _state(trial)
    so_far = [{"epoch": epoch, "validation_accuracy": value} for epoch, value in trial.intermediate_values.items()]
    again = "" if attributes.get(FAILURE_IS_FINAL, False) else " (the same command tries it again)"
    return TrainedPick(
        pick=pick,
        curve=tuple(attributes.get(CURVE, so_far)),
        validation_accuracy=trial.value if state == "trained" else None,
        test_accuracy=test.get(pick.name) if state == "trained" else None,
        failure=f"{attributes[FAILURE]}{again}" if state == "failed" else None,
        state=state,
        device=attributes.get("device"),
        folder=run.network(pick.name),
    )


def _state(trial: FrozenTrial) -> State:
    if trial.state == TrialState.RUNNING:
        return "running"
    if is_trained(trial):
        return "trained"
    return "failed" if trial.state == TrialState.FAIL and FAILURE in trial.user_attrs else "waiting"
