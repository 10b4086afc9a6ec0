"""The predictor as NNI's own notion of performance estimation."""

import os
from collections.abc import Mapping, Sequence
from typing import Any

from tart_nas.choices import KINDS
from tart_nas.errors import SettingError
from tart_nas.predictors import Predictor
from tart_nas.strategies.nni_plugin.availability import require_nni
from tart_nas.strategies.nni_plugin.scoring import Converter, SampleScorer, Scorer

require_nni()

import nni  # noqa: E402
from nni.nas.evaluator import Evaluator  # noqa: E402
from nni.nas.execution import SequentialExecutionEngine  # noqa: E402
from nni.nas.space import ModelStatus, SimplifiedModelSpace  # noqa: E402

__all__ = ["TartEvaluator", "retrain_top"]


@nni.trace
class TartEvaluator(Evaluator):  # type: ignore[misc]
    """Reports a model's predicted score instead of training it; no network is built.

    With the sequential engine, any NNI strategy then searches in this process, thousands of architectures a minute;
    :func:`retrain_top` trains what it found best.

    Example:
        >>> config = NasExperimentConfig("sequential", "simplified", "local", max_trial_number=1000)
        >>> experiment = NasExperiment(space, TartEvaluator(judged_at={"C": 32}), RegularizedEvolution(), config)
        >>> experiment.run()
        >>> retrain_top(experiment, evaluator, k=3)

    Args:
        predictor: as for :class:`SampleScorer`. In trials of a training service, a name or path: the predictor is
            opened on the trial's machine.
        convert: as for :class:`SampleScorer`.
        judged_at: as for :class:`SampleScorer`.
        input_size: as for :class:`SampleScorer`.

    Raises:
        SettingError: if the predictor is one that was not fitted, or the name of a kind that must be.
    """

    def __init__(
        self,
        predictor: Predictor | Scorer | str | os.PathLike[str] = "darts-cifar10",
        convert: Converter | None = None,
        judged_at: Mapping[str, Any] | None = None,
        input_size: int | Sequence[int] | None = None,
    ) -> None:
        # What is no kind is opened where the trial runs.
        _check_fitted(Predictor.open(predictor) if isinstance(predictor, str) and predictor in KINDS else predictor)
        self._arguments = (predictor, convert, judged_at, input_size)
        self._scorer: SampleScorer | None = None

    def extra_repr(self) -> str:  # noqa: D102
        return f"predictor={self._arguments[0]!r}"

    def evaluate(self, model: Any) -> float:
        """Reports the predicted score of NNI's current model to the experiment.

        Args:
            model: NNI's ``ExecutableModelSpace``, frozen.

        Raises:
            NniError: if its sample cannot be converted.
            CheckpointError: if the predictor is not on this machine.
            SettingError: if it is not fitted.
        """
        if self._scorer is None:
            # At the first model: the space is not known before, and a trial may run on another machine.
            scorer = SampleScorer(model, *self._arguments)
            _check_fitted(scorer.predictor)
            self._scorer = scorer
        score = float(self._scorer([model.sample])[0])
        nni.report_final_result(score)
        return score

    def _execute(self, model: Any) -> float:
        """What NNI calls: unlike that of other evaluators, it does not build the network."""
        return self.evaluate(model)


def _check_fitted(predictor: Any) -> None:
    """Makes sure that a predictor needs no metrics to learn from.

    Raises:
        SettingError: if it does.
    """
    if isinstance(predictor, Predictor) and not predictor.is_fitted:
        raise SettingError(
            f"`predictor` is an unfitted {predictor.kind}, and an evaluator trains nothing that it could learn from: "
            "give a fitted one, or use TartTopK, TartBestOfN, TartOverSampling or TartTuner, which learn from trials."
        )


def retrain_top(experiment: Any, evaluator: Any, k: int) -> list[tuple[dict[str, Any], float | None]]:
    """Has an evaluator of the user's train the best models of an experiment, in this process.

    Args:
        experiment: a ``NasExperiment`` that has run.
        evaluator: such as a ``FunctionalEvaluator`` or a ``Lightning`` one.
        k: how many.

    Returns:
        The sample and the metric of each, in the order of the experiment's metrics; None for one whose training
        failed or reported no metric.
    """
    engine = SequentialExecutionEngine(continue_on_failure=True)
    outcomes = []
    for model in experiment.export_top_models(k):
        again = SimplifiedModelSpace(model.model, model.mutables, evaluator)
        again.sample, again.status = model.sample, ModelStatus.Frozen
        engine.submit_models(again)
        outcomes.append((again.sample, again.metric))
    return outcomes
