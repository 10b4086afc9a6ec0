"""Faults that pass (of the machine, of a worker, of memory) and faults that stay (the network's own)."""

import json
from typing import Any

import optuna
import pytest
import torch
from optuna.trial import TrialState

import tart_nas
from tart_nas.errors import MachineError
from tart_nas.networks.network import Network
from tart_nas.trials.optuna_internals import storage_of
from tests.failing_device import FAULT, FailingDevice
from tests.runs.conftest import SMALL, SMALL_OPTIONS, outcome
from tests.runs.results import new_study_of

pytestmark = pytest.mark.usefixtures("undrawn")


@pytest.fixture
def failing(monkeypatch):
    return FailingDevice(monkeypatch)


def study_of(folder):
    return optuna.load_study(study_name=None, storage=f"sqlite:///{folder / 'study.sqlite3'}")


def test_a_device_fault_ends_the_search_and_the_same_call_ends_as_if_it_had_not_been(
    finished, ridge, tmp_path, failing
):
    folder = tmp_path / "run"
    for passes in (4, 7):  # a network takes six: in its second epoch; in the second network
        failing.start(FAULT, after=passes)
        with pytest.raises(MachineError, match="CUDA error: unspecified launch failure") as raised:
            tart_nas.search(predictor=ridge[0], out=folder, **SMALL)
        assert "\n" not in str(raised.value)
        assert TrialState.FAIL not in [trial.state for trial in study_of(folder).trials]
        failing.stop()
    result = tart_nas.search(predictor=ridge[0], out=folder, **SMALL)
    assert outcome(folder) == outcome(finished.folder)
    assert all(pick.failure is None for pick in result.picks)


def test_a_device_fault_while_the_test_images_are_read(finished, ridge, tmp_path, monkeypatch):
    forward, folder, passes = Network.forward, tmp_path / "run", iter(range(1000))

    def faulty(network, x):
        if not network.training and len(x) == 256 and next(passes) >= 1:  # validation images are fewer
            raise FAULT
        return forward(network, x)

    monkeypatch.setattr(Network, "forward", faulty)
    with pytest.raises(MachineError, match="The test of top-2 was interrupted"):
        tart_nas.search(predictor=ridge[0], out=folder, **SMALL)
    monkeypatch.setattr(Network, "forward", forward)
    tart_nas.search(predictor=ridge[0], out=folder, **SMALL)
    assert outcome(folder) == outcome(finished.folder)


def test_the_command_ends_with_one_line_and_status_2(ridge, tmp_path, failing, command):
    arguments = ("search", "--predictor", ridge[1], "--out", tmp_path / "run", *SMALL_OPTIONS)
    failing.start(FAULT)
    status, _, errors = command(*arguments)
    assert status == 2
    assert errors == (
        "error: The training of top-1 was interrupted, it is tried again by the next call: "
        "CUDA error: unspecified launch failure\n"
    )
    failing.stop()
    status, out, errors = command(*arguments)
    assert (status, errors) == (0, "")
    assert "failed" not in out


@pytest.mark.parametrize("fault", [FAULT, RuntimeError("cuDNN error: CUDNN_STATUS_EXECUTION_FAILED")])
def test_a_training_that_a_device_fault_ended_goes_on(tmp_path, failing, command, fault):
    arguments = (
        "retrain DARTS --cells 1 --channels 4 --dataset digits --train-images 40 --epochs 2 --batch-size 20".split()
    )
    failing.start(fault, after=3)  # in the second of two steps of the second epoch
    status, _, errors = command(*arguments, "--quiet", "--out", tmp_path / "again")
    assert (status, errors.count("\n")) == (2, 1)
    assert errors.startswith("error: The device failed, and the same command may succeed when given again: ")
    failing.stop()
    for folder in (tmp_path / "again", tmp_path / "undisturbed"):
        assert command(*arguments, "--quiet", "--out", folder)[0] == 0
    weights = [(tmp_path / name / "weights.safetensors").read_bytes() for name in ("again", "undisturbed")]
    assert weights[0] == weights[1]


