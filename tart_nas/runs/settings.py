"""Everything that decides what a search run gives, in one frozen value that is written into the run folder."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from tart_nas.checks import one_of, whole
from tart_nas.choices import STRATEGIES
from tart_nas.errors import SettingError, reason
from tart_nas.layout import MIN_IMAGE_SIZE
from tart_nas.runs.goals import Goals
from tart_nas.search_spaces.trial_architecture import AnyArchitecture
from tart_nas.training import TrainingRecipe

__all__ = ["GIVEN_IMAGES", "SearchSettings", "TrainingBudget"]

GIVEN_IMAGES = "given"
"""The ``dataset`` of a run whose images were given in Python."""


@dataclass(frozen=True)
class TrainingBudget:
    """How much smaller than judged the picked networks are trained; None keeps what the architecture or data set says.

    The predictor scores the full-size network, at its space's settings; the budget shrinks only what is trained. The
    report states both.

    Args:
        n_cells: number of cells, at least 1.
        C: channels of the first cells, at least 1.
        train_images: size of the class-balanced part of the training split, at least 1; None for all of it.
        image_size: height and width to which all images are reduced, in pixels, at least 8; None for their own.

    Raises:
        SettingError: if a value is outside its range.
    """

    n_cells: int | None = None
    C: int | None = None
    train_images: int | None = None
    image_size: int | None = None

    def __post_init__(self) -> None:
        for name, value in asdict(self).items():
            least = MIN_IMAGE_SIZE if name == "image_size" else 1
            if value is not None:
                object.__setattr__(self, name, whole(f"{name} of the training budget", value, least))

    def apply(self, architecture: AnyArchitecture) -> AnyArchitecture:
        """The architecture as it is trained.

        Raises:
            ArchitectureError: if there is no such network: one of a user's own space has no cells to change.
        """
        return architecture.resized(self.n_cells, self.C)


@dataclass(frozen=True)
class SearchSettings:
    """The settings of one run; runs with equal settings end with equal results.

    Args:
        space: what the candidates come from: ``{"name": "darts", ...}`` with the space's settings, or
            ``{"name": "given", "sha256": ...}`` for a list.
        predictor: the identity of the predictor (:attr:`Predictor.identity`).
        candidates: how many are scored, at least 1.
        top_k: how many of the best are trained, at least 1.
        random: how many random candidates are trained beside them, at least 0.
        dataset: the images they are trained on.
        budget: how much the networks are shrunk for training.
        recipe: how they are trained.
        seed: of the sampling, the random candidates, the initial weights and the training.
        strategy: ``"topk"``, the best of a sample; ``"evolution"``, the best of as many architectures that regularized
            evolution on the predictor alone came by; ``"active"``, as topk, but later rounds weigh the uncertainty too;
            ``"generate"``, the best of what a generator wrote, whose identity the space then has.
        rounds: how often, at least 1, the top k are trained; in between the others are ranked again by what was
            measured.
        min_distance: how many edges the trained ones differ by at least (:func:`tart_nas.strategies.cell_distance`).
        init: the hypernetwork that predicts the first weights of all that is trained
            (:meth:`tart_nas.hypernetworks.PredictedStart.identity`); None for PyTorch's initialisation.
        goals: limits and objectives besides accuracy.
        train: the name of the user's function that trains in place of the recipe, None for the recipe.
        latency_predictor: the identity of what predicts the latency, where the goals ask for it; None where it is
            fitted in the run, and in runs of versions before, which did not write it down.

    Raises:
        SettingError: if a value is outside its range, or more networks are to be trained than there are candidates.
    """

    space: Mapping[str, Any]
    predictor: str
    candidates: int
    top_k: int
    random: int
    dataset: str
    budget: TrainingBudget = field(default_factory=TrainingBudget)
    recipe: TrainingRecipe = field(default_factory=TrainingRecipe)
    seed: int = 0
    strategy: str = "topk"
    rounds: int = 1
    min_distance: int = 0
    init: Mapping[str, Any] | None = None
    goals: Goals = field(default_factory=Goals)
    train: str | None = None
    latency_predictor: str | None = None

    def __post_init__(self) -> None:
        least_values = {"candidates": 1, "top_k": 1, "random": 0, "seed": 0, "rounds": 1, "min_distance": 0}
        for name, least in least_values.items():
            value = getattr(self, name)
            object.__setattr__(self, name, whole(name, value, least))  # as JSON can hold it
        one_of("strategy", self.strategy, STRATEGIES)
        self.check_count(self.candidates)

    @property
    def planned(self) -> int:
        """How many networks the run trains."""
        return self.top_k * self.rounds + self.random

    def check_count(self, candidates: int) -> None:
        """Makes sure that so many candidates are enough, which may be fewer than were asked for.

        Raises:
            SettingError: if more networks are to be trained.
        """
        if self.planned > candidates:
            rounds = f" in each of {self.rounds} rounds" if self.rounds > 1 else ""
            raise SettingError(
                f"`top_k` and `random` must not exceed the number of candidates together, but got {self.top_k}{rounds} "
                f"and {self.random} of {candidates}."
            )

    def to_dict(self) -> dict[str, Any]:
        """The settings as JSON values."""
        return {
            "space": dict(self.space),
            "predictor": self.predictor,
            "candidates": self.candidates,
            "top_k": self.top_k,
            "random": self.random,
            "dataset": self.dataset,
            "budget": asdict(self.budget),
            "recipe": self.recipe.to_dict(),
            "seed": self.seed,
            "strategy": self.strategy,
            "rounds": self.rounds,
            "min_distance": self.min_distance,
            # Only where there is one: reports of runs without stay as they were.
            **({} if self.init is None else {"init": dict(self.init)}),
            **self.goals.to_dict(),
            # None too: a folder without it is of a version before (`RunFolder.claimed`).
            **({"latency_predictor": self.latency_predictor} if "latency_ms" in self.goals.costs else {}),
            **({} if self.train is None else {"train": self.train}),
        }

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> "SearchSettings":
        """Reads what :meth:`to_dict` gives, or gave in an earlier version: what is missing takes its default.

        Raises:
            SettingError: if it is something else.
        """
        try:
            budget, recipe = TrainingBudget(**data["budget"]), TrainingRecipe.from_dict(data["recipe"])
            goals = Goals(data.get("limits", {}), tuple(data.get("objectives", ("accuracy",))))
            others = {name: value for name, value in data.items() if name not in ("limits", "objectives")}
            return cls(**{**others, "budget": budget, "recipe": recipe, "goals": goals})
        except (KeyError, TypeError) as error:
            raise SettingError(f"Not the settings of a search: {reason(error)}.") from None
