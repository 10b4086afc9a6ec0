"""What a kind of predictor must provide, and the kinds there are."""

from abc import ABC, abstractmethod
from collections.abc import Callable
from importlib import import_module
from inspect import signature
from typing import TYPE_CHECKING, Any, ClassVar, Self

import numpy as np
import numpy.typing as npt

from tart_nas.choices import KINDS
from tart_nas.errors import PredictorError, SettingError
from tart_nas.predictors.checkpoint import Arrays
from tart_nas.predictors.inputs import PredictorInputs
from tart_nas.tokens import CellTokens

if TYPE_CHECKING:
    import torch

    from tart_nas.predictors.graph_features import GraphVocabulary

Floats = npt.NDArray[np.float64]

__all__ = ["Regressor", "regressor_class"]

_CLASSES: dict[str, str] = {
    "boosting": "tart_nas.predictors.models.boosting:GradientBoosting",
    "ensemble": "tart_nas.predictors.models.ensemble:Ensemble",
    "flops": "tart_nas.predictors.models.counts:FlopCount",
    "ghn-accuracy": "tart_nas.predictors.models.ghn:GHNAccuracy",
    "ghn-embedding": "tart_nas.predictors.models.ghn:GHNEmbedding",
    "gp": "tart_nas.predictors.models.gaussian_process:GaussianProcess",
    "gp-graph": "tart_nas.predictors.models.graph_process:GraphProcess",
    "neural-predictor": "tart_nas.predictors.models.neural_predictor:NeuralPredictor",
    "params": "tart_nas.predictors.models.counts:ParameterCount",
    "pure-transformer": "tart_nas.predictors.models.tart_graph:PureTransformer",
    "ridge": "tart_nas.predictors.models.ridge:Ridge",
    "svr": "tart_nas.predictors.models.svr:SupportVectors",
    "tart-cell": "tart_nas.predictors.models.tart_cell:TartCell",
    "tart-graph": "tart_nas.predictors.models.tart_graph:TartGraph",
}
"""Where the class of each of the kinds is; only the class that is asked for is imported."""

_MADE_BY_UPDATE = {"refined": "tart_nas.predictors.refined:Refined"}


class Regressor(ABC):
    """A model of standardised targets given architectures. Its keyword arguments are its settings, JSON values all.

    :class:`~tart_nas.predictors.Predictor` stands before it: it checks what comes in, and turns targets into
    standardised ones and predictions back.
    """

    token_scheme: ClassVar[str]
    """What the model reads, name and version, such as :data:`tart_nas.tokens.TOKEN_SCHEME`."""

    several_targets: ClassVar[bool] = False
    """Whether it learns any number P of targets at once: shapes (n, P) instead of (n,), NaN where not known."""

    needs_labels: ClassVar[bool] = True
    """Whether the model must be fitted before it can predict."""

    reads_graphs: ClassVar[bool] = False
    """Whether it can be fitted to graphs of any networks, and then reads them; see ``tart_nas.choices.GRAPH_KINDS``."""

    @property
    def has_scope(self) -> bool:
        """Whether it judges only architectures like those that it was fitted to."""
        return self.needs_labels

    @property
    @abstractmethod
    def settings(self) -> dict[str, Any]:
        """All keyword arguments that make the model again."""

    @abstractmethod
    def fit(
        self, inputs: PredictorInputs, targets: Floats, auxiliary: Floats, seed: int, advance: Callable[[float], None]
    ) -> None:
        """Learns anew, the same from the same seed.

        Args:
            inputs: n architectures.
            targets: (n,), with mean 0 and standard deviation 1.
            auxiliary: (n, K) further values, standardised, NaN where unknown; K may be 0. A model may ignore them.
            seed: of everything random.
            advance: to be called with each share of the work that is done; the shares sum to 1.
        """

    def training_tokens(self) -> CellTokens | None:
        """The architectures that it was fitted to; None where it does not keep them."""
        return None

    def training_features(self) -> "tuple[GraphVocabulary, Floats, Floats] | None":
        """Of n graphs that it was fitted to: vocabulary, features (n, columns), predictions (n,); None if not kept."""
        return None

    def fast_approximation(self) -> "Regressor":
        """A quicker model that predicts about the same; itself, where there is none."""
        return self

    def start_from(self, other: "Regressor") -> None:
        """Lets the next fit start from what another model has learned.

        Raises:
            PredictorError: if this kind of model cannot, or not from that one.
        """
        raise PredictorError(f"{type(self).__name__} is fitted from nothing: it cannot start from another predictor.")

    def to(self, device: "torch.device") -> None:  # noqa: B027
        """Computes on a device from now on. Kinds of classical regression do so on the CPU whatever is asked."""

    @abstractmethod
    def predict(self, inputs: PredictorInputs) -> tuple[Floats, Floats]:
        """Means and standard deviations, each (n,), of the standardised targets; for the model that was fitted."""

    @abstractmethod
    def arrays(self) -> Arrays:
        """What was learned, by name."""

    @abstractmethod
    def restore(self, arrays: Arrays) -> None:
        """Takes what :meth:`arrays` gave.

        Raises:
            ValueError: if the names or shapes are not those of this model.
        """

    def training_targets(self) -> Floats | None:
        """The standardised targets (n,) of :meth:`training_tokens`; None where it does not keep them."""
        return None

    @classmethod
    def make(cls, settings: dict[str, Any]) -> Self:
        """The model with these keyword arguments.

        Raises:
            SettingError: if it has no such argument, or a value is outside its range.
        """
        arguments = signature(cls).parameters.values()
        paths = (_CLASSES | _MADE_BY_UPDATE).items()
        kind = next((kind for kind, path in paths if path.endswith(f":{cls.__name__}")), cls.__name__)
        if not any(argument.kind is argument.VAR_KEYWORD for argument in arguments):  # which check names themselves
            names = [argument.name for argument in arguments]
            if unknown := [name for name in settings if name not in names]:
                expected = f"expected one of {', '.join(names)}" if names else "it has none"
                raise SettingError(f"The kind `{kind}` has no setting {unknown[0]!r}: {expected}.")
            needed = [argument.name for argument in arguments if argument.default is argument.empty]
            if missing := [name for name in needed if name not in settings]:
                raise SettingError(f"The kind `{kind}` needs the setting {missing[0]!r}.")
        elif "self" in settings:  # which cannot be a keyword, so that they do not get to see it
            raise SettingError(f"The kind `{kind}` has no setting 'self'.")
        return cls(**settings)


def regressor_class(kind: str) -> type[Regressor]:
    """The class of a kind.

    Raises:
        SettingError: if there is no such kind.
    """
    classes = _CLASSES | _MADE_BY_UPDATE
    if not isinstance(kind, str) or kind not in classes:
        raise SettingError(f"`kind` must be one of {', '.join(KINDS)}, but got {kind!r}.")
    module, name = classes[kind].split(":")
    regressor: type[Regressor] = getattr(import_module(module), name)
    return regressor
