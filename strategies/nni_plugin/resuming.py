"""NNI's NAS experiments made resumable: what NNI 3.0 ships breaks in several places.

1. The state of the strategy is written only at the start and at an orderly end: here after each submission and each
   end of a trial.
2. What is written cannot be read again (``torch.load`` refuses it since torch 2.6): here it is JSON.
3. A resumption that fails overwrites the good state: here it is copied first, and not written after a failure.
4. On resumption NNI's manager sends two commands that are meant for tuners, on which the strategy's listener dies and
   the experiment hangs: here they are passed over.
5. A trial that the manager starts again counts as failed until it runs: here it counts as running.
6. The manager is given 3 s to start, which is short on a busy machine: here 30.
7. One trial that reported something else than a metric makes the list of models unreadable: here it has no metric.
8. Samples of trials that start together may be noted with one another's trial: here they are put right
   (:mod:`tart_nas.strategies.nni_plugin.swapped_trials`).
9. A raised ``max_trial_number`` is ignored: here it is written into the database first.
10. Where the manager was killed, some 300 lines of tracebacks of requests to it hide the one error that tells so: here
    nothing is asked of a manager that has ended, and attempts to hear from it are told in a line each.
"""

import logging
import time
from dataclasses import replace
from functools import wraps
from typing import Any

from tart_nas.errors import NniError, first_line
from tart_nas.strategies.nni_plugin.availability import require_nni
from tart_nas.strategies.nni_plugin.managers import give_time_to_start, raise_max_trial_number, stop_manager
from tart_nas.strategies.nni_plugin.metrics import metric_value
from tart_nas.strategies.nni_plugin.state_file import StateSerializer
from tart_nas.strategies.nni_plugin.swapped_trials import put_right

require_nni()

from nni.nas.execution import TrainingServiceExecutionEngine  # noqa: E402
from nni.nas.experiment import NasExperiment  # noqa: E402
from nni.nas.space import ModelStatus  # noqa: E402
from nni.nas.utils.serializer import get_default_serializer, set_default_serializer  # noqa: E402
from nni.runtime.command_channel.websocket import WsChannelClient  # noqa: E402
from nni.runtime.tuner_command_channel import TunerCommandChannel  # noqa: E402
from nni.runtime.tuner_command_channel.command_type import CommandType  # noqa: E402
from websockets import WebSocketException  # noqa: E402

__all__ = ["enable_resume"]

_logger = logging.getLogger(f"nni.{__name__}")  # below "nni", so that NNI shows and keeps it

_FOR_TUNERS = (CommandType.ImportData, CommandType.AddCustomizedTrialJob)


def enable_resume() -> None:
    """Mends resumption in this process, for any strategy; call it before the experiment is run or resumed.

    Calling it again changes nothing. It is for programs that run a ``NasExperiment``, not for tuners.

    Example:
        >>> enable_resume()
        >>> experiment = NasExperiment(model_space, evaluator, strategy, config, id="my_search")
        >>> experiment.run_or_resume(port=8081)
    """
    if getattr(NasExperiment, "_tart_nas_resumes", False):
        return
    NasExperiment._tart_nas_resumes = True
    set_default_serializer(StateSerializer())
    give_time_to_start()
    logging.getLogger(WsChannelClient.__module__).addFilter(_shortened)
    _wrap(TunerCommandChannel, "_receive", _receive)
    _wrap(TunerCommandChannel, "listen", _listen)
    _wrap(TrainingServiceExecutionEngine, "submit_models", _then_save)
    _wrap(TrainingServiceExecutionEngine, "_trial_end_callback", _trial_end)
    _wrap(TrainingServiceExecutionEngine, "_report_metric_data_callback", _report_metric)
    _wrap(TrainingServiceExecutionEngine, "_interpret_trial_job_status", _interpret)
    _wrap(NasExperiment, "list_trial_jobs", _list_trial_jobs)
    _wrap(NasExperiment, "load_checkpoint", _load_checkpoint)
    _wrap(NasExperiment, "save_checkpoint", _save_checkpoint)
    _wrap(NasExperiment, "resume", _resume)
    _wrap(NasExperiment, "_stop_nni_manager", _stop_nni_manager)


