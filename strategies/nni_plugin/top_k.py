"""An NNI strategy that trains only what the predictor puts first."""

import copy
import logging
import math
import os
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from tart_nas.checks import whole
from tart_nas.errors import NniError, SettingError
from tart_nas.predictors import Predictor
from tart_nas.predictors.targets import MIN_LABELS
from tart_nas.strategies.cold_start import predictor_identity
from tart_nas.strategies.nni_plugin.availability import require_nni
from tart_nas.strategies.nni_plugin.managers import trial_of
from tart_nas.strategies.nni_plugin.metrics import MetricGuard, metric_value
from tart_nas.strategies.nni_plugin.sampling import SampleDrawer, sample_key
from tart_nas.strategies.nni_plugin.scoring import POPULATION, Converter, SampleScorer, Scorer
from tart_nas.strategies.nni_plugin.spaces import Sample

require_nni()

from nni.nas.execution import ExecutionEngine  # noqa: E402
from nni.nas.space import ExecutableModelSpace  # noqa: E402
from nni.nas.strategy.base import Strategy  # noqa: E402
from websockets import WebSocketException  # noqa: E402

__all__ = ["Pick", "TartTopK"]

_logger = logging.getLogger(f"nni.{__name__}")  # below "nni", so that NNI shows and keeps it

_CHUNK = 4096  # samples scored at once, so that converted architectures take little memory
_TRACED_CHUNK = 16  # of networks that are built and traced: a second or two, between which there may be a log line
_REPORTING = 30.0  # seconds between two log lines of a scoring
_PAUSE = 0.2  # seconds between two looks at the workers: nothing beside a training, and little load
_LAST_EVENTS = 10.0  # seconds for the listener's thread to hear of trials that ended; what comes later is resumed


@dataclass
class Pick:
    """One of the candidates that are trained.

    Attributes:
        round: in which it was picked, from 0.
        sample: the choices that make it.
        predicted: its score.
        status: ``"waiting"``, ``"submitted"``, ``"trained"`` or ``"failed"``.
        metric: what its trial reported; None before, and where there is none.
    """

    round: int
    sample: Sample
    predicted: float
    status: str = "waiting"
    metric: float | None = None
    model: Any = field(default=None, repr=False, compare=False)  # NNI keeps none but weak references

    @property
    def ended(self) -> bool:
        """Whether there is nothing more to wait for."""
        return self.status in ("trained", "failed")

    def to_dict(self) -> dict[str, Any]:
        """The pick as JSON values."""
        names = ("round", "sample", "predicted", "status", "metric")
        return {name: getattr(self, name) for name in names}


