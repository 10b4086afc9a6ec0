"""From samples of a model space to predicted scores."""

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

__all__ = ["Converter", "SampleScorer", "Scorer"]

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
        """(n,) predicted scores of n samples.

        Raises:
            NniError: if a sample cannot be converted or a score is not finite.
            PredictorError: if a network is outside what the predictor was trained on, with what may help.
        """
        converted = [self.convert(sample) for sample in samples]
        if isinstance(self.predictor, Predictor) and not all(isinstance(item, Architecture) for item in converted):
            if self.predictor.kind != "flops":
                raise PredictorError(
                    f"The predictor ({self.predictor.kind}) judges architectures, not graphs: give `predictor` an "
                    "object with a method `predict` of graphs, or the name 'flops'."
                )
            return np.array([np.log10(float(graph.macs)) for graph in converted])  # type: ignore[union-attr]
        try:
            scores = np.asarray(self.predictor.predict(converted), dtype=np.float64)
        except PredictorError as error:
            if "outside what the predictor" in str(error):
                hint = "`judged_at` (of TartTuner: `n_cells`, `C`) gives the settings to judge at."
                raise PredictorError(f"{error} {hint}") from None
            raise
        if scores.shape != (len(samples),) or not np.isfinite(scores).all():
            raise NniError(f"The predictor must give {len(samples)} finite scores, but got shape {scores.shape}.")
        return scores

    def learn(self, samples: Sequence[Sample], metrics: Sequence[float], seed: int) -> bool:
        """Has the predictor learn from measured metrics, in place, on top of what it knows.

        Args:
            samples: n that were trained, and that it has not learned from yet.
            metrics: (n,) of them, higher is better, in the unit and at the budget of the trials.
            seed: of the refitting.

        Returns:
            Whether it learned: not if it is a :class:`Scorer` without a method ``update``, nor from too few metrics.
        """
        update = getattr(self.predictor, "update", None)
        if update is None:
            return False
        try:
            update([self.convert(sample) for sample in samples], np.array(metrics), seed=seed)
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
