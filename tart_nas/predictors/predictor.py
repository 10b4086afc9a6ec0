"""The predictor: architectures in, expected performance out."""

import copy
import hashlib
import json
import math
import os
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Literal, overload

import numpy as np
import numpy.typing as npt
from rich.progress import Progress

from tart_nas.architecture import Architecture
from tart_nas.choices import UNLABELLED_KINDS
from tart_nas.deprecation import renamed_arguments, warn_renamed
from tart_nas.errors import CheckpointError, PredictorError, SettingError
from tart_nas.operations import CELL_OPS, NONE
from tart_nas.predictors import pretrained
from tart_nas.predictors.checkpoint import Arrays, read_checkpoint, write_checkpoint
from tart_nas.predictors.domain import Domain
from tart_nas.predictors.explanation import Explanation, explanation
from tart_nas.predictors.inputs import PredictorInputs, checked, row_chunks
from tart_nas.predictors.label_size import LabelSize
from tart_nas.predictors.labels import LabelledData
from tart_nas.predictors.models.regressor import Regressor, regressor_class
from tart_nas.predictors.recombination import recombined
from tart_nas.predictors.scope import Scope
from tart_nas.predictors.targets import ONLY, Auxiliary, checked_targets, known_targets
from tart_nas.predictors.training_set import GivenLabels, keep_training_set, training_data
from tart_nas.tokens import TOKEN_SCHEME, CellTokens
from tart_nas.version import version

if TYPE_CHECKING:
    import torch

    from tart_nas.predictors.population import Population
    from tart_nas.predictors.refined import Refined

__all__ = ["Predictor"]

_USUAL_POPULATION = 500  # architectures drawn where no other population is known: a deviation within 3 %
_NOTES_OF_A_FIT = ("made_by", "data", "cross_validation", "also_judges")  # which another fit makes untrue
_TRAINING = "training/"  # begins the names of the labels in a checkpoint; what models learned begins with a number
_CHUNK, _GPU_CHUNK = 1 << 13, 1 << 14  # architectures scored at once: bounds the memory

Floats = npt.NDArray[np.float64]


