"""A tuner for NNI's classic experiments (HPO): trials in any language, configured in YAML."""

import logging
import os
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor, wait
from contextlib import contextmanager
from importlib import import_module
from signal import SIGINT, pthread_kill
from threading import RLock, current_thread, main_thread
from typing import Any

import numpy as np

from tart_nas.checks import one_of, whole
from tart_nas.errors import NniError, SettingError
from tart_nas.predictors import Predictor
from tart_nas.strategies.nni_plugin.availability import require_nni
from tart_nas.strategies.nni_plugin.imported_trials import true_pairs
from tart_nas.strategies.nni_plugin.json_cells import cells_of
from tart_nas.strategies.nni_plugin.json_space import JsonSpace
from tart_nas.strategies.nni_plugin.managers import end_with_manager
from tart_nas.strategies.nni_plugin.metrics import metric_value
from tart_nas.strategies.nni_plugin.sampling import sample_key
from tart_nas.strategies.nni_plugin.scoring import POPULATION, Converter, SampleScorer
from tart_nas.strategies.nni_plugin.spaces import Sample

require_nni(nas=False)

from nni import NoMoreTrialError  # noqa: E402
from nni.tools.package_utils.tuner_factory import create_builtin_class_instance  # noqa: E402
from nni.tuner import Tuner  # noqa: E402

__all__ = ["TartTuner"]

_logger = logging.getLogger(f"nni.{__name__}")  # below "nni", so that NNI keeps it in dispatcher.log

_NUMBERS = {"candidates": 1, "k": 1, "n_cells": 1, "C": 1, "seed": 0}  # the least that each may be


