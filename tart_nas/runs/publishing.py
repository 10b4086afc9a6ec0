"""The networks of a run get their places: of each trained trial the one that the claim wrote which ended it."""

import shutil
from contextlib import suppress

import optuna
from optuna.trial import TrialState

from tart_nas.runs.folder import RunFolder
from tart_nas.runs.study import is_trained, trials
from tart_nas.trials import claim_number

__all__ = ["publish_networks"]


def publish_networks(study: optuna.Study, folder: RunFolder) -> None:
    """Finishes what killed and stopped processes left; for the search itself, of which there is one at a time.

    A process that trained a network tells the study and then moves the network to its place. Where it was killed or
    stopped between the two, the network is moved here. What claims left that ended no trial is removed.
    """
    for pick, trial in trials(study):
        if is_trained(trial):
            folder.publish_network(pick.name, trial.number, claim_number(trial), replace=True)
    claimed = [*folder.claims.glob("*-*")]  # first: of a trial that is claimed from now on nothing is removed
    running = {trial.number for trial in study.get_trials(deepcopy=False, states=(TrialState.RUNNING,))}
    for left in claimed:
        if int(left.name.partition("-")[0]) not in running:
            shutil.rmtree(left, ignore_errors=True)
    with suppress(OSError):  # another process still writes there
        folder.claims.rmdir()