class Predictor:
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

    def __init__(self, kind: str = "tart-cell", **settings: Any) -> None:
        self.kind = kind
        self.notes: dict[str, Any] = {}
        self._settings = settings
        self._models: list[Regressor] = [regressor_class(kind).make(settings)]  # one for all targets, or one for each
        self._fitted: dict[str, Any] | None = None  # "targets" and "training" of the metadata
        self._domain = Domain()
        self._given: GivenLabels | None = None  # the labels in their own units, to be given back
        self._device: Any = None  # the CPU
        if not self._models[0].needs_labels:
            self._fitted = {"targets": {ONLY: {"mean": 0.0, "scale": 1.0}}, "training": None}

    def __repr__(self) -> str:
        """Kind, targets, number of labels and how good it was found to be."""
        if self._fitted is None:
            return f"<Predictor {self.kind}, not fitted>"
        training, parts = self._fitted["training"] or {}, [f"Predictor {self.kind}"]
        if self.targets != (ONLY,):
            parts[0] += f" of {', '.join(self.targets)}"
        if "n" in training:
            size = " and ".join(f"{name} {value}" for name, value in self._domain.size.to_dict().items())
            parts.append(f"fitted to {training['n']} labels" + (f" of networks with {size}" if size else ""))
        elif "updated" not in training:
            parts.append("which needs no labels")
        if "updated" in training:
            parts.append(f"updated with {training['updated']['n']}")
        elif taus := self._cross_validated():
            parts.append(f"cross-validated Kendall tau {', '.join(f'{tau:.3f}' for tau in taus)}")
        return f"<{', '.join(parts)}>"

    def _cross_validated(self) -> list[float]:
        """Kendall's tau of each target, where the notes tell it."""
        found = self.notes.get("cross_validation")
        of_each = {ONLY: found} if self.targets == (ONLY,) else found
        try:
            return [float(of_each[name]["tau"]) for name in self.targets]  # type: ignore[index]
        except (KeyError, TypeError, ValueError):  # notes are the user's
            return []

    @property
    def metadata(self) -> dict[str, Any]:
        """What the predictor is: kind, settings, tokens; once fitted, also targets, scope and training; the notes."""
        return copy.deepcopy(
            {
                "kind": self.kind,
                "settings": self._models[0].settings,
                "token_scheme": self._models[0].token_scheme,
                "scope": None if self._domain.scope is None else self._domain.scope.to_dict(),
                "trained_at": self._domain.size.to_dict(),
                **(self._fitted or {"targets": None, "training": None}),
                "notes": self.notes,
            }
        )

    @property
    def targets(self) -> tuple[str, ...]:
        """The names of what it predicts, the first of which is predicted where none is named; () before it is fitted.

        A target that was given without a name is called ``"target"``.
        """
        return () if self._fitted is None else tuple(self._fitted["targets"])

    @property
    def identity(self) -> str:
        """The kind and a digest of all that predictions depend on: equal for predictors that predict the same.

        Raises:
            PredictorError: if the predictor is not fitted.
        """
        if self._fitted is None:
            raise PredictorError(f"The {self.kind} predictor is not fitted yet: it has no identity.")
        metadata = self.metadata
        described = {name: metadata[name] for name in ("kind", "settings", "token_scheme", "scope", "targets")}
        if metadata["trained_at"]:  # so that predictors without it keep the identity that run folders know
            described["trained_at"] = metadata["trained_at"]
        digest = hashlib.sha256(json.dumps(described, sort_keys=True).encode())
        for name, array in sorted(self._arrays().items()):
            digest.update(name.encode() + array.tobytes())
        return f"{self.kind} {digest.hexdigest()[:16]}"

    @renamed_arguments(trained_at="label_size", also_judges="extend_scope")
    def fit(
        self,
        architectures: Sequence[Architecture],
        targets: npt.ArrayLike | Mapping[str, npt.ArrayLike],
        seed: int = 0,
        progress: bool = False,
        auxiliary: npt.ArrayLike | Mapping[str, npt.ArrayLike] | None = None,
        init: "Predictor | None" = None,
        label_size: Mapping[str, int] | None = None,
        extend_scope: Sequence[Architecture] = (),
    ) -> "Predictor":
        """Learns from labelled architectures, anew.

        Example:
            >>> labels = {"accuracy": [93.1, 92.4, 94.0, 93.3], "latency": [1.2, float("nan"), 1.9, 1.4]}
            >>> predictor = Predictor("gp").fit(architectures[:4], labels)
            >>> predictor.predict(architectures, target="latency")

        Args:
            architectures: n of them, at least :data:`MIN_LABELS`.
            targets: (n,) values, higher is better, in any unit: they are standardised inside. Or several such targets
                by name, NaN where unknown, at least :data:`MIN_LABELS` of each known: transformers and graph
                convolutions learn them with one head each, of other kinds there is one model each.
            seed: of everything random; the same seed gives the same predictor.
            progress: whether to show a progress bar.
            auxiliary: (n, K) other values known of the same architectures, in any units, NaN where unknown, such as
                zero-cost proxies; or K such arrays (n,) by name. Learning them too makes some kinds better; they are
                not needed to predict.
            init: a fitted transformer of the same kind and size, whose weights are what the fit starts from; what it
                predicts, and of what, does not matter. See :mod:`tart_nas.predictors.pretraining`.
            label_size: ``C`` and ``n_cells`` of the networks that the labels were measured on, where they are not the
                architectures' own: all architectures are read as if they had them, in predictions too.
            extend_scope: architectures without labels: the predictor will judge what is like them too, although it
                learned from none. The more they differ from the labelled ones, the less its predictions are worth.

        Returns:
            The predictor itself.

        Raises:
            PredictorError: if there are too few, if targets are not n finite numbers that differ, or if this kind
                cannot start from ``init``.
            SettingError: if ``label_size`` is no such size.
        """
        n = len(checked(architectures))
        names = tuple(targets) if isinstance(targets, Mapping) else (ONLY,)
        if not names:
            raise PredictorError("`targets` must name at least one target, but got an empty mapping.")
        given = targets.values() if isinstance(targets, Mapping) else [checked_targets(targets, n)]
        values = np.stack([known_targets(v, n, name) for name, v in zip(names, given, strict=True)], axis=1)
        auxiliary_labels = Auxiliary.of(auxiliary, n)
        others = auxiliary_labels.normal_scores()
        if wrong := next((name for name in names if not isinstance(name, str)), None):
            raise PredictorError(f"The name of a target must be a text, but got {wrong!r}.")
        if not isinstance(seed, int | np.integer) or isinstance(seed, bool) or seed < 0:
            raise SettingError(f"`seed` must be a whole number of at least 0, but got {seed!r}.")
        if init is not None and not isinstance(init, Predictor):
            raise PredictorError(f"`init` must be a fitted Predictor, but got {init!r}.")
        size = LabelSize.from_dict(label_size or {})
        inputs = PredictorInputs(size.apply(architectures))
        mean, scale = np.nanmean(values, axis=0), np.nanstd(values, axis=0)
        standardised = (values - mean) / scale
        model = regressor_class(self.kind)
        models = [model.make(self._settings) for _ in range(1 if model.several_targets else len(names))]
        for own in models:
            if self._device is not None:
                own.to(self._device)
            if init is not None:
                own.start_from(init._models[0])
        with Progress(disable=not progress, transient=True) as bar:
            task = bar.add_task(f"fitting {self.kind}", total=float(len(models)))
            if model.several_targets:
                models[0].fit(inputs, standardised, others, seed, lambda share: bar.advance(task, share))
            else:
                for own, column in zip(models, standardised.T, strict=True):
                    known = np.flatnonzero(np.isfinite(column))
                    part = inputs if len(known) == n else inputs.take(known)
                    own.fit(part, column[known], others[known], seed, lambda share: bar.advance(task, share))
        scope = None
        if models[0].has_scope:
            scope = Scope.of(inputs.tokens.joined(PredictorInputs(size.apply(checked(extend_scope))).tokens))
        fitted = {
            "targets": {
                name: {"mean": float(m), "scale": float(s)} for name, m, s in zip(names, mean, scale, strict=True)
            },
            "training": _training(n, seed) | {"auxiliary": others.shape[1]},
        }
        if auxiliary_labels.names:
            fitted["training"]["auxiliary_names"] = list(auxiliary_labels.names)
        # at the end and at once, so that a fit that fails leaves the predictor as it was
        self._models, self._domain, self._fitted = models, _domain(models[0], scope, size), fitted
        self._given = GivenLabels(values, auxiliary_labels)
        self.notes = {name: note for name, note in self.notes.items() if name not in _NOTES_OF_A_FIT}
        return self

    def update(
        self,
        architectures: Sequence[Architecture] | CellTokens,
        targets: npt.ArrayLike,
        seed: int = 0,
        *,
        population: "Sequence[Architecture] | CellTokens | Population | None" = None,
    ) -> "Predictor":
        """Learns from more labels, in place; they are added to those of earlier updates.

        For the rounds of a search: it takes seconds, and the labels may be of few architectures and in another unit
        than those that it was fitted to, such as accuracies on a smaller budget. From now on it predicts in their unit.
        Its ranking stays what it was as far as the labels do not contradict it, see
        :mod:`tart_nas.predictors.correction`. Of several targets the first is updated, the others are given up.

        Example:
            >>> candidates = DartsSpace().sample(1000, seed=0)
            >>> predictor = Predictor.from_pretrained("darts-cifar10")
            >>> predictor.update(trained, accuracies, population=candidates)

        Args:
            architectures: k of them, within what the predictor was fitted to, or their cell tokens.
            targets: (k,) values, higher is better; with those of earlier updates at least :data:`MIN_LABELS`.
            seed: of everything random: of the population, where it is drawn.
            population: architectures that stand for those it will be asked about, such as a search's candidates or a
                sample of its space; or what :meth:`population` made of them. They tell how much predictions and
                architectures differ, which labels of a search's best ones do not. By default those of the update
                before; else those that the predictor was fitted to; else, where it does not keep them, 500 random
                ones with the settings and the numbers of nodes of the labelled ones.

        Returns:
            The predictor itself, of kind ``"refined"``; as it was if this raises.

        Raises:
            PredictorError: if the predictor is not fitted, labels are too few or not finite numbers that differ, an
                architecture is outside what it was fitted to, or all of the population are.
        """
        if self._fitted is None:
            raise PredictorError(f"The {self.kind} predictor is not fitted yet: call fit, load or from_pretrained.")
        from tart_nas.predictors.population import Population  # here, since it imports PyTorch

        name, scaling = next(iter(self._fitted["targets"].items()))
        model = self._refined()
        domain = _domain(model, self._domain.scope, self._domain.size)
        inputs, judged = domain.read(checked(architectures))
        if not judged.all():
            raise self._refusal(architectures, int(judged.argmin()))
        known = model.targets * scaling["scale"] + scaling["mean"]
        new = known_targets(targets, len(architectures), ONLY, complete=True, least=0)
        values = checked_targets(np.concatenate([known, new]), len(known) + len(new))
        if population is None:
            population = model.population or self._usual_population(model, inputs, seed)
        if not isinstance(population, Population):
            population = self.population(population)
        model.add(inputs, (values - scaling["mean"]) / scaling["scale"], population)
        training = (self._fitted["training"] or {}) | {"updated": _training(len(values), seed)}
        self.kind, self._settings, self._models = "refined", model.settings, [model]
        self._domain, self._fitted = domain, {"targets": {name: scaling}, "training": training}
        return self

    def population(self, architectures: Sequence[Architecture] | CellTokens) -> "Population":
        """What :meth:`update` must know of the architectures that are to be ranked: to be made once for many updates.

        Args:
            architectures: many, of which those that the predictor judges count; of more than 1,500 that many, evenly
                spaced.

        Raises:
            PredictorError: if the predictor is not fitted, or judges none of them.
        """
        if self._fitted is None:
            raise PredictorError(f"The {self.kind} predictor is not fitted yet: call fit, load or from_pretrained.")
        from tart_nas.predictors.population import MAX_POPULATION  # here, since it imports PyTorch

        given = PredictorInputs(checked(architectures))
        rows = np.unique(np.linspace(0, max(len(given) - 1, 0), MAX_POPULATION).astype(int))[: len(given)]
        model = self._refined()
        judged, _ = _domain(model, self._domain.scope, self._domain.size).read(given.take(rows).given)
        if not len(judged):
            raise PredictorError(f"The predictor judges none of the population's {len(given)} architectures.")
        return model.population_of(judged)

    def _refined(self) -> "Refined":
        """The model of the first target, to be updated: a copy, or around the model that was fitted."""
        from tart_nas.predictors.refined import Refined  # here, since it imports PyTorch

        if isinstance(old := self._models[0], Refined):
            return old.copy()
        model = Refined.around(self.kind, old)
        if self._device is not None:
            model.to(self._device)
        return model

    def _usual_population(
        self, model: "Refined", inputs: PredictorInputs, seed: int
    ) -> Sequence[Architecture] | CellTokens:
        """The population of an update of k architectures to which none was given."""
        if (tokens := model.training_tokens()) is not None:
            return tokens
        scope = self._domain.scope
        ops = None if scope is None else [op for op in scope.ops if op != NONE]
        rng = np.random.default_rng(seed)
        return recombined(inputs.architectures, _USUAL_POPULATION, rng, changed=1.0, ops=ops) or inputs.architectures

    def to(self, device: "torch.device | str | None" = None) -> "Predictor":
        """Computes on a device from now on: a GPU scores some hundred thousand architectures a second.

        Predictions are the same on all devices, to about 1e-5 of the targets' standard deviation. Gaussian processes
        are fitted on the CPU, and other kinds than these, transformers and graph convolutions stay there altogether.

        Example:
            >>> tokens = DartsSpace().sample_tokens(1_000_000, seed=0)
            >>> scores = Predictor.from_pretrained("darts-cifar10").to("cuda").predict(tokens)
            >>> best = tokens.take(np.argsort(-scores)[:10]).architectures()

        Args:
            device: such as ``"cuda"`` or ``"cpu"``; None for a GPU when there is one.

        Returns:
            The predictor itself.

        Raises:
            SettingError: if this machine has no such device.
        """
        from tart_nas.devices import resolve_device  # here, since it imports PyTorch

        self._device = resolve_device(device)
        for model in self._models:
            model.to(self._device)
        return self

    def judges(self, architectures: Sequence[Architecture] | CellTokens) -> npt.NDArray[np.bool_]:
        """Which architectures the predictor judges: those like the ones that it was fitted to.

        Operations, numbers of nodes and the settings around the cells must be within the ranges of the training set, at
        the size of the labels where that is another (``label_size`` of :meth:`fit`). Kinds that need no labels judge
        all.

        Args:
            architectures: n of them, or their cell tokens.

        Returns:
            (n,) True where :meth:`predict` gives a prediction.

        Raises:
            PredictorError: if the predictor is not fitted.
        """
        self._what_was_fitted()
        given = PredictorInputs(checked(architectures))
        parts = [self._domain.read(given.take(rows).given)[1] for rows in row_chunks(len(given), _CHUNK)]
        return np.concatenate([np.zeros(0, dtype=np.bool_), *parts])

    def at_known_size(self, architectures: Sequence[Architecture]) -> list[Architecture]:
        """The architectures, with the nearest numbers of cells and channels that the predictor judges.

        What it judges at its own size stays as it is, and so does what it judges at no size: other settings and the
        cells are never changed.

        Example:
            >>> from tart_nas.published import DARTS  # 20 cells of 36 channels
            >>> [judged] = Predictor.from_pretrained("darts-cifar10").at_known_size([DARTS])
            >>> judged.n_cells, judged.C
            (8, 32)

        Raises:
            PredictorError: if the predictor is not fitted.
        """
        self._what_was_fitted()
        own = PredictorInputs(checked(architectures)).architectures
        nearest = [self._domain.nearest(architecture) for architecture in own]
        judged = self.judges(nearest).tolist()
        return [near if is_judged else one for near, is_judged, one in zip(nearest, judged, own, strict=True)]

    @overload
    def predict(
        self,
        architectures: Sequence[Architecture] | CellTokens,
        return_std: Literal[False] = False,
        target: str | None = None,
        outside: Literal["raise", "nan"] = "raise",
    ) -> Floats: ...

    @overload
    def predict(
        self,
        architectures: Sequence[Architecture] | CellTokens,
        return_std: Literal[True],
        target: str | None = None,
        outside: Literal["raise", "nan"] = "raise",
    ) -> tuple[Floats, Floats]: ...

    def predict(
        self,
        architectures: Sequence[Architecture] | CellTokens,
        return_std: bool = False,
        target: str | None = None,
        outside: Literal["raise", "nan"] = "raise",
    ) -> Floats | tuple[Floats, Floats]:
        """Predicts architectures; each prediction is the same whatever else is in the batch.

        Args:
            architectures: n of them, of any number; or their cell tokens, which spares making objects of them.
            return_std: whether to give the standard deviation of each prediction too, that of a new measurement; NaN
                where the kind cannot tell.
            target: one of :attr:`targets`; by default the first.
            outside: what to do with architectures that it does not judge (:meth:`judges`): ``"raise"`` an error that
                names the first of them and says why, or give ``"nan"`` for these, prediction and standard deviation.

        Returns:
            (n,) predictions in the targets' unit, higher is better; with ``return_std`` a pair of such arrays.

        Raises:
            PredictorError: if the predictor is not fitted or knows no such target, or an architecture is outside what
                it was fitted to.
            SettingError: if ``outside`` is neither of the two.
        """
        fitted = self._what_was_fitted()
        if target is not None and target not in self.targets:
            raise PredictorError(f"`target` must be one of {', '.join(self.targets)}, but got {target!r}.")
        if outside not in ("raise", "nan"):
            raise SettingError(f"`outside` must be 'raise' or 'nan', but got {outside!r}.")
        column = self.targets.index(target or self.targets[0])
        model = self._models[0 if self._models[0].several_targets else column]
        given = PredictorInputs(checked(architectures))
        predictions = np.full((2, len(given)), np.nan)
        size = _CHUNK if self._device is None or self._device.type == "cpu" else _GPU_CHUNK
        for rows in row_chunks(len(given), size):
            inputs, judged = self._domain.read(given.take(rows).given)
            if outside == "raise" and not judged.all():
                raise self._refusal(architectures, int(rows[judged.argmin()]))
            if len(inputs):
                mean, std = model.predict(inputs)
                own = (mean[:, column], std[:, column]) if model.several_targets else (mean, std)
                predictions[:, rows[judged]] = own
        scaling = fitted["targets"][self.targets[column]]
        mean, std = predictions[0] * scaling["scale"] + scaling["mean"], predictions[1] * scaling["scale"]
        return (mean, std) if return_std else mean

    def _what_was_fitted(self) -> dict[str, Any]:
        """``targets`` and ``training`` of the metadata.

        Raises:
            PredictorError: if the predictor is not fitted.
        """
        if self._fitted is None:
            raise PredictorError(f"The {self.kind} predictor is not fitted yet: call fit, load or from_pretrained.")
        return self._fitted

    def _refusal(self, architectures: Sequence[Architecture] | CellTokens, row: int) -> PredictorError:
        why = self._domain.refusal(architectures, row)
        return PredictorError(f"Architecture {row} is outside what the predictor was trained on: {why}")

    def fast_approximation(self) -> "Predictor":
        """A cheaper approximation of this predictor, for pre-selecting candidates before exact prediction.

        Returns:
            The predictor itself, where there is no quicker one: its kind is quick enough.

        Raises:
            PredictorError: if the predictor is not fitted.
        """
        self._what_was_fitted()
        models = [model.fast_approximation() for model in self._models]
        if all(quicker is model for quicker, model in zip(models, self._models, strict=True)):
            return self
        other = copy.copy(self)
        other._models, other._settings = models, models[0].settings
        return other

    def rough(self) -> "Predictor":
        """Deprecated name of :meth:`fast_approximation`."""
        warn_renamed("Predictor.rough", "Predictor.fast_approximation")
        return self.fast_approximation()

    def explain(self, architecture: Architecture, target: str | None = None) -> Explanation:
        """How much each operation adds to the prediction; :func:`tart_nas.drawing.draw_cells` draws it.

        Args:
            architecture: what is explained.
            target: one of :attr:`targets`; by default the first.

        Raises:
            PredictorError: as :meth:`predict`.
        """
        self.predict([architecture], target=target)  # which raises where it is not judged
        ops = CELL_OPS if self._domain.scope is None else self._domain.scope.ops
        return explanation(lambda others: self.predict(others, target=target, outside="nan"), architecture, ops)

    def save(self, path: str | os.PathLike[str]) -> None:
        """Writes the fitted predictor to one safetensors file, atomically.

        Raises:
            PredictorError: if it is not fitted.
            CheckpointError: if the file cannot be written.
        """
        if self._fitted is None:
            raise PredictorError(f"The {self.kind} predictor is not fitted yet: there is nothing to save.")
        arrays = self._arrays()
        if self._given is not None and keep_training_set(self._models):
            arrays |= {f"{_TRAINING}{name}": array for name, array in self._given.arrays().items()}
        write_checkpoint(path, arrays, self.metadata)

    def training_data(self) -> LabelledData:
        """The labelled architectures that the predictor was fitted to, as far as it keeps them.

        Gaussian processes keep them, ensembles with one, and so the bundled ``darts-cifar10`` and
        ``deepnets1m-cifar10``. A fit to them, with the same kind, settings and seed, makes the predictor again, but for
        what it was told to judge beside them (``extend_scope``)::

            predictor = Predictor.from_pretrained("darts-cifar10")
            again, validation = fit_and_validate(predictor.training_data(), lambda: Predictor("ensemble"))

        Returns:
            n architectures, at the size of the labels; all targets by name, NaN where unknown; auxiliary targets, with
            their names where they had some. Of a file that an earlier version wrote there are no auxiliary ones.

        Raises:
            PredictorError: if the predictor is not fitted, or of a kind that does not keep its training set.
        """
        fitted = self._what_was_fitted()
        if not keep_training_set(self._models):
            raise PredictorError(
                f"The {self.kind} predictor does not keep the architectures that it was fitted to: 'gp' does, and an "
                "'ensemble' with one."
            )
        size = self._domain.size.to_dict()
        return training_data(self._models, fitted["targets"], self._given, self.notes.get("data", {}), size)

    def _arrays(self) -> Arrays:
        """What all models have learned; names start with the model's number."""
        return {f"{i}/{name}": array for i, model in enumerate(self._models) for name, array in model.arrays().items()}

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> "Predictor":
        """Reads what :meth:`save` wrote.

        Raises:
            CheckpointError: if the file is missing, truncated, foreign, of a later version or of other tokens.
        """
        arrays, metadata = read_checkpoint(path)
        try:
            predictor = cls(metadata["kind"], **metadata["settings"])
            scheme = predictor._models[0].token_scheme
            if metadata["token_scheme"] != scheme:
                raise CheckpointError(
                    f"{path} was made for the tokens {metadata['token_scheme']!r}; this TART-NAS makes {scheme!r}."
                )
            training = None if metadata["training"] is None else dict(metadata["training"])
            targets = {
                str(name): {key: float(scaling[key]) for key in ("mean", "scale")}
                for name, scaling in metadata["targets"].items()
            }
            if not targets or not all(math.isfinite(v) for scaling in targets.values() for v in scaling.values()):
                raise ValueError("the targets' mean and scale are not finite")
            labels = {name: arrays.pop(name) for name in [*arrays] if name.startswith(_TRAINING)}
            predictor._restore(arrays, len(targets))
            if labels:
                names = (training or {}).get("auxiliary_names", [])
                by_name = {name.removeprefix(_TRAINING): array for name, array in labels.items()}
                predictor._given = GivenLabels.of_arrays(by_name, names, predictor._models)
            model = predictor._models[0]
            scope = Scope.from_dict(metadata["scope"]) if model.has_scope else None
            predictor._domain = _domain(model, scope, LabelSize.from_dict(metadata.get("trained_at", {})))
            predictor._fitted = {"targets": targets, "training": training}
            predictor.notes = dict(metadata["notes"])
        except (SettingError, KeyError, TypeError, AttributeError, ValueError) as error:
            if isinstance(error, CheckpointError):
                raise
            reason = str(error).splitlines()[0] if str(error) else type(error).__name__
            raise CheckpointError(f"{path} is not a predictor that this TART-NAS can read: {reason}.") from None
        return predictor

    def _restore(self, arrays: Arrays, targets: int) -> None:
        """Gives each model its part of what :meth:`_arrays` gave."""
        model = regressor_class(self.kind)
        n = 1 if model.several_targets else targets
        parts: dict[str, Arrays] = {str(i): {} for i in range(n)}
        for name, array in arrays.items():
            index, _, rest = name.partition("/")
            if index not in parts:
                raise ValueError("other arrays than those of its targets")
            parts[index][rest] = array
        self._models = [model.make(self._settings) for _ in range(n)]
        for own, part in zip(self._models, parts.values(), strict=True):
            own.restore(part)

    @classmethod
    def open(cls, source: str | os.PathLike[str]) -> "Predictor":
        """A pretrained predictor by its name, any by its file, or one that needs no labels by its kind.

        Raises:
            CheckpointError: if it is none of these.
        """
        name = str(source)
        if name in UNLABELLED_KINDS:
            return cls(name)
        return cls.from_pretrained(name) if name in pretrained.names() else cls.load(source)

    @classmethod
    def from_pretrained(cls, name: str) -> "Predictor":
        """A predictor that comes with TART-NAS.

        Args:
            name: ``"darts-cifar10"``, accuracy on CIFAR-10 in the DARTS space, from NAS-Bench-301;
                ``"deepnets1m-cifar10"``, four properties of DeepNets-1M's networks, trained on a small budget;
                ``"deepnets1m-cifar10-graph"``, the same by TART on graph tokens, better for inference speed and slower.

        Raises:
            CheckpointError: if there is none of that name.
        """
        return cls.load(pretrained.path(name))


def _domain(model: Regressor, scope: Scope | None, size: LabelSize) -> Domain:
    return Domain(scope, size, reads_cells=TOKEN_SCHEME in model.token_scheme)


def _training(n: int, seed: int) -> dict[str, Any]:
    """What the metadata tells of a fit."""
    date, made_by = datetime.now(UTC).isoformat(timespec="seconds"), f"tart-nas {version()}"
    return {"date": date, "made_by": made_by, "n": n, "seed": seed}