class TartTuner(Tuner):  # type: ignore[misc]
    """Hands out the samples with the best predicted scores, best first.

    Example::

        tuner:
          className: tart_nas.strategies.nni_plugin.TartTuner
          codeDirectory: .
          classArgs: {candidates: 10000, k: 10}

    Of ``candidates`` samples drawn, the k best are handed out; then the predictor learns from what was measured, and
    as many are drawn anew. With an inner tuner, each trial is instead the best of ``candidates`` of its proposals, and
    the inner tuner hears of the metric.

    Args:
        predictor: the name of a bundled one, the path of a saved one, or a kind such as ``gp``: it then begins without
            labels, and hands out random samples until four metrics are there.
        candidates: how many are drawn and scored at a time, at least 1; 20 and the like with an inner tuner.
        k: how many of them are handed out, at least 1.
        n_cells: number of cells that the predictor judges the samples at.
        C: channels that it judges them at.
        convert: dotted name of a function from a sample to an Architecture, for search spaces that do not tell cells
            by the labels of NNI's DARTS space.
        inner: a tuner of NNI by its name, such as ``{name: TPE, classArgs: {seed: 1}}``.
        distinct_inputs: whether to draw only cells whose nodes have two different inputs.
        optimize_mode: ``"maximize"`` or ``"minimize"`` the metric; scores are always maximised.
        seed: of the drawing.
        unknown: refused.

    Raises:
        SettingError: if an argument is unknown or outside its range.
        CheckpointError: if there is no such predictor.
    """

    def __init__(
        self,
        predictor: str | os.PathLike[str] = "darts-cifar10",
        candidates: int = 10_000,
        k: int = 10,
        n_cells: int = 8,
        C: int = 32,
        convert: str | None = None,
        inner: Mapping[str, Any] | None = None,
        distinct_inputs: bool = True,
        optimize_mode: str = "maximize",
        seed: int = 0,
        **unknown: Any,
    ) -> None:
        super().__init__()
        if unknown:
            raise SettingError(f"TartTuner has no argument {', '.join(map(repr, unknown))} in `classArgs`.")
        self.candidates, self.k, self.n_cells, self.C, self.seed = candidates, k, n_cells, C, seed
        for name, least in _NUMBERS.items():
            value = getattr(self, name)
            whole(name, value, least)
        one_of("optimize_mode", optimize_mode, ("maximize", "minimize"))
        self._sign = 1.0 if optimize_mode == "maximize" else -1.0
        # NNI gives a tuner 10 s to connect: what takes long goes on beside that, what is wrong at once is told at once.
        self._opening = ThreadPoolExecutor(1, "predictor").submit(Predictor.open, predictor)
        if wait([self._opening], timeout=1).done:
            self._opening.result()
        self._convert = None if convert is None else _function(convert)
        self._inner: Any = None if inner is None else _inner_tuner(inner, optimize_mode)
        self._distinct_inputs = distinct_inputs
        self._line: list[tuple[Sample, float]] = []  # what is handed out next, best last, with its score
        self._round = 0
        self._known: set[Any] = set()
        self._new: list[tuple[Sample, float]] = []  # measured, and not learned from yet
        self._inner_ids: dict[int, int] = {}  # NNI's number of a trial -> the inner tuner's
        self._next_inner_id = 0
        self._lock = RLock()  # the ends of trials come in another thread
        end_with_manager()

    def update_search_space(self, search_space: Mapping[str, Any]) -> None:
        """Takes the experiment's search space.

        Raises:
            NniError: if it cannot be read.
        """
        with _ending_the_experiment():
            self._space = JsonSpace(search_space, self._distinct_inputs)
            convert: Converter = self._convert or cells_of(search_space, self.n_cells, self.C).architecture
            judged_at = None if self._convert else {"n_cells": self.n_cells, "C": self.C}
            self._scorer = SampleScorer(None, self._opening.result(), convert, judged_at)
            self._line = []
            if self._inner is not None:
                self._inner.update_search_space(search_space)

    def generate_parameters(self, parameter_id: int, **kwargs: Any) -> Sample:
        """The next sample to train.

        Raises:
            NoMoreTrialError: if all samples of the space were handed out.
        """
        with self._lock, _ending_the_experiment():
            sample, score = self._best_of_inner(parameter_id) if self._inner is not None else self._next()
            self._known.add(sample_key(sample))
            _logger.info("Trial %s: predicted %.4f", parameter_id, score)
            return sample

    def receive_trial_result(self, parameter_id: int, parameters: Sample, value: Any, **kwargs: Any) -> None:
        """Takes the metric of a trial; what is no metric is named in the log and passed over."""
        try:
            metric = metric_value(value)
        except ValueError as error:
            _logger.error("Trial %s reported what is no metric: %s; it counts as failed.", parameter_id, error)
            return
        with self._lock:
            if self._is_inside(parameters):
                self._new.append((parameters, self._sign * metric))
            if self._inner is not None and parameter_id in self._inner_ids:
                self._inner.receive_trial_result(self._inner_ids[parameter_id], parameters, value, **kwargs)

    def trial_end(self, parameter_id: int, success: bool, **kwargs: Any) -> None:
        """Tells the inner tuner, if there is one."""
        with self._lock:  # the result of the trial may still be on its way: its number is kept
            if self._inner is not None and parameter_id in self._inner_ids:
                self._inner.trial_end(self._inner_ids[parameter_id], success, **kwargs)

    def import_data(self, data: list[dict[str, Any]]) -> None:
        """Takes trials of before a resumption, or of another experiment; those outside the space are passed over."""
        data = [trial for trial in true_pairs(data) if self._is_inside(trial["parameter"])]
        with self._lock:
            for trial in data:
                self._known.add(sample_key(trial["parameter"]))
                try:
                    self._new.append((trial["parameter"], self._sign * metric_value(trial["value"])))
                except ValueError as error:
                    _logger.error("An imported trial has no metric: %s; it is passed over.", error)
            if self._inner is not None:
                self._inner.import_data(data)

    def _is_inside(self, sample: Any) -> bool:
        """Whether a sample can be judged; else it says so. People add trials by hand, and import them."""
        try:
            if not isinstance(sample, dict):
                raise NniError(f"Cannot judge the sample {sample}: it is no dict of parameters.")
            self._scorer.convert(sample)
        except NniError as error:
            _logger.warning("A trial outside the search space is passed over. %s", error)
            return False
        return True

    def _next(self) -> tuple[Sample, float]:
        if not self._line:
            self._learn()
            samples = self._space.draw(self.candidates, np.random.default_rng([self.seed, self._round]))
            self._round += 1
            samples = list({sample_key(sample): sample for sample in samples}.values())
            ranked = self._ranked([sample for sample in samples if sample_key(sample) not in self._known])
            self._line = [(sample, score) for sample, score in ranked[: self.k] if score > -np.inf]  # the judged ones
            self._line.reverse()
            if not self._line:
                raise NoMoreTrialError("All samples that were drawn have been tried.")
            _logger.info("Scored %d candidates, the best %d are next.", len(samples), len(self._line))
        return self._line.pop()

    def _best_of_inner(self, parameter_id: int) -> tuple[Sample, float]:
        self._learn()
        proposals = {}
        for _ in range(self.candidates):
            number, self._next_inner_id = self._next_inner_id, self._next_inner_id + 1
            proposals[number] = self._inner.generate_parameters(number)
        best, score = self._ranked(list(proposals.values()))[0]
        for number, sample in proposals.items():
            if sample is best:
                self._inner_ids[parameter_id] = number
            else:
                self._inner.trial_end(number, False)
        return best, score

    def _ranked(self, samples: list[Sample]) -> list[tuple[Sample, float]]:
        """The samples with their scores, best first. Nothing is kept of them: a round has 10,000."""
        if not samples:
            return []
        scores = self._scorer(samples)
        return [(samples[i], float(scores[i])) for i in np.argsort(-scores, kind="stable").tolist()]

    def _learn(self) -> None:
        new, self._new = self._new, []
        if not new:
            return
        samples, metrics = [sample for sample, _ in new], [metric for _, metric in new]
        if not self._scorer.learn(samples, metrics, self._round, self._population):
            self._new = new  # too few as yet

    def _population(self) -> list[Sample]:
        """Samples that stand for the space."""
        return self._space.draw(POPULATION, np.random.default_rng([self.seed, 0, 1]))  # rounds have two numbers


