"""A run in which nothing was trained is given up, so that a corrected command may take its folder."""

from pathlib import Path

from optuna.trial import TrialState

from tart_nas.errors import TartError
from tart_nas.runs.storage import ALL_TRAINED, MissingStudyError, read_study
from tart_nas.trials.optuna_internals import try_set_state

__all__ = ["give_up"]


def give_up(address: str | None, study_name: str, own_file: Path) -> bool:
    """Gives a run up if no trial of its study was ever claimed; whoever calls holds the run's folder.

    Waiting trials are failed first, so that no worker can claim one any more, and workers end. A study in the folder's
    own file is removed with the file; in another storage it stays, with nothing trained.

    Args:
        address: of the storage, as in :func:`~tart_nas.runs.storage.open_study`.
        study_name: name of the study.
        own_file: the study's file where there is no address.

    Returns:
        Whether the run was given up; if not, nothing has changed: something was trained, or the storage cannot be read.
    """
    try:
        study = read_study(address, study_name, own_file)
        trials = study.get_trials(deepcopy=False)
    except MissingStudyError:
        return True
    except TartError:
        return False
    if any(trial.state != TrialState.WAITING for trial in trials):
        return False
    for trial in trials:
        try_set_state(study, trial, TrialState.FAIL)
    study.set_user_attr(ALL_TRAINED, True)
    if address is None:
        for path in own_file.parent.glob(f"{own_file.name}*"):  # with SQLite's journal
            path.unlink()
    return True
