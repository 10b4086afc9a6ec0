import optuna
import pytest
from optuna.trial import TrialState

from tart_nas.trials import LockFileQueue


@pytest.fixture
def study():
    made = optuna.create_study()
    for name in ("ours", "theirs", "ours"):
        made.enqueue_trial({}, user_attrs={"name": name})
    return made


@pytest.fixture
def queue(study, tmp_path):
    return LockFileQueue(study, lambda trial: trial.user_attrs["name"] == "ours", tmp_path)


def test_each_trial_is_one_workers_until_its_block_ends(queue, study, tmp_path):
    other = LockFileQueue(study, lambda trial: trial.user_attrs["name"] == "ours", tmp_path)
    with queue.claimed() as first, other.claimed() as second, queue.claimed() as third:
        assert first is not None
        assert second is not None
        assert (first.known.number, second.known.number, third) == (0, 2, None)
        assert first.known.state == TrialState.RUNNING
        study.tell(first.trial, 1.0)
    with other.claimed() as again:  # told nothing of: left running, and taken up in place
        assert again is not None
        assert again.known.number == 2
        study.tell(again.trial, 2.0)
    with queue.claimed() as nothing:
        assert nothing is None
    assert queue.is_idle()
    assert [trial.state.name for trial in study.trials] == ["COMPLETE", "WAITING", "COMPLETE"]


def test_the_order_and_what_is_wanted(queue):
    with queue.claimed(order=lambda trial: -trial.number) as claim:
        assert claim is not None
        assert claim.known.number == 2
    with queue.claimed(is_wanted=lambda trial: trial.number != 2) as claim:
        assert claim is not None
        assert claim.known.number == 0
    with queue.claimed(order=lambda trial: 0) as claim:  # both run by now, the lower number first
        assert claim is not None
        assert claim.known.number == 0


def test_an_error_in_the_block_comes_out_and_lets_the_trial_go(queue):
    with pytest.raises(ZeroDivisionError), queue.claimed():
        raise ZeroDivisionError
    with queue.claimed() as claim:
        assert claim is not None
        assert claim.known.number == 0
