"""The picks of a run trained as the trials of an NNI experiment, whose web page shows them.

The search claims a trial of the study as always, and has NNI start a process for it
(:mod:`tart_nas.runs.nni_trial`) instead of training it itself. While NNI trains, the search sends heartbeats for the
claimed trial. If NNI ends without a result the trial is marked failed, and the next search retries it. The study stays
the run's only database: a search that is begun again starts a new experiment with what is left, and nothing of NNI's
resumption is needed.
"""

import json
import logging
import os
import shlex
import socket
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from functools import partial
from pathlib import Path
from threading import Event, Thread
from types import TracebackType
from typing import Any

import optuna
from optuna.exceptions import UpdateFinishedTrialError
from optuna.trial import FrozenTrial, Trial, TrialState
from rich.console import Console

from tart_nas.checks import whole
from tart_nas.errors import NniError, first_line
from tart_nas.runs.folder import RunFolder
from tart_nas.runs.nni_trial import ENVIRONMENT, noted_number
from tart_nas.runs.report import UnfinishedReport
from tart_nas.runs.study import shown_of_pick
from tart_nas.strategies.nni_plugin.availability import require_nni
from tart_nas.strategies.nni_plugin.listening import loopback, reached_by
from tart_nas.strategies.nni_plugin.managers import give_time_to_start, stop_manager
from tart_nas.trials import FAILURE, Claim, RetryWhileUnreachable, TrialQueue
from tart_nas.trials.optuna_internals import stored_trial

require_nni(nas=False)

from nni.experiment import Experiment, ExperimentConfig, RunMode, rest  # noqa: E402
from nni.experiment.config import CustomAlgorithmConfig  # noqa: E402
from nni.runtime.log import silence_stdout  # noqa: E402
from nni.runtime.tuner_command_channel import TunerCommandChannel  # noqa: E402

__all__ = ["NniEngine"]

_ENDED = ("SUCCEEDED", "FAILED", "USER_CANCELED", "SYS_CANCELED", "EARLY_STOPPED")
_RESUME = "the same command resumes the run."
_NOWHERE = logging.NullHandler()
_PAUSE = 1.0  # seconds between two looks at the trials; each is a request to NNI's manager


class NniEngine:
    """Trains what a search gives it as the trials of an NNI experiment on this machine.

    A context manager, for whoever holds the run folder: what a killed search left of its experiment is ended first; the
    experiment is started by the first trial, and ended with the block.

    Args:
        folder: the run folder; NNI's files go to ``nni/EXPERIMENT`` in it.
        joining: what a trial needs to know to join the run, as JSON values.
        port: of NNI's web page; by default a free one.
        host: where NNI's manager listens, one of ``NNI_HOSTS``.
        concurrency: how many trials run at a time, at least 1.

    Raises:
        SettingError: if an argument is outside its range.
        NniError: on entering, if the port is in use.
    """

    def __init__(
        self, folder: RunFolder, joining: dict[str, Any], port: int | None, host: str, concurrency: int
    ) -> None:
        whole("nni_concurrency", concurrency, 1)
        if port is not None:
            whole("nni_port", port, 1, 65535)
        self._folder, self._joining = folder.path.resolve() / "nni", joining
        self._port, self._host, self._concurrency = port, host, concurrency
        self._experiment: _Experiment | None = None

    def __enter__(self) -> "NniEngine":
        for earlier in self._folder.glob("*/"):
            stop_manager(earlier.name)
        self._port = _free_port(self._port)
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        if self._experiment is not None:
            self._experiment.stop()

    def train_round(
        self,
        queue: TrialQueue,
        study: optuna.Study,
        retrying: RetryWhileUnreachable,
        console: Console,
        unfinished: UnfinishedReport,
    ) -> None:
        """Trains until nothing waits or runs: first what a killed process of the search left, then what waits.

        Raises:
            NniError: if the experiment cannot be started, or comes to an end.
        """
        running: dict[int, tuple[Claim, ExitStack]] = {}  # by number; the stack ends the claim
        with ExitStack() as claims:
            while True:
                queue.fail_stale_trials()
                unfinished.renew()
                while len(running) < self._concurrency:
                    block = claims.enter_context(ExitStack())
                    claim = block.enter_context(queue.claimed())
                    if claim is None:
                        break
                    running[claim.known.number] = claim, block
                    self._started(study, console).submit(claim.known)
                for number, end in self._started(study, console).ended() if running else ():
                    if number is not None and number in running:
                        claim, block = running.pop(number)
                        block.close()
                        settled = retrying(partial(_settle, study, claim.trial, f"its NNI trial ended as {end}"))
                        name, failure = settled.user_attrs["pick"], settled.user_attrs.get(FAILURE)
                        accuracy = f"validation accuracy {100 * (settled.value or 0):.2f} %"
                        console.print(f"{name}: failed: {failure}" if failure else f"{name}: {accuracy}")
                if not running and queue.is_idle():
                    return
                time.sleep(_PAUSE)

    def _started(self, study: optuna.Study, console: Console) -> "_Experiment":
        if self._experiment is None:
            self._experiment = _Experiment(self._folder, self._concurrency)
            self._experiment.begin({**self._joining, "port": self._port}, self._host)
            console.print(f"http://localhost:{self._port} shows the trials (NNI's experiment {self._experiment.id})")
            console.print(f"NNI's manager listens on {self._host}: {reached_by(self._host)}")
        return self._experiment


