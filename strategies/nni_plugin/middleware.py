"""The predictor between an NNI strategy and the engine: what the strategy proposes is judged before it is trained."""

import logging
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from threading import RLock
from typing import Any

import numpy as np

from tart_nas.checks import one_of, whole
from tart_nas.predictors import Predictor
from tart_nas.strategies.nni_plugin.availability import require_nni
from tart_nas.strategies.nni_plugin.metrics import MetricGuard, metric_value
from tart_nas.strategies.nni_plugin.sampling import SampleDrawer
from tart_nas.strategies.nni_plugin.scoring import POPULATION, Converter, SampleScorer, Scorer
from tart_nas.strategies.nni_plugin.spaces import Sample

require_nni()

from nni.nas.execution import ExecutionEngine  # noqa: E402
from nni.nas.space import ExecutableModelSpace, ModelStatus  # noqa: E402
from nni.nas.strategy.middleware import StrategyMiddleware  # noqa: E402

__all__ = ["TOLD", "TartBestOfN", "TartOverSampling"]

_logger = logging.getLogger(f"nni.{__name__}")  # below "nni", so that NNI shows and keeps it

TOLD = ("predicted", "invalid")
"""What the strategy may be told about a model that is not trained."""

_GROWTH = 1.25  # by which the metrics have grown when a predictor learns anew: a fit to graphs takes seconds

_MIN_MEASURED = 3  # trained models before predictions are put in the unit of the metric: two always lie on a line


