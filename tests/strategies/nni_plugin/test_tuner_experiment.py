"""The experiment of ``experiments/nni/config.yml``, started by ``nnictl``, with real images and a small budget."""

import json
import re
import subprocess
import sys
import time
from pathlib import Path
from shutil import which
from urllib.request import urlopen

import pytest
import yaml

from tart_nas.predictors import Predictor
from tart_nas.strategies.nni_plugin import cell_architecture

CONFIG = Path(__file__).resolve().parents[3] / "experiments/nni/config.yml"
DOCS = (CONFIG.parents[2] / "docs/nni.md").read_text()


def block(kind):
    """The first block of docs/nni.md in a language."""
    found = re.search(rf"^```{kind}\n(.*?)```$", DOCS, re.MULTILINE | re.DOTALL)
    assert found
    return found[1]


EXPORT, *COMMANDS = block("sh").splitlines()


def configured(tmp_path, options, **changes):
    """The committed configuration with a smaller budget, and its paths made absolute."""
    config = yaml.safe_load(CONFIG.read_text())
    config["trialCommand"] = config["trialCommand"].replace("python3", sys.executable) + f" {options}"
    config["searchSpaceFile"] = str(CONFIG.parent / config["searchSpaceFile"])
    config["trialCodeDirectory"] = str(CONFIG.parent)
    config["tuner"]["codeDirectory"] = config["assessor"]["codeDirectory"] = str(CONFIG.parent)
    config["experimentWorkingDirectory"] = str(tmp_path / "experiments")
    arguments = config["tuner"]["classArgs"] | changes.pop("classArgs", {})
    config["tuner"]["classArgs"] = arguments
    path = tmp_path / "config.yml"
    path.write_text(yaml.safe_dump(config | changes))
    return path


def asked(port, what):
    with urlopen(f"http://127.0.0.1:{port}/api/v1/nni/{what}", timeout=10) as answer:
        return json.loads(answer.read())


def until(condition, seconds=400):  # a minute is enough on an idle machine
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it did not happen"
        time.sleep(0.2)


def nnictl(programs, *arguments):
    return programs.finish(programs.python("nnictl.py", *arguments))


def started(programs, create, stop, port):
    """Starts an experiment, again where the machine is too busy for NNI, which gives a tuner 10 s to connect."""
    for _ in range(5):
        status, output = nnictl(programs, *create)
        assert status == 0, output
        until(lambda: asked(port, "check-status")["status"] == "ERROR" or asked(port, "trial-jobs"))
        if asked(port, "check-status")["status"] != "ERROR":
            return
        assert "did not connect in 10 seconds" in str(asked(port, "check-status")["errors"])
        nnictl(programs, *stop)


def test_the_top_candidates_are_trained_on_cifar10(programs, port, tmp_path):
    options = "--cells 2 --channels 4 --train-images 100 --epochs 2"
    config = configured(tmp_path, options, maxTrialNumber=3, trialConcurrency=2, classArgs={"candidates": 300, "k": 2})
    create, stop = (
        line.replace("experiments/nni/config.yml", str(config)).replace("8081", str(port)).split()[1:]
        for line in COMMANDS
    )
    environment = {**programs.environment, "PATH": f"{Path(sys.executable).parent}:/usr/bin:/bin"}
    shell = ["bash", "-ec", f'{EXPORT}; printf %s "$NODE_OPTIONS"']
    done = subprocess.run(shell, env=environment, capture_output=True, text=True, check=True)
    programs.environment["NODE_OPTIONS"] = done.stdout
    started(programs, create, stop, port)
    assert programs.listening() == {("127.0.0.1", port)}
    until(lambda: asked(port, "check-status")["status"] in ("DONE", "ERROR"))
    trials = sorted(asked(port, "trial-jobs"), key=lambda trial: trial["sequenceId"])
    assert [trial["status"] for trial in trials] == ["SUCCEEDED"] * 3
    samples = [json.loads(trial["hyperParameters"][0])["parameters"] for trial in trials]
    scores = Predictor.from_pretrained("darts-cifar10").predict([cell_architecture(sample) for sample in samples])
    assert scores[0] >= scores[1]
    assert scores.min() > 93.5
    for trial in trials:
        (final,) = trial["finalMetricData"]
        curve = [
            metric for metric in asked(port, f"metric-data/{trial['trialJobId']}") if metric["type"] == "PERIODICAL"
        ]
        assert len(curve) == 2
        reported = json.loads(json.loads(final["data"]))
        assert 0 <= reported["default"] <= 1
        # Not by the trial's own sample: NNI gives a sample to whichever trial asks first.
        assert reported["predicted"] == pytest.approx(scores[int(final["parameterId"])], abs=1e-4)
    status, output = nnictl(programs, *stop)
    assert status == 0, output
    until(lambda: programs.processes() == [])


@pytest.mark.skipif(not (which("curl") and which("jq")), reason="needs curl and jq")
def test_a_trial_in_another_language(programs, port, tmp_path):
    (tmp_path / "trial.sh").write_text(block("bash"))
    trial = {"trialCodeDirectory": str(tmp_path), "trialCommand": "bash -e trial.sh"}
    config = configured(tmp_path, "", maxTrialNumber=1, classArgs={"candidates": 30, "k": 1}, **trial)
    create, stop = ("create", "--config", config, "--port", port), ("stop", "--port", port)
    started(programs, create, stop, port)
    until(lambda: asked(port, "check-status")["status"] in ("DONE", "ERROR"))
    ((job,), folder) = asked(port, "trial-jobs"), tmp_path / "experiments/_latest/environments/local-env/trials"
    assert (job["status"], json.loads(json.loads(job["finalMetricData"][0]["data"]))) == ("SUCCEEDED", 0.5)
    printed = json.loads((folder / job["trialJobId"] / "trial.stdout").read_text())
    assert printed == json.loads(job["hyperParameters"][0])["parameters"]
    assert cell_architecture(printed).genotype
    status, output = nnictl(programs, *stop)
    assert status == 0, output


def test_a_configuration_that_nni_does_not_know(programs, port, tmp_path):
    status, output = nnictl(programs, "create", "--config", configured(tmp_path, "", maxTrials=3), "--port", port)
    assert status != 0
    assert "does not have field(s) maxtrials" in output


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"topk": 3}, "SettingError: TartTuner has no argument 'topk' in `classArgs`"),
        ({"C": 16}, "outside what the predictor was trained on: C 16"),
    ],
)
def test_arguments_that_are_wrong_end_the_tuner(programs, port, tmp_path, arguments, message):
    """Before it connects to NNI's manager or after; the manager notices within 10 or 30 s."""
    config = configured(tmp_path, "", classArgs={"candidates": 30, **arguments})
    status, output = nnictl(programs, "create", "--config", config, "--port", port)
    assert status == 0, output
    log = tmp_path / "experiments/_latest/log/dispatcher.log"
    until(lambda: log.exists() and message in log.read_text())
    until(lambda: [process.name() for process in programs.processes()] == ["node"])
