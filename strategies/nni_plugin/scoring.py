"""From samples of a model space to predicted scores."""

import logging
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
import numpy.typing as npt

from tart_nas.architecture import Architecture
from tart_nas.choices import UNLABELLED_KINDS
from tart_nas.errors import ArchitectureError, NniError, PredictorError, SettingError, first_line
from tart_nas.predictors import Predictor
from tart_nas.predictors.targets import MIN_LABELS
from tart_nas.search_spaces import canonical_genotype
from tart_nas.strategies.nni_plugin.sampling import sample_key
from tart_nas.strategies.nni_plugin.spaces import HubSpace, Sample, is_hub_space
from tart_nas.strategies.nni_plugin.tracing import NetworkTracer
from tart_nas.strategies.outliers import limited, lower_limit

if TYPE_CHECKING:
    from tart_nas.graphs import ComputationalGraph
    from tart_nas.predictors.population import Population

__all__ = ["POPULATION", "Converter", "SampleScorer", "Scorer"]

POPULATION = 500
"""Samples that stand for a space in updates: they tell standard deviations within 3 %."""

_TRACED_POPULATION = 100  # likewise where networks are traced, which takes 10 to 20 s: within 7 %

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
        predictor: one that was fitted, the name of a bundled one, the path of a saved one, or a :class:`Scorer`. One
            that was not fitted, or the name of its kind, gives all samples the score 0 until :meth:`learn` has had
            four metrics.
        convert: makes of a sample what the predictor judges. By default :class:`HubSpace` reads NNI's NASNet-series
            spaces; with ``input_size``, the networks of any other space are built and traced.
        judged_at: settings of :class:`Architecture` to judge at instead of the space's, such as ``{"n_cells": 8,
            "C": 32}`` for the bundled predictor: networks are often searched smaller than it knows them.
        input_size: of the images, for tracing: (channels, height, width), or a number for (3, number, number).

    Raises:
        NniError: if the space is none that can be read.
        SettingError: if ``convert`` is no function.
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
        self._has_judged = False
        self._warned: set[str] = set()
        self._begins_unfitted = isinstance(self.predictor, Predictor) and not self.predictor.is_fitted
        self._observed: list[tuple[Any, float]] = []  # all that such a predictor was fitted to
        self._metrics: list[float] = []  # all that another one was updated by
        self._drawn: list[Any] = []  # what stands for the space, converted
        self._population: Population | None = None  # of updates
        given: Any = convert
        if given is not None and not callable(given):
            expected = "a function from a sample (dict) to an Architecture or a ComputationalGraph"
            raise SettingError(f"`convert` must be {expected}, but got {convert!r}.")
        if convert is not None:
            self._convert: Converter = convert
        elif input_size is None or (is_hub_space(model_space) and HubSpace.can_read(model_space)):
            self._convert = HubSpace.of(model_space).architecture
        else:
            self._convert = NetworkTracer(model_space, input_size)

    def convert(self, sample: Sample) -> "Architecture | ComputationalGraph":
        """What the predictor judges of a sample.

        Raises:
            NniError: if the sample cannot be converted, or a setting to judge at is none of an architecture.
        """
        try:
            converted = self._convert(sample)
            if self._judged_at and isinstance(converted, Architecture):
                return replace(converted, **self._judged_at)
        except ArchitectureError as error:
            raise NniError(f"Cannot judge the sample {sample}: {error}") from error
        except Exception as error:  # of a function or a model space of the user's
            what = f"{type(error).__name__}: {first_line(error)}"
            raise NniError(f"Cannot judge the sample {sample}: {what}") from error
        if (
            isinstance(self.predictor, Predictor)
            and not isinstance(converted, Architecture)
            and not _is_graph(converted)
        ):
            raise NniError(
                f"Cannot judge the sample {sample}: `convert` must give an Architecture or a ComputationalGraph, but "
                f"gave {'a ' + type(converted).__name__ if converted is not None else 'None'}."
            )
        return converted

    @property
    def is_slow(self) -> bool:
        """Whether networks are built and traced, some ten a second."""
        return isinstance(self._convert, NetworkTracer)

    def identity(self, sample: Sample) -> Any:
        """A hashable value, equal for samples that are known to be the same network.

        Of a traced network it is what the network computes and what its modules are: in a space with ``Repeat`` or with
        choices within choices, samples that differ in labels which nothing reads are the same network.
        """
        if isinstance(self._convert, NetworkTracer):
            return self._convert.identity(sample)
        converted = self.convert(sample)
        if isinstance(converted, Architecture):
            return replace(converted, genotype=canonical_genotype(converted.genotype))
        return converted if _is_graph(converted) else sample_key(sample)

    def __call__(self, samples: Sequence[Sample]) -> Floats:
        """(n,) predicted scores of n samples; ``-inf``, below all others, where the predictor does not judge a network.

        All are 0 while it has learned nothing: samples with equal scores are taken in their order.

        Raises:
            NniError: if a sample cannot be converted or a score of a judged network is not finite.
            PredictorError: if all networks so far are outside what the predictor was trained on, with what may help.
        """
        if isinstance(self.predictor, Predictor) and not self.predictor.is_fitted:
            return np.zeros(len(samples))
        converted = [self.convert(sample) for sample in samples]
        judged = self._judged(converted)
        self._warn_of_equal_inputs(converted)
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
                if not isinstance(converted[0], Architecture):  # the size of a graph cannot be set
                    raise
                hint = "`judged_at` (of TartTuner: `n_cells`, `C`) gives the settings to judge at."
                raise PredictorError(f"{error} {hint}") from None
        if not judged.all():
            outside = f"{np.count_nonzero(~judged)} of {len(judged)} networks"
            self._warn(f"The predictor does not judge {outside}", "these, and others like them, are ranked last.")
        return judged

    def _warn_of_equal_inputs(self, converted: Sequence[Any]) -> None:
        """Warns of networks that NNI's spaces have and DARTS has not, which a search may end in."""
        if not isinstance(self.predictor, Predictor) or self.predictor.kind in UNLABELLED_KINDS:
            return
        if self._begins_unfitted:  # its labels are of such cells
            return
        if any(isinstance(item, Architecture) and _has_equal_inputs(item) for item in converted):
            self._warn(
                "The search proposes cells with a node whose two inputs are the same",
                "no label of the bundled predictors is of such a cell, and none of yours unless you gave some. "
                "Their scores may be wrong.",
            )

    def _warn(self, what: str, consequence: str) -> None:
        """Warns once of a kind."""
        if (kind := consequence) not in self._warned:
            self._warned.add(kind)
            _logger.warning("%s: %s", what, consequence)

    def learn(
        self,
        samples: Sequence[Sample],
        metrics: Sequence[float],
        seed: int,
        population: Callable[[], Sequence[Sample]] | None = None,
    ) -> bool:
        """Has the predictor learn from measured metrics, in place.

        A fitted one is corrected by them (:meth:`Predictor.update`); one that was not is fitted to all so far.

        Args:
            samples: n that were trained, and that it has not learned from yet.
            metrics: (n,) of them, higher is better, in the unit and at the budget of the trials.
            seed: of the refitting.
            population: gives samples that stand for all that are to be ranked; it is called once, when it is needed.

        Returns:
            Whether it learned: not if it is a :class:`Scorer` without a method ``update``, nor from too few metrics.
        """
        update = getattr(self.predictor, "update", None)
        if update is None:
            return False
        converted, values = [self.convert(sample) for sample in samples], np.array(metrics)
        try:
            if not isinstance(self.predictor, Predictor):
                update(converted, values, seed=seed)
            elif self._begins_unfitted:
                self._fit(converted, values, seed, population)
            else:
                self._update(converted, values, seed, population)
        except PredictorError:  # too few, or all equal: the predictor stays as it was
            return False
        return True

    def _fit(
        self, converted: list[Any], values: Floats, seed: int, population: Callable[[], Sequence[Sample]] | None
    ) -> None:
        observed = [*self._observed, *zip(converted, values.tolist(), strict=True)]
        if len(observed) < MIN_LABELS:  # before a population is traced
            raise PredictorError(f"At least {MIN_LABELS} metrics are needed, but got {len(observed)}.")
        networks, metrics = zip(*observed, strict=True)
        # A few labelled networks do not span the space: those outside their ranges would be ranked last.
        self.predictor.fit(networks, limited(metrics), seed=seed, extend_scope=self._representatives(population))
        self._observed = observed

    def _update(
        self, converted: list[Any], values: Floats, seed: int, population: Callable[[], Sequence[Sample]] | None
    ) -> None:
        judged = np.flatnonzero(self.predictor.judges(converted))  # what it does not judge, it cannot learn from
        converted, values = [converted[row] for row in judged.tolist()], values[judged]
        if self._population is None and population is not None:
            self._population = self.predictor.population(self._representatives(population))
        metrics = [*self._metrics, *values.tolist()]
        values = np.maximum(values, lower_limit(metrics))
        self.predictor.update(converted, values, seed=seed, population=self._population)
        self._metrics = metrics

    def _representatives(self, population: Callable[[], Sequence[Sample]] | None) -> list[Any]:
        """What the predictor reads of the samples that stand for the space."""
        if not self._drawn and population is not None:
            drawn = population()[: _TRACED_POPULATION if self.is_slow else POPULATION]
            self._drawn = [self.convert(sample) for sample in drawn]
        return self._drawn


def _is_graph(value: Any) -> bool:
    from tart_nas.graphs import ComputationalGraph  # here, since it imports PyTorch

    return isinstance(value, ComputationalGraph)


def _has_equal_inputs(architecture: Architecture) -> bool:
    """Whether a node of a cell has the same input twice."""
    cells = (architecture.genotype.normal, architecture.genotype.reduce)
    return any(first[1] == second[1] for pairs in cells for first, second in zip(pairs[::2], pairs[1::2], strict=True))
