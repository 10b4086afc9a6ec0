"""``nnictl resume`` of a classic experiment whose manager was killed while a trial ran, with a tuner of ours."""

import signal
from shutil import which

import pytest

from tests.strategies.nni_plugin.test_tuner_experiment import asked, block, configured, nnictl, started, until

pytestmark = pytest.mark.skipif(not (which("curl") and which("jq")), reason="its trials need curl and jq")


def test_the_first_resumption_after_the_manager_was_killed_goes_on(programs, port, tmp_path):
    trial = f'until [ -e "{tmp_path}/go" ]; do sleep 0.2; done\n{block("bash")}'
    (tmp_path / "trial.sh").write_text(trial)
    changes = {"trialCodeDirectory": str(tmp_path), "trialCommand": "bash -e trial.sh", "trialConcurrency": 1}
    arguments = {"candidates": 30, "k": 3, "predictor": "params"}
    config = configured(tmp_path, "", maxTrialNumber=3, classArgs=arguments, **changes)
    create, stop = ("create", "--config", config, "--port", port), ("stop", "--port", port)
    started(programs, create, stop, port)
    experiment = (tmp_path / "experiments/_latest").resolve().name
    until(lambda: [trial["status"] for trial in asked(port, "trial-jobs")] == ["RUNNING"])

    (manager,) = [process for process in programs.processes() if process.name() == "node"]
    manager.send_signal(signal.SIGKILL)
    manager.wait()
    started(programs, ("resume", experiment, "--port", port), stop, port)
    (tmp_path / "go").touch()
    until(lambda: asked(port, "check-status")["status"] in ("DONE", "ERROR"))
    assert asked(port, "check-status") == {"status": "DONE", "errors": []}
    trials = asked(port, "trial-jobs")
    assert [trial["status"] for trial in trials].count("SUCCEEDED") == 3
    status, output = nnictl(programs, *stop)
    assert status == 0, output
    until(lambda: programs.processes() == [])
