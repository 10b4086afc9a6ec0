"""A real experiment on NNI's local training service, in which all goes wrong that can."""

import json
import re
import signal
import socket
import time
from dataclasses import replace
from pathlib import Path

from tart_nas.networks import parameter_count
from tart_nas.strategies.nni_plugin import HubSpace


def until(condition, seconds=400):  # a minute is enough on an idle machine
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it did not happen"
        time.sleep(0.1)


def test_an_experiment_of_troubled_trials_is_killed_twice_and_ends_with_all_of_them(programs, port, tmp_path, darts):
    folder = tmp_path / "experiments"
    arguments = ("top_k_experiment.py", folder, port, "troubled", 6)

    def ended(n):
        file = folder / "tried/checkpoint/state.ckpt.json"
        text = file.read_text() if file.exists() else ""
        return text.count('"trained"') + text.count('"failed"') >= n

    with socket.socket() as busy:
        busy.bind(("127.0.0.1", port))
        busy.listen()
        status, output = programs.finish(programs.python(*arguments))
        assert status == 1
        assert f"RuntimeError: Port {port} is not idle" in output

    process = programs.python(*arguments)  # what the failed start left in the folder is no hindrance
    until(lambda: ended(2))
    process.send_signal(signal.SIGKILL)  # the experiment's own process; NNI's manager lives on
    process.wait()

    process = programs.python(*arguments)
    until(lambda: ended(3))
    (manager,) = [other for other in programs.processes() if other.name() == "node"]
    manager.send_signal(signal.SIGKILL)
    status, output = programs.finish(process)
    assert "Ended the manager that the killed experiment tried had left behind" in output
    assert status == 1
    assert output.count("\ntart_nas.errors.NniError: NNI's manager does not answer any more; resume") == 1, output
    assert output.count("Traceback") == 1, output

    status, output = programs.finish(programs.python(*arguments))
    assert status == 0, output
    assert "Traceback" not in output
    found = json.loads(next(line for line in output.splitlines() if line.startswith('{"picks"')))
    assert sorted(found["statuses"]) == ["FAILED"] + ["SUCCEEDED"] * 4 + ["USER_CANCELED"]
    assert [pick["status"] for pick in found["picks"]] == ["failed"] * 4 + ["trained"] * 2
    hub = HubSpace.of(darts)
    sizes = [parameter_count(replace(hub.architecture(pick["sample"]), C=4)) for pick in found["picks"]]
    assert [pick["metric"] for pick in found["picks"]] == [None] * 4 + sizes[4:]
    assert found["top"] == sorted(sizes[4:], reverse=True)
    log = (folder / "tried/log/experiment.log").read_text()
    for name, path in re.findall(r"The trial (\w+) \(log: (\S+)\) failed or reported no metric", log):
        assert name in path
        assert Path(path).exists()
    assert "failed or reported no metric; the search goes on. Its sample: " in log
    until(lambda: programs.processes() == [], 20)


def test_fewer_trials_than_picks_end_and_a_raised_number_goes_on(programs, port, tmp_path):
    """NNI takes a model for each of its three workers, starts two, and never tells what became of the third."""
    folder = tmp_path / "experiments"
    for n in (2, 3):
        status, output = programs.finish(programs.python("top_k_experiment.py", folder, port, "sound", 3, n), 600)
        assert status == 0, output
        found = json.loads(next(line for line in output.splitlines() if line.startswith('{"picks"')))
        assert found["statuses"] == ["SUCCEEDED"] * n
        statuses = [pick["status"] for pick in found["picks"]]
        assert sorted(statuses) == sorted(["trained"] * n + ["waiting"] * (3 - n))
        assert all((pick["metric"] is None) == (pick["status"] == "waiting") for pick in found["picks"])
        log = (folder / "tried/log/experiment.log").read_text()
        assert "The experiment's budget is used up with 1 picks untrained." in log
