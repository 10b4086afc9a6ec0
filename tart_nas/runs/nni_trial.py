"""A trial of the NNI experiment of a search: joins the run, trains one of its networks, tells NNI of each epoch.

NNI's manager starts it, as ``python -m tart_nas.runs.nni_trial``; see :mod:`tart_nas.runs.nni_engine`.
"""

import json
import os
import signal
import sys
import time
from contextlib import suppress
from pathlib import Path
from threading import Thread
from typing import Any

import optuna
from optuna.trial import TrialState
from rich.console import Console

from tart_nas.errors import TartError
from tart_nas.runs.folder import RunFolder
from tart_nas.runs.training import Trainer
from tart_nas.strategies.nni_plugin.availability import require_nni
from tart_nas.trials import FAILURE, Claim, claim_number
from tart_nas.trials.optuna_internals import running_trial

require_nni(nas=False)

import nni  # noqa: E402
from nni.experiment import rest  # noqa: E402

__all__ = ["ENVIRONMENT", "main", "noted_number"]

ENVIRONMENT = "TART_NAS_NNI_TRIAL"
"""The variable with what a trial must know of the run, JSON: a command line would show a storage's password."""


def main() -> None:
    """Trains the network of this trial; ends with status 1 if that fails."""
    # NNI interrupts a trial that is cancelled, and shows it as cancelled only where the signal itself ends it.
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    optuna.logging.set_verbosity(optuna.logging.WARNING)  # what this prints is shown where the trial fails
    run = json.loads(os.environ.pop(ENVIRONMENT))
    port = run.pop("port")
    Thread(target=_end_with_search, args=(RunFolder(Path(run["out"])), port), daemon=True).start()
    trainer = Trainer.joining(**run, console=Console(quiet=True))
    trainer.check_images()
    number = noted_number(rest.get(port, f"/trial-jobs/{nni.get_trial_id()}"))
    nni.get_next_parameter()  # whichever NNI gives to whoever asks first; without asking, it takes no metrics
    if number is None:
        sys.exit("This trial was added on the web page: a search trains what it picked, and nothing else.")
    known = trainer.study.get_trials(deepcopy=False)[number]
    try:
        trainer.train(
            Claim(running_trial(trainer.study, known), known, claim_number(known)),
            on_epoch=lambda epoch: nni.report_intermediate_result(epoch.validation_accuracy),
        )
    except TartError as error:
        sys.exit(str(error))
    ended = trainer.study.get_trials(deepcopy=False)[number]
    if ended.state != TrialState.COMPLETE:
        sys.exit(str(ended.user_attrs.get(FAILURE)))
    nni.report_final_result(ended.value)


def noted_number(job: dict[str, Any]) -> int | None:
    """Of one of NNI's trials, as its manager lists it, the number of the trial in the study.

    It is the number of the parameters that the manager notes with the trial and shows on its web page. (Those that it
    gives to the trial may be another's: :mod:`tart_nas.strategies.nni_plugin.swapped_trials`.) None for a trial that
    somebody added on the web page.
    """
    number: int | None = json.loads(job["hyperParameters"][0])["parameter_id"]
    return number


def _end_with_search(folder: RunFolder, port: int) -> None:
    """Ends NNI's manager and this trial when the search was killed: then it could not do so itself."""
    while folder.is_claimed():
        time.sleep(1)
    with suppress(Exception):  # it may be gone as well
        rest.delete(port, "/experiment")
    os._exit(1)


if __name__ == "__main__":
    main()
