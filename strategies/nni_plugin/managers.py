"""NNI's manager, the process behind an experiment's web page: given time to start and its budget, ended when nobody
else does.
"""

import contextlib
import json
import os
import sqlite3
import sys
import time
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from threading import Thread
from typing import Any

import psutil

from tart_nas.errors import NniError
from tart_nas.strategies.nni_plugin.availability import require_nni

require_nni(nas=False)

from nni.experiment import launcher, rest  # noqa: E402
from nni.tools.nnictl.config_utils import Experiments  # noqa: E402

__all__ = ["end_with_manager", "give_time_to_start", "raise_max_trial_number", "stop_manager", "trial_of"]

_STARTING = 30  # times that a manager is asked, once a second, whether it has started
_PATIENCE = 30.0  # seconds for a manager to end


def give_time_to_start() -> None:
    """Has this process wait 30 s for a manager to start, instead of 3, which is short on a busy machine."""
    if not isinstance(launcher._check_rest_server, partial):
        launcher._check_rest_server = partial(launcher._check_rest_server, retry=_STARTING)


def stop_manager(experiment_id: str) -> bool:
    """Ends the manager of an experiment that lives on after the experiment's own process was killed, and its trials.

    Returns:
        Whether there was one.

    Raises:
        NniError: if it does not end.
    """
    metadata = Experiments().get_all_experiments().get(experiment_id, {})
    try:
        process = psutil.Process(int(metadata["pid"]))
        ours = experiment_id in process.cmdline()
    except (KeyError, TypeError, ValueError, psutil.Error):
        return False
    if not ours:
        return False
    trials = process.children(recursive=True)
    if metadata.get("platform") == "local":
        # At once: an orderly end might note the running trials as cancelled, and then they are not taken up again.
        for ours_too in (process, *trials):
            with contextlib.suppress(psutil.Error):
                ours_too.kill()
    else:
        with contextlib.suppress(Exception):  # it may be too far gone to answer
            rest.delete(metadata["port"], "/experiment", metadata.get("prefixUrl"))
    try:
        process.wait(_PATIENCE)
    except psutil.TimeoutExpired:
        raise NniError(f"The manager of the experiment {experiment_id} (process {process.pid}) does not end.") from None
    return True


def end_with_manager() -> None:
    """Has NNI's dispatcher, the process of a tuner, end when its manager was killed; elsewhere nothing is done.

    NNI's dispatcher would go on, take the place of the new one when the experiment is resumed, and end that with it.
    """
    main = sys.modules["__main__"].__spec__
    managers = [process for process in psutil.Process().parents() if process.name() == "node"]
    if main is None or main.name != "nni.__main__" or not managers:
        return

    def watch() -> None:
        while managers[0].is_running() and managers[0].status() != psutil.STATUS_ZOMBIE:
            time.sleep(0.5)
        os._exit(1)

    Thread(target=watch, name="end with manager", daemon=True).start()


def trial_of(engine: Any, sample: Mapping[str, Any]) -> str:
    """The trial of an NNI experiment that ran a sample, and where its log is, in words.

    Args:
        engine: of the strategy; only that of a training service has trials.
        sample: which one.
    """
    experiment = getattr(engine, "nodejs_binding", None)
    with contextlib.suppress(Exception):  # whatever requests raise: it is for a log line
        for trial in () if experiment is None else experiment.list_trial_jobs():
            model = trial.hyperParameters[0].parameters
            if model.get("sample", model.get("_sample")) == sample:
                folder = trial.logPath.partition(":")[2] or trial.logPath
                return f"The trial {trial.trialJobId} (log: {folder}/trial.stderr)"
    return "A trial"


def raise_max_trial_number(database: Path, number: int | None) -> None:
    """Raises the number of trials of an experiment that no manager runs, before one resumes it.

    A manager takes the number from its database, whatever the configuration says. Asked later, it would have given up
    the workers that it owes the strategy when it found the old number reached.

    Args:
        database: ``nni.sqlite`` of the experiment; nothing is done if there is none.
        number: the new ``max_trial_number``, None for no limit; a lower one than that of the database changes nothing.
    """
    if not database.is_file():
        return
    with contextlib.closing(sqlite3.connect(database)) as connection, connection:
        row = connection.execute("select params from ExperimentProfile order by revision desc limit 1").fetchone()
        params = {} if row is None else json.loads(row[0])
        before = params.get("maxTrialNumber")
        if before is None or (number is not None and number <= before):
            return
        del params["maxTrialNumber"]
        params |= {} if number is None else {"maxTrialNumber": number}
        connection.execute(
            "insert into ExperimentProfile select ?, id, execDuration, startTime, endTime, logDir, nextSequenceId, "
            "revision + 1 from ExperimentProfile order by revision desc limit 1",
            (json.dumps(params),),
        )
