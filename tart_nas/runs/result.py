"""What a search run gives: the scores of all candidates, and what became of the trained ones."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import optuna
from optuna.storages import BaseStorage

from tart_nas.deprecation import successor
from tart_nas.errors import RunFolderError, SettingError, TartError, printable, reason
from tart_nas.runs.agreement import Agreement
from tart_nas.runs.candidates import ScoredCandidates
from tart_nas.runs.facts import RunFacts
from tart_nas.runs.folder import RunFolder
from tart_nas.runs.gain import Gain
from tart_nas.runs.goals import COSTS
from tart_nas.runs.latency_agreement import LatencyAgreement
from tart_nas.runs.pages import render
from tart_nas.runs.provenance import Provenance
from tart_nas.runs.settings import SearchSettings
from tart_nas.runs.storage import is_server, masked, read_study, storage_address
from tart_nas.runs.study import IMAGE_FINGERPRINT, TEST_IMAGE_FINGERPRINT, trials
from tart_nas.runs.text import picks_table
from tart_nas.runs.trained_pick import TrainedPick, trained_pick
from tart_nas.strategies import pareto_front

if TYPE_CHECKING:
    import pandas
    from matplotlib.figure import Figure

__all__ = ["SearchResult"]

_ALL_TEST_IMAGES = {"digits": 297, "cifar10": 10_000}
"""Runs of version 0.1.0 did not write down how many images they tested on: all of their data set."""


@dataclass(frozen=True)
class SearchResult:
    """The result of :func:`tart_nas.search`.

    ``print(result)`` shows its table, and so does a notebook;
    :func:`tart_nas.runs.figures.result_figure` draws it.

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
        costs: what else was asked for of each candidate, (number of candidates,) each, by the names of limits.
        fingerprints: hashes of the images that were trained and validated on and, once they are read, of the test
            images, by the names of the study's attributes; empty in runs of version 0.1.0.
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
    costs: Mapping[str, npt.NDArray[np.float64]] = field(default_factory=dict)
    fingerprints: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def load(
        cls, folder: Path | str, storage: str | Path | BaseStorage | None = None, *, unfinished: bool = False
    ) -> "SearchResult":
        """Reads the result of a run from its folder.

        Args:
            folder: of the run.
            storage: as in :func:`tart_nas.search`, where the study is on a server or has another address from here. The
                folder may be somebody else's: no server is contacted because its ``config.json`` names one.
            unfinished: whether to read a run that has not finished too, as far as it has come.

        Raises:
            RunFolderError: if it is no run folder, or the run has not finished, or its candidates are not scored yet.
            SettingError: if the study is on a server and ``storage`` is not given.
        """
        run = RunFolder(Path(folder))
        settings = run.read_settings()
        if not run.report_data.exists() and not unfinished:
            raise RunFolderError(f"The run in {folder} has not finished: give the command that began it again.")
        place, name = run.read_place()
        if not run.candidates.exists() or (place is None and not run.study.exists()):
            raise RunFolderError(f"The run in {folder} has scored no candidates yet: give its command again.")
        address = storage_address(storage)
        if address is None and place is not None and is_server(place):
            raise SettingError(
                f"The study of {folder} is on a server, {masked(place)}, which is contacted only when it is asked for: "
                f"give its address, with its password if it has one, as `storage`."
            )
        study = read_study(address or place, name, run.study)
        return cls.of_study(settings, run, ScoredCandidates.read(run.candidates), study)

    @classmethod
    def of_study(
        cls, settings: SearchSettings, run: RunFolder, scored: ScoredCandidates, study: optuna.Study
    ) -> "SearchResult":
        """The result that the study of a run holds.

        Raises:
            RunFolderError: if the study is damaged.
        """
        try:
            return cls._of_study(settings, run, scored, study)
        except (KeyError, TypeError, AttributeError, ValueError, IndexError, RecursionError) as error:
            if isinstance(error, TartError):
                raise
            raise RunFolderError(f"The study of the run in {run.path} is damaged: {reason(error)}.") from error

    @classmethod
    def _of_study(
        cls, settings: SearchSettings, run: RunFolder, scored: ScoredCandidates, study: optuna.Study
    ) -> "SearchResult":
        attributes = study.user_attrs
        test = attributes.get("test_accuracy", {})
        picks = tuple(trained_pick(pick, trial, test, run.network(pick.name)) for pick, trial in trials(study))
        return cls(
            settings=settings,
            folder=run.path,
            scores=scored.scores,
            picks=picks,
            scoring_seconds=attributes.get("scoring_seconds", float("nan")),
            images=attributes.get("images", ""),
            image_counts=attributes.get("image_counts", {}),
            costs=scored.costs,
            fingerprints={
                name: str(attributes[name])
                for name in (IMAGE_FINGERPRINT, TEST_IMAGE_FINGERPRINT)
                if name in attributes
            },
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

    def goals_sentence(self) -> str:
        """The limits and objectives besides accuracy, and how many candidates keep the limits; empty without any."""
        goals = self.settings.goals
        if not goals:
            return ""
        kept = int(goals.within(self.costs, len(self.scores)).sum())
        told = f" {kept:,} of {len(self.scores):,} candidates keep them." if goals.limits else ""
        parts = goals.sentence().split(" Objectives:")
        return parts[0] + (told if goals.limits else "") + "".join(f" Objectives:{part}" for part in parts[1:])

    def latency_agreement(self) -> LatencyAgreement | None:
        """How the predicted latencies of the picks compare with the measured ones; None where there are none."""
        return LatencyAgreement.of([p.pick for p in self.picks])

    def measured_front(self) -> tuple[TrainedPick, ...]:
        """The trained networks that no other one dominates, by validation accuracy and the other objectives.

        Without objectives besides accuracy, all that is limited counts as one.
        """
        trained = [p for p in self.picks if p.validation_accuracy is not None and p.pick.costs]
        if not trained:
            return ()
        objectives = [COSTS[name] for name in self.settings.goals.objectives if name != "accuracy"]
        names = objectives or list(self.settings.goals.costs)
        values = [[p.validation_accuracy or 0.0, *(-p.pick.costs[name] for name in names)] for p in trained]
        return tuple(p for p, on_front in zip(trained, pareto_front(values), strict=True) if on_front)

    def gain(self) -> Gain | None:
        """How the test accuracies of the top k compare with those of the random ones; None where a side has none."""
        top, random = (
            [p.test_accuracy for p in side if p.test_accuracy is not None] for side in (self.top, self.random)
        )
        test_images = self.image_counts.get("test") or _ALL_TEST_IMAGES.get(self.settings.dataset)
        return Gain.between(top, random, test_images) if top and random and test_images else None

    def predicted_gain(self) -> float | None:
        """By how much the predictor's own mean score of the top k is above that of the random ones, in its unit.

        Of the networks that :meth:`gain` compares; None where it compares none.
        """
        top, random = (
            [p.pick.predicted for p in side if p.test_accuracy is not None] for side in (self.top, self.random)
        )
        return float(np.mean(top) - np.mean(random)) if top and random else None

    def predicted_gain_sentence(self) -> str:
        """The predicted gain in words; empty where there is none."""
        predicted = self.predicted_gain()
        if predicted is None:
            return ""
        of = self.facts.predictor
        unit = f" {of.unit}" if of.unit else ", in a unit of its own"
        return f"Their predictions differ by {predicted:+.2f} on average ({of.target}{unit})."

    def agreements(self) -> list[Agreement]:
        """How well the predictions of each round ranked its networks; of the rounds in which some are trained."""
        measured = [(p.pick, p.validation_accuracy) for p in self.picks if p.validation_accuracy is not None]
        rounds = sorted({pick.round for pick, _ in measured})
        return [Agreement.of_round(number, measured) for number in rounds]

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
            "predicted_gain": self.predicted_gain(),
            "agreements": [agreement.to_dict() for agreement in self.agreements()],
            **({"front": [p.pick.name for p in self.measured_front()]} if self.settings.goals else {}),
            **({} if (latency := self.latency_agreement()) is None else {"latency": latency.to_dict()}),
            "best_so_far": self.best_so_far(),
            "picks": [pick.to_dict() for pick in self.picks],
        }

    def to_dataframe(self) -> "pandas.DataFrame":
        """The trained networks as a table of pandas, one row each, in the order in which they were picked.

        pandas is no dependency: nothing else here needs it.

        Returns:
            A data frame with the pick's name as its index and the columns ``is_random``, ``round``, ``rank``,
            ``predicted``, ``expected_accuracy``, ``parameters``, ``multiply_accumulates``, ``state``,
            ``validation_accuracy``, ``test_accuracy`` (fractions of 1), ``seconds``, ``failure``, ``genotype`` (DARTS'
            text) and ``string`` (:mod:`tart_nas.strings`).

        Raises:
            SettingError: if pandas is not installed.
        """
        from tart_nas.runs.data_frame import picks_frame  # pandas is no dependency

        return picks_frame(self.picks)

    def to_text(self, width: int = 88) -> str:
        """The trained networks as a table, and what they gained: what ``print`` shows.

        Args:
            width: of the text in characters, as of a terminal.
        """
        n, seconds = len(self.scores), self.scoring_seconds
        speed = f" in {seconds:.1f} s ({n / seconds:,.0f}/s)" if seconds > 0 else ""  # NaN where the study was lost
        asked = self.settings.candidates
        fewer = f" (all that could be of the {asked:,} asked for)" if n < asked else ""
        table = picks_table(self.picks, width)
        lines = [f"{n:,} candidates{fewer} scored{speed}"]
        lines += [self.goals_sentence()] if self.settings.goals else []
        latency = self.latency_agreement()
        lines += [] if latency is None else [latency.sentence()]
        lines += [f"{p.pick.name} failed: {p.failure}" for p in self.picks if p.state == "failed"]
        gain = self.gain()
        lines += [] if gain is None else [gain.sentence(), self.predicted_gain_sentence()]
        lines += [agreement.sentence() for agreement in self.agreements()]
        if not self.is_finished:
            trained = sum(p.state == "trained" for p in self.picks)
            lines.append(f"not finished: {trained} of {self.planned} networks are trained")
        first, *others = map(printable, lines)  # which hold names and reasons of the study
        return "\n".join([first, table, *others])

    def __str__(self) -> str:
        return self.to_text()

    def _repr_html_(self) -> str:
        """The table and the gain, for notebooks: a piece of HTML whose colours are theirs, light or dark."""
        best = self.best if self.has_best else None
        return render("notebook.html", {"result": self, "gain": self.gain(), "best": best})

    def plot(self) -> "Figure":
        """The old name of :func:`tart_nas.runs.figures.result_figure`."""
        figure: Figure = successor("SearchResult.plot()", "tart_nas.runs.figures.result_figure")(self)
        return figure
