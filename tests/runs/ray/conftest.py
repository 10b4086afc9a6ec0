"""Real local clusters. Ray is an extra: `make test-ray` has an environment with it."""

import os
import signal
import subprocess
import sys
import time
import uuid
from contextlib import suppress
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path

import pytest

from tart_nas.predictors import Predictor

if find_spec("ray") is None:
    collect_ignore_glob = ["test_*.py"]

os.environ["RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER"] = "0"  # clusters of the tests listen on the loopback interface alone
os.environ["RAY_USAGE_STATS_ENABLED"] = "0"

ROOT = Path(__file__).resolve().parents[3]


def _psutil():
    import_module("ray")  # which brings it along
    return import_module("psutil")


class Programs:
    """Programs that use Ray, and all processes that they start, which end with the test."""

    def __init__(self, folder):
        self.folder, self._started, self._mark = folder, [], f"tart-nas-test-{uuid.uuid4()}"
        self.environment = {
            **os.environ,
            "PYTHONPATH": os.pathsep.join(filter(None, (str(ROOT), os.environ.get("PYTHONPATH")))),
            "OMP_NUM_THREADS": "1",
            "TART_NAS_TEST": self._mark,
            "COLUMNS": "200",
        }

    def start(self, *arguments):
        """Starts Python with arguments; its output goes to a file."""
        self.output = self.folder / f"program-{len(self._started)}.log"
        with self.output.open("w") as log:
            process = subprocess.Popen(
                [sys.executable, *map(str, arguments)],
                cwd=self.folder,
                env=self.environment,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
            )
        self._started.append(process)
        return process

    def run(self, *arguments, seconds=600):
        """Runs Python to its end: the exit status and the output."""
        return self.run_on(self.start(*arguments), seconds)

    def run_on(self, process, seconds=600):
        """Waits for the end of the program that was started last: the exit status and the output."""
        return process.wait(seconds), self.output.read_text()

    def until(self, condition, process, seconds=600):
        """Waits for something that a running program does."""
        end = time.monotonic() + seconds
        while not condition():
            assert process.poll() is None, self.output.read_text()
            assert time.monotonic() < end, "it did not happen"
            time.sleep(0.2)

    def processes(self):
        """All processes that the programs started, directly or not."""
        psutil = _psutil()
        ours = []
        for process in psutil.process_iter():
            try:
                if process.environ().get("TART_NAS_TEST") == self._mark and process.status() != psutil.STATUS_ZOMBIE:
                    ours.append(process)
            except psutil.Error:
                continue
        return ours

    def listening(self):
        """The addresses at which they listen."""
        psutil = _psutil()
        found = set()
        for process in self.processes():
            with suppress(psutil.Error):  # it has just ended
                found |= {each.laddr.ip for each in process.net_connections("tcp") if each.status == "LISTEN"}
        return found

    def end(self):
        for process in self._started:
            if process.poll() is None:
                process.kill()
                process.wait()
        for process in self.processes():
            process.kill()


@pytest.fixture(scope="session")
def predictor_file(labelled, tmp_path_factory):
    """The file of a predictor that is fitted in a moment."""
    path = tmp_path_factory.mktemp("predictor") / "ridge.safetensors"
    Predictor("ridge").fit(*labelled).save(path)
    return path


@pytest.fixture(scope="module")
def cluster():
    """A cluster of two machines, which both are this one."""
    from ray.cluster_utils import Cluster

    for is_last in (False, False, True):  # Ray gives a machine 30 s to start, whatever else runs on it
        cluster = Cluster()
        try:
            cluster.add_node(num_cpus=1, include_dashboard=False)
            machine = cluster.add_node(num_cpus=1)
            break
        except Exception:
            cluster.shutdown()
            if is_last:
                raise
    yield cluster, machine
    cluster.shutdown()


@pytest.fixture
def programs(tmp_path):
    programs = Programs(tmp_path)
    yield programs
    programs.end()
