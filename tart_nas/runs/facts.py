"""What a report tells of a run beside settings, provenance and results: what was predicted, on what was trained.

None of it decides a result. ``search`` writes it into the run's study once, when the run begins; runs of version 0.1.0
have none of it, and reports say of them what can be known without.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from tart_nas.errors import RunFolderError
from tart_nas.images import ImageData
from tart_nas.predictors import Predictor
from tart_nas.runs.settings import SearchSettings
from tart_nas.runs.storage import OWN_STUDY

__all__ = ["FACTS", "PredictorFacts", "RunFacts"]

FACTS = "facts"
"""The user attribute of a run's study that holds them."""

# What version 0.1.0 bundled, by what it wrote down of it.
_NAMES_BY_IDENTITY = {
    "ensemble 8fc58de418e0127a": "darts-cifar10",
    "gp 1b9de9a6104704fc": "deepnets1m-cifar10",
}
_IMAGE_SIZE = 32  # of the data sets that version 0.1.0 searched on
# Kinds without labels predict a count's logarithm, or an accuracy in [0, 1].
_COUNTS = {
    "params": "log₁₀ of the parameters",
    "flops": "log₁₀ of the multiply-accumulates",
    "ghn-accuracy": "accuracy of predicted parameters",
}
# "target" is what a predictor calls its only target where nobody named it.
_TARGET_WORDS = {"target": "value", "val_accuracy": "validation accuracy"}


@dataclass(frozen=True)
class PredictorFacts:
    """The predictor of a run, as a report names it.

    Args:
        name: of a bundled one, the path of a file, or the kind of one that was given as an object.
        kind: as ``Predictor.kind``.
        target: what it predicts, in words.
        unit: of its predictions; empty where it is not known or there is none.
        size: ``n_cells`` and ``C`` of the networks that its labels were measured on, where these are not the
            architectures' own.
        labels: the budget of its labels, where it is known: ``image_size`` in pixels, ``train_images``, ``epochs``.
        is_named: whether commands take its name.
    """

    name: str
    kind: str
    target: str = "value"
    unit: str = ""
    size: Mapping[str, int] = field(default_factory=dict)
    labels: Mapping[str, int] = field(default_factory=dict)
    is_named: bool = True

    @property
    def explains_cells(self) -> bool:
        """Whether a command can open it by its name and explain cells by it, which a count does badly."""
        return self.is_named and self.kind not in _COUNTS

    @classmethod
    def of(cls, predictor: Predictor, name: str, is_named: bool = True) -> "PredictorFacts":
        """Those of a fitted predictor.

        Args:
            predictor: the predictor.
            name: how the user named it.
            is_named: whether commands take that name.
        """
        if not predictor.is_fitted:
            return cls(name, predictor.kind, "validation accuracy, learned in the run; 0 before", is_named=False)
        metadata = predictor.metadata
        if predictor.kind in _COUNTS and metadata["training"] is None:
            return cls(name, predictor.kind, _COUNTS[predictor.kind], is_named=is_named)
        data = _mapping(metadata["notes"].get("data"))
        first, scaling = next(iter(metadata["targets"].items()))
        target = data.get("target", first) if first == "target" else first
        words = _TARGET_WORDS.get(str(target), str(target).replace("_", " "))
        # A mean accuracy above 1 can only be in per cent.
        unit = "%" if words.split()[-1] == "accuracy" and 1 < scaling["mean"] <= 100 else ""
        settings = _mapping(data.get("settings"))
        budget = {name: settings.get(name) for name in ("image_size", "train_images")}
        budget["epochs"] = _mapping(settings.get("recipe")).get("epochs")
        labels = {name: value for name, value in budget.items() if isinstance(value, int)}
        size = _mapping(metadata["notes"].get("label_size", metadata["trained_at"]))  # the former after an update
        return cls(name, predictor.kind, words, unit, size, labels, is_named)

    @classmethod
    def of_identity(cls, identity: str) -> "PredictorFacts":
        """Those of a run of version 0.1.0, which wrote down the predictor's identity alone."""
        kind = identity.split()[0]
        if kind in _COUNTS:
            return cls(kind, kind, _COUNTS[kind])
        name = _NAMES_BY_IDENTITY.get(identity)
        size = {"C": 8} if name == "deepnets1m-cifar10" else {}
        if name is None:
            return cls(identity, kind, is_named=False)
        return cls(name, kind, "accuracy", "%", size)


def _mapping(value: Any) -> Mapping[str, Any]:
    """What notes hold under a name; they are the user's, who may have written a text there."""
    return value if isinstance(value, Mapping) else {}


@dataclass(frozen=True)
class RunFacts:
    """What a report tells of a run beside its settings, its provenance and its results; None is not known.

    Args:
        predictor: what scored the candidates.
        image_size: height and width of the images that networks were trained on, in pixels.
        classes: of the images.
        data_dir: where the user said that the images are.
        storage: the address of the study, its password left out; None for the run folder's own file.
        study: the study's name.
    """

    predictor: PredictorFacts
    image_size: int | None = None
    classes: tuple[str, ...] = ()
    data_dir: str | None = None
    storage: str | None = None
    study: str = OWN_STUDY

    @classmethod
    def of_search(cls, predictor: PredictorFacts, images: ImageData, data_dir: Path | str | None) -> "RunFacts":
        """Those of a search that begins.

        Args:
            predictor: what scores the candidates.
            images: what networks are trained on.
            data_dir: where the user said that they are.
        """
        place = None if data_dir is None else str(data_dir)
        return cls(predictor, images.image_size, tuple(images.classes), place)

    def to_dict(self) -> dict[str, Any]:
        """The facts as JSON values."""
        return {**asdict(self), "classes": list(self.classes)}

    @classmethod
    def read(cls, attributes: Mapping[str, Any], place: tuple[str | None, str], settings: SearchSettings) -> "RunFacts":
        """What a run's study tells.

        Args:
            attributes: of the study.
            place: the address of the study and its name.
            settings: of the run.

        Raises:
            RunFolderError: if the study tells something else.
        """
        try:
            stored = {**attributes.get(FACTS, {"image_size": settings.budget.image_size or _IMAGE_SIZE})}
            predictor = stored.pop("predictor", None)
            stored |= {"storage": place[0], "study": place[1], "classes": tuple(stored.get("classes", ()))}
            known = PredictorFacts.of_identity(settings.predictor) if predictor is None else PredictorFacts(**predictor)
            return cls(known, **stored)
        except (TypeError, ValueError) as error:
            raise RunFolderError(f"The study of the run does not hold the facts of a search: {error}.") from None
