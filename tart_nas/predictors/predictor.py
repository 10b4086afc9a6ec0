"""The predictor: architectures in, expected performance out."""

import copy
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Literal, Self, overload

import numpy as np
import numpy.typing as npt

from tart_nas.architecture import Architecture
from tart_nas.deprecation import renamed_arguments, warn_renamed
from tart_nas.errors import PredictorError, SettingError
from tart_nas.operations import CELL_OPS
from tart_nas.predictors.explanation import Explanation, explanation
from tart_nas.predictors.fitting import fit_to_labels
from tart_nas.predictors.inputs import Networks, PredictorInputs, checked
from tart_nas.predictors.scope import Scope
from tart_nas.predictors.stored import StoredPredictor

if TYPE_CHECKING:
    from tart_nas.predictors.population import Population

__all__ = ["Predictor"]

_NOTES_OF_A_FIT = ("made_by", "data", "cross_validation", "also_judges")  # which another fit makes untrue

Floats = npt.NDArray[np.float64]
Name = str | None
Rule = Literal["raise", "nan"]


class Predictor(StoredPredictor):
    """Predicts the performance of architectures without training them.

    Example:
        >>> predictor = Predictor.from_pretrained("darts-cifar10")
        >>> scores = predictor.predict(DartsSpace().sample(1000, seed=0))

    Args:
        kind: one of :data:`tart_nas.predictors.KINDS`.
        settings: keyword arguments of that kind.

    Attributes:
        notes: JSON values that :meth:`save` keeps with the predictor: where its data came from, how good it is.

    Raises:
        SettingError: for another kind, or a setting it does not have.
    """

    @renamed_arguments(trained_at="label_size", also_judges="extend_scope")
    def fit(
        self,
        architectures: Networks,
        targets: npt.ArrayLike | Mapping[str, npt.ArrayLike],
        *,
        seed: int = 0,
        progress: Callable[[float], None] | None = None,
        auxiliary: npt.ArrayLike | Mapping[str, npt.ArrayLike] | None = None,
        init: "Predictor | None" = None,
        label_size: Mapping[str, int] | None = None,
        extend_scope: Networks = (),
    ) -> Self:
        """Learns from labelled architectures, anew. A fit that fails changes nothing.

        Example:
            >>> labels = {"accuracy": [93.1, 92.4, 94.0, 93.3], "latency": [1.2, float("nan"), 1.9, 1.4]}
            >>> predictor = Predictor("gp").fit(architectures[:4], labels)
            >>> predictor.predict(architectures, target="latency")

        Args:
            architectures: n of them, at least 4; for kinds that read graphs (:data:`tart_nas.choices.GRAPH_KINDS`) also
                graphs of any networks, and modules, which are traced for images of 3x32x32: once, while they stay as
                they are. The predictor then judges by graphs: what it is asked of later may have any of these forms.
            targets: (n,) values, higher is better, in any unit: they are standardised inside. Or several such targets
                by name, NaN where unknown, at least 4 of each known: transformers and graph convolutions learn them
                with one head each, of other kinds there is one model each.
            seed: of everything random; the same seed gives the same predictor.
            progress: called with each share of the work that is done; the shares sum to 1.
            auxiliary: (n, K) other values of the same architectures, in any units, NaN where unknown, such as zero-cost
                proxies; or K arrays (n,) by name. Some kinds get better by learning them too; predictions need none.
            init: a fitted transformer of the same kind and size, whose weights are what the fit starts from, whatever
                it predicts (:mod:`tart_nas.predictors.pretraining`).
            label_size: ``C`` and ``n_cells`` of the networks that the labels were measured on, where they are not the
                architectures' own: all architectures are read as if they had them, in predictions too.
            extend_scope: architectures without labels: the predictor will judge what is like them too, although it
                learned from none. The more they differ from the labelled ones, the less its predictions are worth.

        Raises:
            PredictorError: if there are too few labels, if targets are not n finite numbers that differ, or if this
                kind cannot start from ``init``.
            SettingError: if ``seed``, ``progress`` or ``label_size`` is not legal.
        """
        if init is not None and not (isinstance(init, Predictor) and init.is_fitted):
            raise PredictorError(f"`init` must be a fitted Predictor, but got {init!r}.")
        fit = fit_to_labels(
            self._fit.model,
            architectures,
            targets,
            seed=seed,
            progress=progress,
            auxiliary=auxiliary,
            init=None if init is None else init._fit.model,
            label_size=label_size,
            extend_scope=extend_scope,
        )
        notes = {name: note for name, note in self.notes.items() if name not in _NOTES_OF_A_FIT}
        self._fit, self.notes = fit, notes
        return self

    def update(
        self,
        architectures: Networks,
        targets: npt.ArrayLike,
        *,
        seed: int = 0,
        population: "Networks | Population | None" = None,
    ) -> Self:
        """Learns from more labels, in place; they are added to those of earlier updates, in place of its own of each
        network.

        For the rounds of a search: it takes seconds, and the labels may be of few architectures and in another unit
        than those of the fit, such as accuracies on a smaller budget. From now on it predicts in their unit. Its
        ranking stays as it was unless the labels contradict it (:mod:`tart_nas.predictors.correction`). Of several
        targets the first is updated, the others are given up. An update that fails changes nothing.

        Example:
            >>> candidates = DartsSpace().sample(1000, seed=0)
            >>> predictor = Predictor.from_pretrained("darts-cifar10")
            >>> predictor.update(trained, accuracies, population=candidates)

        Args:
            architectures: k that the predictor judges, or their cell tokens; of a predictor that was fitted to graphs,
                or needs no labels, also graphs and modules.
            targets: (k,) values, higher is better; with those of earlier updates at least 4.
            seed: of the population, where it is drawn.
            population: architectures that stand for those to be ranked, such as a search's candidates or a sample of
                its space; or what :meth:`population` made of them. They tell how much predictions and architectures
                differ, which labels of a search's best ones do not. By default those of the update before; else those
                of the fit; else, where it does not keep them, 500 random ones with the settings and the numbers of
                nodes of the labelled ones. Graphs cannot be drawn: only ``gp-graph`` keeps what it was fitted to.

        Returns:
            The predictor itself, now of kind ``"refined"``.

        Raises:
            PredictorError: if the predictor is not fitted, labels are too few or not finite numbers that differ, or it
                does not judge an architecture, or none of the population, or there is no population.
        """
        from tart_nas.predictors.updating import updated  # here, since it imports PyTorch

        self._fit = updated(self._fitted(), architectures, targets, seed=seed, population=population)
        return self

    def has_learned(self, architectures: Sequence[Architecture], targets: npt.ArrayLike) -> npt.NDArray[np.bool_]:
        """Which labels (n,) it has learned: any of a network in an earlier update, and equal ones in its fit.

        The latter as far as its kind keeps what it was fitted to, such as ``gp``.
        """
        from tart_nas.predictors.updating import learned  # here, since it imports PyTorch

        return learned(self._fitted(), architectures, np.asarray(targets, dtype=np.float64))

    def population(self, architectures: Networks) -> "Population":
        """What :meth:`update` must know of the architectures to be ranked: make it once for many updates.

        Args:
            architectures: many; of more than 1,500 that many are looked at, evenly spaced.

        Raises:
            PredictorError: if the predictor is not fitted, or judges none of them.
        """
        from tart_nas.predictors.updating import population_of  # here, since it imports PyTorch

        return population_of(self._fitted(), architectures)

    @overload
    def predict(
        self,
        architectures: Networks,
        *,
        return_std: Literal[False] = ...,
        target: Name = ...,
        outside: Rule = ...,
    ) -> Floats: ...

    @overload
    def predict(
        self, architectures: Networks, *, return_std: Literal[True], target: Name = ..., outside: Rule = ...
    ) -> tuple[Floats, Floats]: ...

    def predict(
        self, architectures: Networks, *, return_std: bool = False, target: Name = None, outside: Rule = "raise"
    ) -> Floats | tuple[Floats, Floats]:
        """Predicts architectures; each prediction is the same whatever else is in the batch.

        Args:
            architectures: n of them, of any number; or their cell tokens, which spares making objects of them; or, of
                a predictor that was fitted to graphs, graphs and modules.
            return_std: whether to give the standard deviation of each prediction too, that of a new measurement; NaN
                where the kind cannot tell.
            target: one of :attr:`targets`; by default the first.
            outside: ``"raise"`` an error for networks that it does not judge (:meth:`judges`), which names the
                first of them and says why; or give ``"nan"`` for these, prediction and standard deviation.

        Returns:
            (n,) predictions in the targets' unit, higher is better; with ``return_std`` a pair of such arrays.

        Raises:
            PredictorError: if the predictor is not fitted or has no such target, or does not judge a network.
            GraphError: if it reads graphs, and a module cannot be traced.
            SettingError: if ``outside`` is neither of the two.
        """
        fit = self._fitted()
        if target is not None and target not in self.targets:
            raise PredictorError(f"`target` must be one of {', '.join(self.targets)}, but got {target!r}.")
        if outside not in ("raise", "nan"):
            raise SettingError(f"`outside` must be 'raise' or 'nan', but got {outside!r}.")
        mean, std = fit.predict(architectures, target or self.targets[0], skip=outside == "nan")
        return (mean, std) if return_std else mean

    def fast_approximation(self) -> Self:
        """A cheaper approximation of this predictor, for pre-selecting candidates before exact prediction.

        Returns:
            The predictor itself, where its kind is quick enough and has none.

        Raises:
            PredictorError: if the predictor is not fitted.
        """
        fit = self._fitted()
        if (model := fit.model.fast_approximation()) is fit.model:
            return self
        approximation = copy.copy(self)
        approximation._fit = replace(fit, model=model)
        return approximation

    def rough(self) -> Self:
        """Deprecated name of :meth:`fast_approximation`."""
        warn_renamed("Predictor.rough", "Predictor.fast_approximation")
        return self.fast_approximation()

    def explain(self, architecture: Architecture, *, target: str | None = None) -> Explanation:
        """How much each operation adds to the prediction; :func:`tart_nas.drawing.draw_cells` draws it.

        Args:
            architecture: what is explained.
            target: one of :attr:`targets`; by default the first.

        Raises:
            PredictorError: as :meth:`predict`, or for a network without cells.
        """
        self.predict([architecture], target=target)  # which raises where it is not judged
        [architecture] = PredictorInputs(checked([architecture], trace=False)).architectures  # a graph has no cells
        ops = self._fit.scope.ops if isinstance(self._fit.scope, Scope) else CELL_OPS
        return explanation(lambda changed: self.predict(changed, target=target, outside="nan"), architecture, ops)