class TartTopK(Strategy):  # type: ignore[misc]
    """Scores many samples of the model space without building a network, and has only the best trained, best first.

    A round draws ``candidates`` samples, scores them and submits the k best of them as workers become free. When all
    of them ended, the predictor learns from what was measured, and the next round begins. No network is trained
    twice.

    Example:
        >>> experiment = NasExperiment(DARTS(width=16, num_cells=8, dataset="cifar"), evaluator,
        ...                            TartTopK(k=5, candidates=10_000, judged_at={"C": 32}))
        >>> experiment.run(port=8081)

    Args:
        k: how many are trained in each round, at least 1; the experiment's ``max_trial_number`` may end it earlier.
        candidates: how many are drawn and scored in each round, at least k.
        rounds: at least 1.
        predictor: as for :class:`~tart_nas.strategies.nni_plugin.SampleScorer`. It is copied before it learns. With an
            unfitted one, such as ``"gp-graph"``, the first round trains k random samples.
        samples: candidates to choose from instead of drawing them, the same ones in each round.
        convert: as for :class:`SampleScorer`.
        judged_at: as for :class:`SampleScorer`.
        input_size: as for :class:`SampleScorer`.
        distinct_inputs: in a NASNet-series space, whether to draw only cells whose nodes have two different inputs.
        refit: whether the predictor learns between rounds.
        seed: of the drawing and refitting.

    Attributes:
        picks: what was picked so far, a list of :class:`Pick`.
        predictor: the one that learns between rounds.

    Raises:
        SettingError: if an argument is outside its range.
        CheckpointError: if there is no such predictor.
    """

    def __init__(
        self,
        k: int = 10,
        candidates: int = 10_000,
        *,
        rounds: int = 1,
        predictor: Predictor | Scorer | str | os.PathLike[str] = "darts-cifar10",
        samples: Sequence[Sample] | None = None,
        convert: Converter | None = None,
        judged_at: Mapping[str, Any] | None = None,
        input_size: int | Sequence[int] | None = None,
        distinct_inputs: bool = True,
        refit: bool = True,
        seed: int = 0,
    ) -> None:
        super().__init__()
        self.candidates = candidates if samples is None else len(samples)
        self.k, self.rounds, self.seed = k, rounds, seed
        for name, least in (("k", 1), ("rounds", 1), ("seed", 0), ("candidates", k)):
            value = getattr(self, name)
            whole(name, value, least)
        self.picks: list[Pick] = []
        opened = Predictor.open(predictor) if isinstance(predictor, str | os.PathLike) else predictor
        self._judge = predictor_identity(opened) if isinstance(opened, Predictor) else type(opened).__name__
        if isinstance(opened, Predictor) and not opened.is_fitted and not (refit and (rounds - 1) * k >= MIN_LABELS):
            raise SettingError(
                f"`predictor` is an unfitted {opened.kind}, which learns between rounds from at least {MIN_LABELS} "
                f"metrics: give `rounds` of at least 2 and enough of `k`, and leave `refit`."
            )
        self.predictor: Any = copy.deepcopy(opened) if refit and rounds > 1 else opened  # learning is in place
        self._samples = None if samples is None else list(samples)
        self._options: dict[str, Any] = {"convert": convert, "judged_at": judged_at, "input_size": input_size}
        self._distinct_inputs = distinct_inputs
        self._refit = refit
        self._lost = False  # whether NNI's manager has gone
        self._learned_rounds = 0  # rounds whose metrics the predictor was given
        self._unseen: list[Pick] = []  # among them, what was too little to learn from

    def extra_repr(self) -> str:  # noqa: D102
        return f"k={self.k}, candidates={self.candidates}, rounds={self.rounds}"

    def _initialize(self, model_space: ExecutableModelSpace, engine: ExecutionEngine) -> ExecutableModelSpace:
        self._scorer = SampleScorer(model_space, self.predictor, **self._options)
        self._drawer = None if self._samples is not None else SampleDrawer(model_space, self._distinct_inputs)
        for sample in self._samples or ():
            model_space.validate(sample)
        self._guard = MetricGuard(engine)
        engine.register_model_event_callback("final_metric", self._measured)
        engine.register_model_event_callback("training_end", self._ended)
        return model_space

    def _cleanup(self) -> None:
        if not self._lost:
            self._harvest()
        self._guard.remove()
        self.engine.unregister_model_event_callback("final_metric", self._measured)
        self.engine.unregister_model_event_callback("training_end", self._ended)

    def _run(self) -> None:
        try:
            self._search()
        except (OSError, WebSocketException) as error:  # of a request, of the command channel
            self._lost = True
            raise NniError(f"NNI's manager does not answer any more; resume the experiment. ({error})") from None

    def _search(self) -> None:
        for number in range(self.rounds):
            self._learn(number)
            if not any(pick.round == number for pick in self.picks):
                self._pick(number)
            picks = [pick for pick in self.picks if pick.round == number]
            self._adopt(picks)
            for pick in picks:
                if pick.status == "waiting":
                    if not self.wait_for_resource():
                        break
                    self._submit(pick)
            self._wait(picks)
            if _waiting(picks):
                _logger.info("The experiment's budget is used up with %d picks untrained.", _waiting(picks))
                return

    def wait_for_resource(self) -> bool:
        """Waits for a worker; False when the experiment's budget is used up."""
        while not self.engine.idle_worker_available():
            if not self.engine.budget_available():
                return False
            time.sleep(_PAUSE)
        return bool(self.engine.budget_available())

    def _pick(self, number: int) -> None:
        """Adds the picks of a round, best first."""
        start = time.perf_counter()
        samples = self._samples
        if self._drawer is not None:
            samples = self._drawer.draw(self.candidates, np.random.default_rng([self.seed, number]))
        assert samples is not None
        samples = list({sample_key(sample): sample for sample in samples}.values())  # small spaces give each often
        scores = self._scores(samples)
        order = np.argsort(-scores, kind="stable")
        new = list(self._best(samples, order[np.isfinite(scores[order])]))  # what is not judged is not trained
        self.picks += [Pick(number, samples[i], float(scores[i])) for i in new]
        _logger.info(
            "Round %d: scored %d candidates in %.1f s; the best %d go to training, predicted %s.",
            number + 1,
            len(samples),
            time.perf_counter() - start,
            len(new),
            ", ".join(f"{scores[i]:.3f}" for i in new[:5]) + (", ..." if len(new) > 5 else ""),
        )

    def _scores(self, samples: Sequence[Sample]) -> Any:
        """(n,) scores of n samples, with a log line now and then."""
        start = told = time.perf_counter()
        size = _TRACED_CHUNK if self._scorer.is_slow else _CHUNK
        scores: list[Any] = []
        for first in range(0, len(samples), size):
            scores.append(self._scorer(samples[first : first + size]))
            done, now = min(first + size, len(samples)), time.perf_counter()
            if done < len(samples) and now - told > _REPORTING:
                told = now
                left = (now - start) / done * (len(samples) - done) / 60
                _logger.info("Scored %d of %d candidates; about %.1f minutes are left.", done, len(samples), left)
        return np.concatenate(scores)

    def _best(self, samples: Sequence[Sample], order: Any) -> Iterator[int]:
        """The positions of the k best that are not trained yet and differ from each other."""
        known = {sample_key(pick.sample) for pick in self.picks}
        networks = {self._scorer.identity(pick.sample) for pick in self.picks}
        found = 0
        for i in map(int, order):
            key = sample_key(samples[i])
            if found == self.k:
                return
            if key in known or (network := self._scorer.identity(samples[i])) in networks:
                continue
            known.add(key)
            networks.add(network)
            found += 1
            yield i

    def _submit(self, pick: Pick) -> None:
        pick.model = self.model_space.freeze(pick.sample)
        pick.status = "submitted"
        self.engine.submit_models(pick.model)

    def _measured(self, event: Any) -> None:
        """Called by the engine, in another thread, when a trial reports its metric.

        A trial that has a metric is trained, even if NNI said before that it ended: with several trials at a time, NNI
        gives a model to whichever trial asks first, so that the end of a trial may be told of another model.
        """
        for pick in self.picks:
            if pick.model is event.model:
                pick.metric, pick.status = metric_value(event.metric), "trained"

    def _ended(self, event: Any) -> None:
        """Called by the engine, in another thread, when a trial ends."""
        for pick in self.picks:
            if pick.model is event.model and not pick.ended:
                pick.status = "failed"

    def _adopt(self, picks: Sequence[Pick]) -> None:
        """After a resumption: takes up what NNI has of these picks, and puts what it never heard of back in line."""
        known = {sample_key(model.sample) for model in self.engine.list_models()}
        for pick in picks:
            if not pick.ended:
                pick.status = "submitted" if sample_key(pick.sample) in known else "waiting"

    def _harvest(self) -> None:
        """Asks the engine for what it has of models whose events went to nobody: those of before a resumption."""
        open_picks = {sample_key(pick.sample): pick for pick in self.picks if pick.status == "submitted"}
        if not open_picks:
            return
        for model in self.engine.list_models():
            pick = open_picks.get(sample_key(model.sample))
            if pick is not None and model.metric is not None:
                pick.metric, pick.status = metric_value(model.metric), "trained"
            elif pick is not None and model.status.completed():
                pick.status = "failed"

    def _wait(self, picks: Sequence[Pick]) -> None:
        until = math.inf
        while submitted := [pick for pick in picks if pick.status == "submitted"]:
            # NNI takes models that it never starts, where `max_trial_number` is reached: it asks for one model for each
            # worker, whatever the number.
            if not self.engine.budget_available() and until == math.inf:  # raises when NNI's manager has gone
                self.engine.wait_models()  # all that it has started
                until = time.monotonic() + _LAST_EVENTS
            if time.monotonic() > until:
                for pick in submitted:
                    pick.status, pick.model = "waiting", None
            elif any(pick.model is None for pick in submitted):
                self._harvest()
            time.sleep(_PAUSE)
        for pick in picks:
            if pick.status == "failed":
                what = "%s failed or reported no metric; the search goes on. Its sample: %s"
                _logger.warning(what, trial_of(self.engine, pick.sample), pick.sample)

    def _learn(self, number: int) -> None:
        """Has the predictor learn from the rounds before this one that it has not seen."""
        while self._learned_rounds < number:
            picks = [pick for pick in self.picks if pick.round == self._learned_rounds and pick.metric is not None]
            self._unseen += picks
            self._learned_rounds += 1
            if not self._refit or not self._unseen:
                continue
            metrics = [pick.metric for pick in self._unseen if pick.metric is not None]
            samples = [pick.sample for pick in self._unseen]
            if self._scorer.learn(samples, metrics, self.seed + self._learned_rounds, self._population):
                self._unseen = []
            else:
                _logger.info("The predictor learned nothing from the %d metrics of so far.", len(metrics))

    def _population(self) -> Sequence[Sample]:
        """Samples that stand for the space, the same ones whenever the experiment is resumed."""
        if self._drawer is None:
            return self._samples or ()
        return self._drawer.draw(POPULATION, np.random.default_rng([self.seed, 0, 1]))  # rounds have two numbers

    def state_dict(self) -> dict[str, Any]:
        """What was picked, and how far it came: JSON values."""
        return {"settings": self._settings(), "picks": [pick.to_dict() for pick in self.picks]}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Takes up what :meth:`state_dict` gave; the predictor learns again from what was measured.

        Raises:
            NniError: if it is the state of another strategy, or of one with other settings.
        """
        if not isinstance(state_dict, dict) or "settings" not in state_dict or "picks" not in state_dict:
            raise NniError("The experiment's state is not that of a TartTopK.")
        for name, value in self._settings().items():
            if state_dict["settings"].get(name) != value:
                before = state_dict["settings"].get(name)
                raise NniError(f"The experiment was started with TartTopK({name}={before!r}), not {value!r}.")
        self.picks = [Pick(**pick) for pick in state_dict["picks"]]

    def _settings(self) -> dict[str, Any]:
        names = ("k", "candidates", "rounds", "seed")
        return {**{name: getattr(self, name) for name in names}, "predictor": self._judge}


def _waiting(picks: Sequence[Pick]) -> int:
    return sum(pick.status == "waiting" for pick in picks)