class _Experiment(Experiment):  # type: ignore[misc]
    """An NNI experiment whose trials are submitted by this process instead of a tuner."""

    def __init__(self, folder: Path, concurrency: int) -> None:
        config = ExperimentConfig("local")
        config.experiment_name = "tart-nas search"
        config.experiment_working_directory = str(folder)
        config.trial_command = f"{shlex.quote(sys.executable)} -P -m tart_nas.runs.nni_trial"
        config.trial_code_directory = os.getcwd()  # relative paths mean the same to a trial
        config.trial_concurrency = concurrency
        config.training_service.use_active_gpu = True
        config.search_space = {}
        config.tuner = CustomAlgorithmConfig(class_name="tart_nas.search")  # shown, never started
        super().__init__(config)
        self._lost = False

    def begin(self, joining: dict[str, Any], host: str) -> None:
        """Starts NNI's manager, which listens on a host, and connects to it in the place of a tuner."""
        silence_stdout()  # its log is in the experiment's folder
        # When that file is closed, Python would print to stderr what NNI's threads still log of a manager that is gone.
        logging.getLogger("nni").addHandler(_NOWHERE)
        give_time_to_start()
        os.environ[ENVIRONMENT] = json.dumps(joining)  # the manager and its trials inherit it
        try:
            with loopback(host):
                self.start(joining["port"])
            self._channel.connect()
        except Exception as error:  # whatever NNI, requests and websockets raise
            raise NniError(f"NNI's experiment could not be started: {first_line(error)}") from error
        finally:
            del os.environ[ENVIRONMENT]
        Thread(target=self._listen, daemon=True).start()

    def submit(self, known: FrozenTrial) -> None:
        """Has NNI start a trial for one of the study, as soon as there is room."""
        with self._answering():
            self._channel.send_trial(known.number, shown_of_pick(known))

    def ended(self) -> list[tuple[int | None, str]]:
        """Of the trials that ended, the numbers in the study, and how they ended."""
        with self._answering():
            state = rest.get(self.port, "/check-status")
            jobs = rest.get(self.port, "/trial-jobs")
        if state["status"] == "ERROR":
            raise NniError(f"NNI's experiment ended: {' '.join(state['errors'])}; {_RESUME}")
        return [(noted_number(job), f"{job['status']}: {job['logPath']}") for job in jobs if job["status"] in _ENDED]

    @contextmanager
    def _answering(self) -> Iterator[None]:
        try:
            yield
        except Exception as error:  # whatever requests and websockets raise
            self._lost = True
            raise NniError(f"NNI's manager does not answer any more ({first_line(error)}); {_RESUME}") from error

    def _listen(self) -> None:
        with suppress(Exception):  # whoever asks for the trials notices that the manager is gone
            self._channel.listen(Event())

    def _start_nni_manager(self, port: int, debug: bool, run_mode: RunMode, *nothing: Any) -> None:
        address = f"ws://localhost:{port}/tuner"
        self._channel = TunerCommandChannel(address)
        super()._start_nni_manager(port, debug, run_mode, address)

    def _stop_nni_manager(self) -> None:
        if self._lost:
            stop_manager(self.id)
            self._proc = None
        super()._stop_nni_manager()


def _settle(study: optuna.Study, trial: Trial, failure: str) -> FrozenTrial:
    """A trial of the study whose NNI trial ended: as that told the study, else failed."""
    with suppress(UpdateFinishedTrialError):
        trial.set_user_attr(FAILURE, failure)
        study.tell(trial, state=TrialState.FAIL)
    return stored_trial(study, trial)


def _free_port(port: int | None) -> int:
    """A port that nothing uses: the one asked for, or any."""
    with socket.socket() as trying:
        trying.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            trying.bind(("", port or 0))
        except OSError as error:
            raise NniError(f"The port {port} cannot be used ({error.strerror}): give another one to NNI.") from None
        return int(trying.getsockname()[1])