class _JudgingMiddleware(StrategyMiddleware):  # type: ignore[misc]
    """What the two middlewares share: the scorer, events passed up from the engine, what was submitted kept alive.

    A predictor that was not fitted learns from the metrics of what is trained: all that is submitted, until it can.
    """

    def __init__(
        self,
        predictor: Predictor | Scorer | str | os.PathLike[str],
        convert: Converter | None,
        judged_at: Mapping[str, Any] | None,
        input_size: int | Sequence[int] | None,
    ) -> None:
        super().__init__()
        self.predictor: Any = Predictor.open(predictor) if isinstance(predictor, str | os.PathLike) else predictor
        self._learns = isinstance(self.predictor, Predictor) and not self.predictor.is_fitted
        self._observed: list[tuple[Sample, float]] = []  # of what was trained, if it learns
        self._n_learned = 0  # of them, those it has learned from
        self._options: dict[str, Any] = {"convert": convert, "judged_at": judged_at, "input_size": input_size}
        self._submitted: list[ExecutableModelSpace] = []  # NNI keeps none but weak references
        self._lock = RLock()  # events come in another thread

    def _initialize_engine(self, engine: ExecutionEngine) -> None:
        self._guard = MetricGuard(engine)
        if self._learns:
            engine.register_model_event_callback("final_metric", self._observe)

    def _initialize_model_space(self, model_space: ExecutableModelSpace) -> ExecutableModelSpace:
        self._scorer = SampleScorer(model_space, self.predictor, **self._options)
        self._drawer = SampleDrawer(model_space, distinct_inputs=False) if self._learns else None
        return super()._initialize_model_space(model_space)

    def _cleanup(self) -> None:
        self._guard.remove()
        if self._learns:
            self.engine.unregister_model_event_callback("final_metric", self._observe)

    def _observe(self, event: Any) -> None:
        """Called by the engine, in another thread, when a trained model has its metric."""
        with self._lock:
            self._observed.append((event.model.sample, metric_value(event.metric)))

    def _can_judge(self) -> bool:
        """Whether the predictor judges anything; before, it learns from what was measured meanwhile."""
        with self._lock:
            new = self._observed[self._n_learned :]
        n = self._n_learned + len(new)
        if new and n >= self._n_learned * _GROWTH:
            samples, metrics = zip(*new, strict=True)
            if self._scorer.learn(samples, metrics, n, self._population):
                self._n_learned = n
        return not self._learns or self.predictor.is_fitted

    def _population(self) -> list[Sample]:
        """Samples that stand for the space."""
        assert self._drawer is not None
        return self._drawer.draw(POPULATION, np.random.default_rng(0))

    def state_dict(self) -> dict[str, Any]:
        """What a predictor that was not fitted has learned from."""
        return {"observed": [list(pair) for pair in self._observed]} if self._learns else {}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Takes up what :meth:`state_dict` gave."""
        self._observed = [(dict(sample), float(metric)) for sample, metric in state_dict.get("observed", ())]

    def _forward(self, *models: ExecutableModelSpace) -> None:
        self._submitted += models
        self.engine.submit_models(*models)

    def register_model_event_callback(self, event_type: Any, callback: Callable[..., None]) -> None:
        super().register_model_event_callback(event_type, callback)
        self.engine.register_model_event_callback(event_type, callback)

    def unregister_model_event_callback(self, event_type: Any, callback: Callable[..., None]) -> None:
        super().unregister_model_event_callback(event_type, callback)
        self.engine.unregister_model_event_callback(event_type, callback)

    def wait_models(self, *models: ExecutableModelSpace) -> None:
        self.engine.wait_models(*models)

    def list_models(self, status: Any = None) -> Iterator[ExecutableModelSpace]:
        yield from self.engine.list_models(status)


class TartBestOfN(_JudgingMiddleware):
    """Of every model that the strategy submits and n - 1 rivals that it would propose too, the best is trained.

    The strategy learns what was trained and how good it is. For strategies that ask nothing of a model but its sample
    and metric: ``Random`` and ``RegularizedEvolution``, whose rivals are further mutations. Use :func:`tart_chain`.

    Example:
        >>> strategy = tart_chain(RegularizedEvolution(), TartBestOfN(20, judged_at={"C": 32}))

    Args:
        n: how many candidates to one trained model, at least 2.
        predictor: as for :class:`SampleScorer`. One that was not fitted learns from what is trained; until four models
            have a metric, all that the strategy submits is trained.
        convert: as for :class:`SampleScorer`.
        judged_at: as for :class:`SampleScorer`.
        input_size: as for :class:`SampleScorer`.

    Raises:
        SettingError: if n is below 2.
    """

    def __init__(
        self,
        n: int = 10,
        predictor: Predictor | Scorer | str | os.PathLike[str] = "darts-cifar10",
        convert: Converter | None = None,
        judged_at: Mapping[str, Any] | None = None,
        input_size: int | Sequence[int] | None = None,
    ) -> None:
        whole("n", n, 2)
        super().__init__(predictor, convert, judged_at, input_size)
        self.n = n
        self.propose: Callable[[], ExecutableModelSpace | None] | None = None
        """Draws one more model as the strategy does; None when it finds none. :func:`tart_chain` sets it."""
        self.withdraw: Callable[[ExecutableModelSpace], None] = lambda model: None
        """Tells the strategy that a model which it proposed is not trained; likewise."""

    def extra_repr(self) -> str:  # noqa: D102
        return f"n={self.n}"

    def submit_models(self, *models: ExecutableModelSpace) -> None:
        """Puts the best of n in the place of each model, and submits it."""
        for model in models:
            if not self._can_judge():
                self._forward(model)
                continue
            rivals = [model]
            while len(rivals) < self.n and (rival := self._rival()) is not None:
                rivals.append(rival)
            best = rivals[int(np.argmax(self._scorer([rival.sample for rival in rivals])))]
            samples = [rival.sample for rival in rivals if rival is not best]
            model.sample, model.evaluator = best.sample, best.evaluator  # in place: the strategy waits for this object
            for sample in samples:
                self.withdraw(sample)
            self._forward(model)

    def _rival(self) -> ExecutableModelSpace | None:
        assert self.propose is not None, "TartBestOfN must be put together with a strategy by tart_chain"
        return self.propose()


class TartOverSampling(_JudgingMiddleware):
    """Of every pool of models that the strategy submits, the best are trained and the others rejected.

    Use :func:`tart_chain`.

    Example:
        >>> strategy = tart_chain(RegularizedEvolution(population_size=50), TartOverSampling(pool=20, k=2))

    Args:
        pool: how many models are gathered, at least 2.
        k: how many of them are trained, at least 1 and below ``pool``.
        told: what the strategy is told about the others. ``"predicted"``: their predicted score as if it had been
            measured, put in the unit of the metric by the line through what was measured. Until there are three
            measured models, it is told once the k of the pool have ended, and then their mean metric; if nothing is
            measured by then, that they are invalid, as what the predictor does not judge always is. ``"invalid"``:
            that they are invalid, without a metric.
        predictor: as for :class:`SampleScorer`.
        convert: as for :class:`SampleScorer`.
        judged_at: as for :class:`SampleScorer`.
        input_size: as for :class:`SampleScorer`.

    Raises:
        SettingError: if an argument is outside its range.
    """

    def __init__(
        self,
        pool: int = 10,
        k: int = 1,
        told: str = "predicted",
        predictor: Predictor | Scorer | str | os.PathLike[str] = "darts-cifar10",
        convert: Converter | None = None,
        judged_at: Mapping[str, Any] | None = None,
        input_size: int | Sequence[int] | None = None,
    ) -> None:
        whole("pool", pool, 2)
        whole("k", k, 1, pool - 1)
        one_of("told", told, TOLD)
        super().__init__(predictor, convert, judged_at, input_size)
        self.pool, self.k, self.told = pool, k, told
        self._gathered: list[ExecutableModelSpace] = []
        self._waiting: list[tuple[ExecutableModelSpace, float]] = []  # best first, to be trained
        self._rejected: list[tuple[ExecutableModelSpace, float]] = []  # to be told once there is something to tell by
        self._scores: dict[int, float] = {}  # by id of what was submitted
        self._in_training: set[int] = set()  # likewise
        self._measured: list[tuple[float, float]] = []  # predicted score and metric

    def extra_repr(self) -> str:  # noqa: D102
        return f"pool={self.pool}, k={self.k}, told={self.told!r}"

    def _initialize_engine(self, engine: ExecutionEngine) -> None:
        super()._initialize_engine(engine)
        engine.register_model_event_callback("final_metric", self._metric)
        engine.register_model_event_callback("training_end", self._ended)

    def _cleanup(self) -> None:
        super()._cleanup()
        self.engine.unregister_model_event_callback("final_metric", self._metric)
        self.engine.unregister_model_event_callback("training_end", self._ended)

    def submit_models(self, *models: ExecutableModelSpace) -> None:
        """Gathers the models; a full pool is judged, and its best are submitted."""
        for model in models:
            if not self._gathered and not self._can_judge():
                self._forward(model)
                continue
            self._gathered.append(model)
            if len(self._gathered) == self.pool:
                self._judge()

    def idle_worker_available(self) -> bool:
        """Whether the strategy should submit: while a pool is filling, but not before it has been told of the last."""
        with self._lock:
            held = bool(self._rejected)
        if held:
            return False
        return bool(self._gathered) or bool(self.engine.idle_worker_available())

    def wait_models(self, *models: ExecutableModelSpace) -> None:
        """Judges what was gathered so far, then waits."""
        if self._gathered and self.engine.budget_available():
            self._judge()
        self.engine.wait_models(*models)

    def _judge(self) -> None:
        gathered, self._gathered = self._gathered, []
        scores = self._scorer([model.sample for model in gathered])
        order = [int(i) for i in np.argsort(-scores, kind="stable")]
        best = [gathered[i] for i in order[: self.k]]
        with self._lock:
            self._scores |= {id(gathered[i]): float(scores[i]) for i in order[: self.k]}
            self._in_training |= {id(model) for model in best}
            self._rejected += [(gathered[i], float(scores[i])) for i in order[self.k :]]
        if self.told == "invalid" or len(self._measured) >= _MIN_MEASURED:
            self._tell()
        for model in best:
            self._forward(model)

    def _metric(self, event: Any) -> None:
        """Called by the engine, in another thread, when a trained model has its metric."""
        with self._lock:
            if np.isfinite(self._scores.get(id(event.model), -np.inf)):  # what is not judged tells nothing of scores
                self._measured.append((self._scores[id(event.model)], metric_value(event.metric)))

    def _ended(self, event: Any) -> None:
        """Called by the engine, in another thread, when a trained model ends."""
        with self._lock:
            if id(event.model) not in self._in_training:
                return
            self._in_training.remove(id(event.model))
            tell = not self._in_training
        if tell:
            self._tell()

    def _tell(self) -> None:
        """Tells the strategy about the rejected models."""
        with self._lock:
            rejected, self._rejected = self._rejected, []
            metrics = self._as_metrics([score for _, score in rejected])
        for (model, _), metric in zip(rejected, metrics, strict=True):
            if self.told == "predicted" and np.isfinite(metric):
                self.dispatch_model_event("final_metric", metric=metric, model=model)
            self.dispatch_model_event("training_end", status=ModelStatus.Invalid, model=model)

    def _as_metrics(self, scores: Sequence[float]) -> list[float]:
        """Predicted scores in the unit of the metric; ``-inf`` of what is not judged, and of all without a metric.

        A score in its own unit would be nonsense among metrics: a predicted 94 beats every accuracy of 0.9 for ever.
        """
        if not self._measured:
            return [-np.inf] * len(scores)
        predicted, metrics = np.array(self._measured).T
        deviations = predicted - predicted.mean()
        enough = len(self._measured) >= _MIN_MEASURED and deviations.any()
        slope = max(0.0, float(deviations @ metrics / (deviations @ deviations))) if enough else 0.0
        return [
            float(metrics.mean() + slope * (score - predicted.mean())) if np.isfinite(score) else score
            for score in scores
        ]

    def state_dict(self) -> dict[str, Any]:
        """The measured models; a pool that is not full is lost, as NNI's strategies forget their running models."""
        return {**super().state_dict(), "measured": [list(pair) for pair in self._measured]}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Takes up what :meth:`state_dict` gave."""
        super().load_state_dict(state_dict)
        self._measured = [(float(predicted), float(metric)) for predicted, metric in state_dict["measured"]]
