"""Optuna's private parts are used in one module alone, so that a new version of Optuna is met in one place."""

import re
from pathlib import Path

import optuna
from optuna.trial import TrialState

from tart_nas.trials import optuna_internals

ROOT = Path(__file__).parents[2]
PRIVATE = re.compile(
    r"\b(study|trial|known|frozen|storage)\._(?!_)|\._(storage|trial_id|study_id)\b"
    r"|import _(?!thread\b)\w+"  # which is the standard library's
)


def test_nobody_else_uses_them():
    folders = ("tart_nas", "strategies", "search_spaces", "experiments")
    files = [path for folder in folders for path in (ROOT / folder).rglob("*.py") if "nni_plugin" not in path.parts]
    users = {
        str(path.relative_to(ROOT)): found.group()
        for path in files
        if "optuna" in (text := path.read_text()) and (found := PRIVATE.search(text))
    }
    assert users.keys() == {"tart_nas/trials/optuna_internals.py"}, users


def test_of_several_processes_one_has_a_waiting_trial_run():
    study = optuna.create_study()
    study.enqueue_trial({"x": 1})
    (waiting,) = study.trials
    assert optuna_internals.try_set_state(study, waiting, TrialState.RUNNING)
    assert not optuna_internals.try_set_state(study, waiting, TrialState.RUNNING)
    trial = optuna_internals.running_trial(study, waiting)
    trial.report(0.5, 1)
    study.tell(trial, 0.7)
    stored = optuna_internals.stored_trial(study, trial)
    assert (stored.value, stored.intermediate_values) == (0.7, {1: 0.5})
    assert optuna_internals.all_trials(study)[0].number == stored.number
