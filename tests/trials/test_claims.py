"""Two processes of which each takes a trial for its own: the later claim holds, the earlier one does not."""

import sqlite3

import optuna

from tart_nas.study_file import open_study_file
from tart_nas.trials import RetryWhileUnreachable
from tart_nas.trials.heartbeats import HeartbeatQueue


def test_a_process_that_stood_still_while_it_claimed_shares_no_number(tmp_path):
    file = tmp_path / "study.sqlite3"
    study = optuna.create_study(storage=open_study_file(file))
    study.enqueue_trial({})

    def queue():
        return HeartbeatQueue(study, lambda trial: True, RetryWhileUnreachable(0), interval=60.0)

    with queue().claimed() as first:
        with sqlite3.connect(file) as database:  # what the other process had read before the first one wrote
            database.execute("UPDATE trials SET state = 'WAITING'")
            database.execute("DELETE FROM trial_system_attributes")
        with queue().claimed() as second:
            assert first is not None
            assert second is not None
            assert first.known.number == second.known.number
            assert first.number != second.number
            assert (first.holds(), second.holds()) == (False, True)