def _wrap(owner: Any, name: str, replacement: Any) -> None:
    """Puts a function in the place of a method; it gets the method first, then its arguments."""
    original = getattr(owner, name)

    @wraps(original)
    def method(self: Any, *arguments: Any, **named: Any) -> Any:
        return replacement(original, self, *arguments, **named)

    setattr(owner, name, method)


def _receive(original: Any, channel: Any) -> Any:
    while True:
        command, data = original(channel)
        if command not in _FOR_TUNERS:
            return command, data


def _shortened(record: logging.LogRecord) -> bool:
    """Has a log show an error's first line in place of its traceback."""
    if record.exc_info and (error := record.exc_info[1]) is not None:
        record.msg, record.args, record.exc_info = f"{record.getMessage()}: {first_line(error)}", (), None
    return True


def _listen(original: Any, channel: Any, stop_event: Any) -> None:
    try:
        original(channel, stop_event)
    # Whoever asks the manager for anything is told by an NniError; a RuntimeError comes where Python ends meanwhile.
    except (OSError, RuntimeError, WebSocketException) as error:
        _logger.error("NNI's manager does not answer any more: %s", first_line(error))


def _stop_nni_manager(original: Any, experiment: Any) -> None:
    if experiment._proc is not None and experiment._proc.poll() is not None:
        experiment._proc = experiment.port = None
    original(experiment)


def _report_metric(original: Any, engine: Any, command: Any) -> None:
    _reported(engine.nodejs_binding)[command.trial_job_id] = command.parameter_id
    original(engine, command)


def _trial_end(original: Any, engine: Any, command: Any) -> None:
    """Tells the end of a trial of the model that it ran; and the ends that were told of a wrong one, once known."""
    experiment = engine.nodejs_binding
    ends: dict[str, Any] = experiment.__dict__.setdefault("_tart_nas_ends", {})
    told: set[tuple[str, int]] = experiment.__dict__.setdefault("_tart_nas_told", set())
    ends[command.trial_job_id] = command
    ran = {trial.trialJobId: trial.hyperParameters[0].parameter_id for trial in experiment.list_trial_jobs()}
    for trial, end in ends.items():
        number = ran.get(trial, end.parameter_ids[0])
        if (trial, number) not in told:
            told.add((trial, number))
            _then_save(original, engine, replace(end, parameter_ids=[number]))


def _reported(experiment: Any) -> dict[str, int]:
    """Of each trial that reported something in this process, the number of the sample that it ran."""
    reported: dict[str, int] = experiment.__dict__.setdefault("_tart_nas_reported", {})
    return reported


def _then_save(original: Any, engine: Any, *arguments: Any) -> None:
    original(engine, *arguments)
    experiment = engine.nodejs_binding
    if experiment._engine is not engine or getattr(experiment, "_tart_nas_lost", False):
        return
    try:
        get_default_serializer().save(experiment.state_dict(), experiment._checkpoint_directory / "state.ckpt")
    except Exception as error:  # the search is worth more than its state
        _logger.warning("The state of the experiment could not be saved: %s", error)


def _interpret(original: Any, engine: Any, status: str) -> Any:
    return ModelStatus.Training if status == "ADD_RESUMED" else original(engine, status)


def _list_trial_jobs(original: Any, experiment: Any) -> Any:
    trials = original(experiment)
    put_right(trials, _reported(experiment))
    for trial in trials:
        trial.finalMetricData = [metric for metric in trial.finalMetricData or [] if _is_metric(metric.data)]
    return trials


def _is_metric(data: Any) -> bool:
    try:
        metric_value(data)
    except ValueError:
        return False
    return True


def _load_checkpoint(original: Any, experiment: Any) -> None:
    try:
        original(experiment)
    except BaseException:
        experiment._tart_nas_lost = True
        raise


def _save_checkpoint(original: Any, experiment: Any) -> None:
    if not getattr(experiment, "_tart_nas_lost", False):
        original(experiment)


def _resume(original: Any, experiment: Any, *arguments: Any, **named: Any) -> Any:
    if not (folder := experiment._checkpoint_directory).is_dir():
        raise NniError(f"There is no experiment {experiment.id!r} to resume: {folder} is missing; start it with run().")
    if stop_manager(experiment.id):
        _logger.info("Ended the manager that the killed experiment %s had left behind.", experiment.id)
        time.sleep(1)  # until its port is free
    raise_max_trial_number(folder.parent / "db/nni.sqlite", experiment.config.max_trial_number)
    return original(experiment, *arguments, **named)