@contextmanager
def _ending_the_experiment() -> Iterator[None]:
    """Ends NNI's dispatcher when something is wrong: else it would wait for ever, and the experiment with it."""
    try:
        yield
    except NoMoreTrialError:
        raise
    except Exception:
        if current_thread() is not main_thread():  # as in the dispatcher, whose main thread listens
            pthread_kill(main_thread().ident or 0, SIGINT)
        raise


def _function(name: str) -> Converter:
    module, _, attribute = name.rpartition(".")
    try:
        function: Converter = getattr(import_module(module), attribute)
    except (ImportError, AttributeError, ValueError) as error:
        raise SettingError(f"`convert` must be the dotted name of a function, but got {name!r}: {error}.") from None
    return function


def _inner_tuner(inner: Mapping[str, Any], optimize_mode: str) -> Any:
    if not isinstance(inner, Mapping) or "name" not in inner or set(inner) - {"name", "classArgs"}:
        raise SettingError(f"`inner` must be a mapping of `name` and `classArgs`, but got {inner!r}.")
    arguments = dict(inner.get("classArgs") or {})
    if inner["name"] != "Random":
        arguments.setdefault("optimize_mode", optimize_mode)
    try:
        tuner = create_builtin_class_instance(inner["name"], arguments, "tuners")
    except Exception as error:  # NNI's validators raise what they like
        raise SettingError(f"NNI cannot make the inner tuner {dict(inner)!r}: {error}") from None
    if tuner is None:
        raise NniError(f"NNI has no tuner {inner['name']!r}.")
    return tuner
