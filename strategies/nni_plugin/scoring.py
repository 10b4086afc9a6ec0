"""From samples of a model space to predicted scores."""

import logging
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
import numpy.typing as npt

from tart_nas.architecture import Architecture
from tart_nas.errors import ArchitectureError, NniError, PredictorError
from tart_nas.predictors import Predictor
from tart_nas.search_spaces import canonical_genotype
from tart_nas.strategies.nni_plugin.sampling import sample_key
from tart_nas.strategies.nni_plugin.spaces import HubSpace, Sample, is_hub_space

if TYPE_CHECKING:
    from tart_nas.graphs import ComputationalGraph
    from tart_nas.predictors.population import Population

__all__ = ["POPULATION", "Converter", "SampleScorer", "Scorer"]

POPULATION = 500
"""Samples that stand for a space in updates: they tell standard deviations within 3 %."""

_logger = logging.getLogger(f"nni.{__name__}")  # below "nni", so that NNI shows and keeps it

Floats = npt.NDArray[np.float64]
Converter = Callable[[Sample], "Architecture | ComputationalGraph"]
"""Makes of a sample what the predictor judges."""


class Scorer(Protocol):
    """What may stand in for a :class:`~tart_nas.predictors.Predictor`."""

    def predict(self, architectures: Sequence[Any], /) -> Floats:
        """(n,) scores of n architectures or graphs, higher is better."""


