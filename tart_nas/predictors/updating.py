"""An update: a fitted predictor under labels that came later, see :mod:`tart_nas.predictors.correction`."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import numpy.typing as npt

from tart_nas.architecture import Architecture
from tart_nas.errors import PredictorError
from tart_nas.operations import NONE
from tart_nas.predictors.fit import Fit
from tart_nas.predictors.fitting import training_record
from tart_nas.predictors.graph_scope import GraphScope
from tart_nas.predictors.inputs import AnyNetworks, Networks, PredictorInputs, checked
from tart_nas.predictors.multi_target import MultiTargetModel
from tart_nas.predictors.population import MAX_POPULATION, Population
from tart_nas.predictors.recombination import recombined
from tart_nas.predictors.refined import Refined
from tart_nas.predictors.scope import Scope
from tart_nas.predictors.targets import ONLY, checked_targets, known_targets

__all__ = ["learned", "population_of", "updated"]

Floats = npt.NDArray[np.float64]

_USUAL_POPULATION = 500  # architectures drawn where no other population is known: a deviation within 3 %


def updated(
    fit: Fit,
    architectures: Networks,
    targets: npt.ArrayLike,
    *,
    seed: int,
    population: Networks | Population | None,
) -> Fit:
    """What :meth:`Predictor.update` does, with its arguments, to a fit of a first target, which it does not change.

    Raises:
        PredictorError: see there.
    """
    name, scaling = next(iter(fit.targets.items()))
    given = checked(architectures, trace=fit.domain.reads_graphs)
    model = _refined(fit, isinstance(given, AnyNetworks))
    domain = _around(fit, model).domain
    inputs, judged = domain.read(given)
    if not judged.all():
        raise domain.refusal(given, int(judged.argmin()))
    # New labels of a network replace its earlier ones: the same file, or one that has grown, would count twice.
    kept = np.flatnonzero(~model.learned(inputs)[0])
    # The model keeps labels standardised as the base's were; all of them are checked and standardised together again.
    earlier = model.targets[kept] * scaling.scale + scaling.mean
    new = known_targets(targets, len(architectures), ONLY, complete=True, least=0)
    values = checked_targets(np.concatenate([earlier, new]), len(earlier) + len(new))
    if population is None:
        population = model.population or model.training_population() or _usual_population(fit, model, inputs, seed)
    if not isinstance(population, Population):
        population = population_of(fit, population)
    if (population.vocabulary is None) != (model.reads == "cells"):
        raise PredictorError(f"This update learns from {model.reads}, and its `population` must be of {model.reads}.")
    model.add(inputs, kept, (values - scaling.mean) / scaling.scale, population)
    training = dict(fit.training or {}) | {"updated": training_record(len(values), seed)}
    # Without the labels of the fit, which are of all its targets: the first alone is left.
    return replace(_around(fit, model), targets={name: scaling}, training=training, labels=None)


def learned(fit: Fit, architectures: Sequence[Architecture], values: Floats) -> npt.NDArray[np.bool_]:
    """See :meth:`Predictor.has_learned`; all architectures are judged, and ``values`` are their labels (k,)."""
    model = _refined(fit, of_graphs=False)
    given = checked(architectures, trace=fit.domain.reads_graphs)
    inputs, _ = _around(fit, model).domain.read(given)
    scaling = next(iter(fit.targets.values()))
    tokens, labels = model.training_tokens(), fit.model.first.training_targets()
    of_fit: set[tuple[Architecture, float]] = set()
    if tokens is not None and labels is not None:
        # Rounded: labels are kept standardised.
        of_fit = {*zip(tokens.architectures(), _rounded(labels * scaling.scale + scaling.mean), strict=True)}
    asked = zip(inputs.architectures, _rounded(values), strict=True) if of_fit else ()
    in_fit = np.array([pair in of_fit for pair in asked], dtype=np.bool_)
    return model.learned(inputs)[1] | (in_fit if of_fit else False)


def _rounded(values: Floats) -> list[float]:
    return [float(f"{value:.9g}") for value in values]


def population_of(fit: Fit, architectures: Networks) -> Population:
    """See :meth:`Predictor.population`.

    Raises:
        PredictorError: if the predictor judges none of the architectures.
    """
    given = PredictorInputs(checked(architectures, trace=fit.domain.reads_graphs))
    # Evenly spaced, not drawn: the same architectures give the same population.
    rows = np.unique(np.linspace(0, max(len(given) - 1, 0), MAX_POPULATION).astype(int))[: len(given)]
    model = _refined(fit, isinstance(given.given, AnyNetworks))
    judged, _ = _around(fit, model).domain.read(given.take(rows).given)
    if not len(judged):
        raise PredictorError(f"The predictor judges none of the population's {len(given)} architectures.")
    return model.population_of(judged)


def _around(fit: Fit, model: Refined) -> Fit:
    return replace(fit, model=MultiTargetModel("refined", [model], fit.model.device))


def _refined(fit: Fit, of_graphs: bool) -> Refined:
    """The model of the first target, to be updated: a copy, or around the model that was fitted.

    Args:
        fit: what was learned.
        of_graphs: whether the first networks that it is updated with are graphs; what was fitted to graphs reads them
            whatever it is given.
    """
    if isinstance(old := fit.model.first, Refined):
        return old.copy()
    of_graphs = fit.domain.reads_graphs and (isinstance(fit.scope, GraphScope) or of_graphs)
    model = Refined.around(fit.model.kind, old, "graphs" if of_graphs else "cells")
    # The base is on the device already; this is for the correction around it.
    if fit.model.device is not None:
        model.to(fit.model.device)
    return model


def _usual_population(fit: Fit, model: Refined, inputs: PredictorInputs, seed: int) -> Networks:
    """The population of an update of k architectures to which none was given.

    Raises:
        PredictorError: if they are graphs, which cannot be drawn.
    """
    if model.reads == "graphs":
        raise PredictorError(
            "Give `population`, many networks that stand for those to be ranked: of graphs, only the kind gp-graph "
            "keeps what it was fitted to."
        )
    if (tokens := model.training_tokens()) is not None:
        return tokens
    # Without `none`: all operations are drawn anew, and with it many networks would be disconnected.
    ops = [op for op in fit.scope.ops if op != NONE] if isinstance(fit.scope, Scope) else None
    rng = np.random.default_rng(seed)
    return recombined(inputs.architectures, _USUAL_POPULATION, rng, changed=1.0, ops=ops) or inputs.architectures
