"""Trials of an Optuna study as a queue that several processes work on."""

from tart_nas.trials.heartbeats import HeartbeatQueue
from tart_nas.trials.journal_file import WholeLineJournal
from tart_nas.trials.lock_files import LockFileQueue
from tart_nas.trials.queue import FAILURE, Claim, TrialQueue, claim_number
from tart_nas.trials.retrying import RetryWhileUnreachable
from tart_nas.trials.stand_in import Choose, StandInTrial

__all__ = [
    "FAILURE",
    "Choose",
    "Claim",
    "HeartbeatQueue",
    "LockFileQueue",
    "RetryWhileUnreachable",
    "StandInTrial",
    "TrialQueue",
    "WholeLineJournal",
    "claim_number",
]