class SampleScorer:
    """Scores samples of a model space.

    Args:
        model_space: the user's space, or what NNI makes of it.
        predictor: one that was fitted, the name of a bundled one, the path of a saved one, or a :class:`Scorer`.
        convert: makes of a sample what the predictor judges. By default :class:`HubSpace` reads NNI's NASNet-series
            spaces, and the networks of any other space are built and traced.
        judged_at: settings of :class:`Architecture` to judge at instead of the space's, such as ``{"n_cells": 8,
            "C": 32}`` for the bundled predictor: networks are often searched smaller than it knows them.
        input_size: of the images, for tracing: (channels, height, width), or a number for (3, number, number).

    Raises:
        NniError: if the space is none that can be read, or a setting is unknown.
        CheckpointError: if there is no such predictor on this machine.
    """

    def __init__(
        self,
        model_space: Any,
        predictor: "Predictor | Scorer | str | os.PathLike[str]" = "darts-cifar10",
        convert: Converter | None = None,
        judged_at: Mapping[str, Any] | None = None,
        input_size: int | Sequence[int] | None = None,
    ) -> None:
        self.predictor: Any = Predictor.open(predictor) if isinstance(predictor, str | os.PathLike) else predictor
        self._judged_at = dict(judged_at or {})
        self._has_judged = self._has_warned = False
        self._population: Population | None = None  # of updates
        if convert is not None:
            self._convert: Converter = convert
        elif input_size is None or is_hub_space(model_space):
            self._convert = HubSpace.of(model_space).architecture
        else:
            self._convert = _Tracer(model_space, input_size)

    def convert(self, sample: Sample) -> "Architecture | ComputationalGraph":
        """What the predictor judges of a sample.

        Raises:
            NniError: if the sample cannot be converted, or a setting to judge at is none of an architecture.
        """
        try:
            converted = self._convert(sample)
            if self._judged_at and isinstance(converted, Architecture):
                return replace(converted, **self._judged_at)
            return converted
        except (ArchitectureError, TypeError) as error:
            raise NniError(f"Cannot judge the sample {sample}: {error}") from error

    def identity(self, sample: Sample) -> Any:
        """A hashable value, equal for samples that are known to be the same network."""
        converted = self.convert(sample)
        if isinstance(converted, Architecture):
            return replace(converted, genotype=canonical_genotype(converted.genotype))
        return sample_key(sample)

    def __call__(self, samples: Sequence[Sample]) -> Floats:
        """(n,) predicted scores of n samples; ``-inf``, below all others, where the predictor does not judge a network.

        Raises:
            NniError: if a sample cannot be converted or a score of a judged network is not finite.
            PredictorError: if all networks so far are outside what the predictor was trained on, with what may help.
        """
        converted = [self.convert(sample) for sample in samples]
        if isinstance(self.predictor, Predictor) and not all(isinstance(item, Architecture) for item in converted):
            if self.predictor.kind != "flops":
                raise PredictorError(
                    f"The predictor ({self.predictor.kind}) judges architectures, not graphs: give `predictor` an "
                    "object with a method `predict` of graphs, or the name 'flops'."
                )
            return np.array([np.log10(float(graph.macs)) for graph in converted])  # type: ignore[union-attr]
        judged = self._judged(converted)
        scores = np.full(len(samples), -np.inf)
        if judged.any():
            asked = [converted[row] for row in np.flatnonzero(judged).tolist()]
            predicted = np.asarray(self.predictor.predict(asked), dtype=np.float64)
            if predicted.shape != (len(asked),) or not np.isfinite(predicted).all():
                raise NniError(f"The predictor must give {len(asked)} finite scores, but got shape {predicted.shape}.")
            scores[judged] = predicted
        return scores

    def _judged(self, converted: Sequence[Any]) -> npt.NDArray[np.bool_]:
        """Which networks the predictor judges, (n,).

        Raises:
            PredictorError: if it judges none, and has judged none before: it does not suit the space.
        """
        if not isinstance(self.predictor, Predictor) or not converted:
            return np.ones(len(converted), dtype=np.bool_)
        judged = self.predictor.judges(converted)
        self._has_judged |= bool(judged.any())
        if not self._has_judged:
            try:
                self.predictor.predict(converted)  # which says why
            except PredictorError as error:
                hint = "`judged_at` (of TartTuner: `n_cells`, `C`) gives the settings to judge at."
                raise PredictorError(f"{error} {hint}") from None
        if not judged.all() and not self._has_warned:
            self._has_warned = True
            outside = f"{np.count_nonzero(~judged)} of {len(judged)} networks"
            _logger.warning("The predictor does not judge %s: these, and others like them, are ranked last.", outside)
        return judged

    def learn(
        self,
        samples: Sequence[Sample],
        metrics: Sequence[float],
        seed: int,
        population: Callable[[], Sequence[Sample]] | None = None,
    ) -> bool:
        """Has the predictor learn from measured metrics, in place, on top of what it knows.

        Args:
            samples: n that were trained, and that it has not learned from yet.
            metrics: (n,) of them, higher is better, in the unit and at the budget of the trials.
            seed: of the refitting.
            population: gives samples that stand for all that are to be ranked (:meth:`Predictor.update`); it is called
                once, when it is needed.

        Returns:
            Whether it learned: not if it is a :class:`Scorer` without a method ``update``, nor from too few metrics.
        """
        update = getattr(self.predictor, "update", None)
        if update is None:
            return False
        converted, values = [self.convert(sample) for sample in samples], np.array(metrics)
        try:
            if isinstance(self.predictor, Predictor):  # what it does not judge, it cannot learn from
                judged = np.flatnonzero(self.predictor.judges(converted))  # or it raises
                converted, values = [converted[row] for row in judged.tolist()], values[judged]
                if self._population is None and population is not None:
                    drawn: list[Any] = [self.convert(sample) for sample in population()]
                    self._population = self.predictor.population(drawn)
                self.predictor.update(converted, values, seed=seed, population=self._population)  # type: ignore[arg-type]
            else:
                update(converted, values, seed=seed)
        except PredictorError:  # too few, or all equal: the predictor stays as it was
            return False
        return True


class _Tracer:
    """Builds the network of a sample and traces it, some ten a second."""

    def __init__(self, model_space: Any, input_size: int | Sequence[int]) -> None:
        self._space = model_space
        self._input_size = input_size

    def __call__(self, sample: Sample) -> "ComputationalGraph":
        from tart_nas.graphs import ComputationalGraph

        frozen = self._space.freeze(sample)
        module = frozen.executable_model() if hasattr(frozen, "executable_model") else frozen
        return ComputationalGraph.from_module(module, self._input_size)
