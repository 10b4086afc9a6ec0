"""A process stands still between training and writing, is taken for dead, and goes on: it changes nothing."""

import dataclasses
import time

import pytest
from optuna.trial import TrialState
from rich.console import Console

import tart_nas
from tart_nas.images import ImageData, ImageSplit
from tart_nas.runs.folder import RunFolder
from tart_nas.runs.queue import run_queue
from tart_nas.runs.training import Trainer
from tart_nas.trials import RetryWhileUnreachable
from tests.runs.conftest import SMALL, outcome
from tests.runs.results import new_study_of

pytestmark = pytest.mark.usefixtures("undrawn")

QUIET = Console(quiet=True)
LAST_EPOCH = SMALL["recipe"].epochs


@pytest.fixture
def begun(finished, tmp_path):
    """A run of which one pick waits."""
    folder = tmp_path / "run"
    study = new_study_of(finished, folder)
    study.enqueue_trial({}, user_attrs=finished.picks[0].pick.to_attributes())
    return folder, study


def inverted(images: ImageData) -> ImageData:
    """Other images, by which another network is told from the right one."""
    return dataclasses.replace(images, train=ImageSplit(255 - images.train.images, images.train.labels))


def files_of(folder):
    """The files of a run's networks, by content and by time: written once more they would differ."""
    return {path: (path.read_bytes(), path.stat().st_mtime_ns) for path in sorted(folder.glob("weights/*/*"))}


@pytest.mark.parametrize("is_search", [False, True])
def test_what_a_stopped_process_writes_when_it_goes_on_is_not_taken(begun, is_search):
    """Whether it is a worker, or the search itself (``is_search``) whose trial others take for dead."""
    folder, study = begun
    stopped = Trainer.joining(folder, None, None, "cpu", QUIET)
    stopped = dataclasses.replace(stopped, images=inverted(stopped.images))
    silent, lively = (  # beating so slowly that a busy machine does not look dead
        run_queue(study, interval, RetryWhileUnreachable(0), is_main=is_main)
        for interval, is_main in ((1000, is_search), (0.3, not is_search))
    )
    search = silent if is_search else lively
    written = {}

    def stand_still(epoch):
        """Until the trial was taken away and another process has trained it."""
        if epoch.epoch < LAST_EPOCH:
            return
        deadline = time.monotonic() + 60
        while study.trials[0].state != TrialState.FAIL:
            lively.fail_stale_trials()
            time.sleep(0.02)
            assert time.monotonic() < deadline
        search.fail_stale_trials()  # which enqueues it once more
        with lively.claimed() as claim:
            assert claim is not None
            Trainer.joining(folder, None, None, "cpu", QUIET).train(claim)
        written.update(files_of(folder))

    with silent.claimed() as claim:
        assert claim is not None
        stopped.train(claim, stand_still)
    assert len(written) == 2
    assert files_of(folder) == written
    assert [trial.state for trial in study.trials] == [TrialState.FAIL, TrialState.COMPLETE]
    assert not list(RunFolder(folder).claims.glob("*"))


def test_stopped_before_its_network_has_its_place(finished, ridge, tmp_path, monkeypatch):
    """The study knows of the network by then, so that nobody trains it again."""
    folder, publish = tmp_path / "run", RunFolder.publish_network

    def killed(*arguments, **options):
        raise KeyboardInterrupt

    monkeypatch.setattr(RunFolder, "publish_network", killed)
    with pytest.raises(KeyboardInterrupt):
        tart_nas.search(predictor=ridge[0], out=folder, **SMALL)
    (claimed,) = RunFolder(folder).claims.glob("*/weights.safetensors")
    trained = claimed.stat().st_mtime_ns
    monkeypatch.setattr(RunFolder, "publish_network", publish)
    tart_nas.search(predictor=ridge[0], out=folder, **SMALL)
    assert outcome(folder) == outcome(finished.folder)
    assert (folder / "weights/top-1/weights.safetensors").stat().st_mtime_ns == trained
    assert not RunFolder(folder).claims.exists()


def test_what_claims_left_goes(finished, ridge, tmp_path):
    """Of a claim that does not hold any more, and what an earlier version wrote before it told the study."""
    folder = tmp_path / "run"
    new_study_of(finished, folder)
    for left in (RunFolder(folder).claimed_network(0, 7), RunFolder(folder).network("top-1")):
        left.mkdir(parents=True)
        (left / "weights.safetensors").write_bytes(b"other weights")
    tart_nas.search(predictor=ridge[0], out=folder, **SMALL)
    assert outcome(folder) == outcome(finished.folder)
    assert not RunFolder(folder).claims.exists()