def test_a_fault_of_the_program_keeps_its_traceback(tmp_path, failing, command):
    failing.start(RuntimeError("element 0 of tensors does not require grad"))
    with pytest.raises(RuntimeError, match="does not require grad"):
        command("retrain", "DARTS", "--cells", 1, "--channels", 4, "--dataset", "digits", "--out", tmp_path / "run")


def test_what_does_not_fit_into_memory_is_tried_again(finished, ridge, tmp_path, failing):
    folder = tmp_path / "run"
    big = finished.top[0].pick.trained
    failing.start(torch.OutOfMemoryError("CUDA out of memory."), of=lambda network: network.architecture == big)
    result = tart_nas.search(predictor=ridge[0], out=folder, **SMALL)
    assert [pick.failure is None for pick in result.picks] == [False, True, True]  # the others were trained
    assert "top-1 failed: The network does not fit into memory" in str(result)
    assert str(result).count("(the same command tries it again)") == 1
    failing.stop()
    again = tart_nas.search(predictor=ridge[0], out=folder, **SMALL)
    assert [(p.pick.name, p.test_accuracy) for p in again.picks] == [
        (p.pick.name, p.test_accuracy) for p in finished.picks
    ]
    assert json.loads((folder / "report.json").read_text())["picks"][0]["failure"] is None
    assert len(study_of(folder).trials) == 4


def test_its_own_fault_is_final_and_all_of_them_end_the_command_with_status_2(ridge, tmp_path, command):
    arguments = ["search", "--predictor", ridge[1], "--out", tmp_path, *SMALL_OPTIONS, "--lr", "1e30"]
    for _ in range(2):  # nothing is tried again
        status, out, errors = command(*arguments)
        assert status == 2
        assert errors.startswith("error: None of the 3 networks could be trained: The training diverged: the loss is")
        assert errors.count("\n") == 1
        assert "top-1 failed" in out
        assert [trial.state for trial in study_of(tmp_path).trials] == [TrialState.FAIL] * 3


def test_failures_of_earlier_versions_are_tried_once_more(ridge, tmp_path):
    """They did not say whose fault they were."""
    recipe = tart_nas.TrainingRecipe(epochs=2, batch_size=40, lr=1e30)
    settings: dict[str, Any] = {**SMALL, "top_k": 1, "random": 0, "recipe": recipe, "out": tmp_path}
    tart_nas.search(predictor=ridge[0], **settings)
    study = study_of(tmp_path)
    attributes = study.trials[0].user_attrs
    del attributes["failure_is_final"]
    (name,) = [study.study_name]
    optuna.delete_study(study_name=name, storage=storage_of(study))
    study = optuna.create_study(study_name=name, storage=storage_of(study), direction="maximize")
    study.add_trial(optuna.create_trial(state=TrialState.FAIL, user_attrs=attributes))
    for _ in range(2):
        result = tart_nas.search(predictor=ridge[0], **settings)
        assert len(study.trials) == 2
        assert len(result.picks) == 1


def test_a_pick_whose_worker_stopped_twice_is_trained_by_the_next_search(finished, ridge, tmp_path):
    folder = tmp_path / "run"
    study = new_study_of(finished, folder)
    stopped = finished.picks[0].pick
    study.set_user_attr("all_trained", True)
    for again in ({}, {"retry_of": 0}):
        attributes = {**stopped.to_attributes(), **again, "failure": "its worker stopped"}
        study.add_trial(optuna.create_trial(state=TrialState.FAIL, user_attrs=attributes))
    result = tart_nas.search(predictor=ridge[0], out=folder, **SMALL)
    assert [(p.pick.name, p.test_accuracy) for p in result.picks] == [
        (p.pick.name, p.test_accuracy) for p in finished.picks
    ]
