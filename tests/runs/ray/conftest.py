"""Real local clusters. Ray is an extra: `make test-ray` has an environment with it."""

import os
import sys
import time
from contextlib import suppress
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path

import pytest

from tests.marked_programs import MarkedPrograms

if find_spec("ray") is None:
    collect_ignore_glob = ["test_*.py"]

os.environ["RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER"] = "0"  # clusters of the tests listen on the loopback interface alone
os.environ["RAY_USAGE_STATS_ENABLED"] = "0"

ROOT = Path(__file__).resolve().parents[3]


class Programs(MarkedPrograms):
    """Programs that use Ray, and all processes that they start, which end with the test."""

    def __init__(self, folder):
        import_module("ray")  # which brings psutil along
        paths = (str(ROOT), os.environ.get("PYTHONPATH"))
        super().__init__(folder, PYTHONPATH=os.pathsep.join(filter(None, paths)), COLUMNS="200")
        self._started = []

    def start(self, *arguments):
        """Starts Python with arguments; its output goes to a file."""
        process = super().start(sys.executable, *arguments, start_new_session=True)
        self._started.append(process)
        return process

    def run(self, *arguments, seconds=600):
        """Runs Python to its end: the exit status and the output."""
        return self.finish(self.start(*arguments), seconds)

    def until(self, condition, process, seconds=600):
        """Waits for something that a running program does."""
        end = time.monotonic() + seconds
        while not condition():
            assert process.poll() is None, self.output.read_text()
            assert time.monotonic() < end, "it did not happen"
            time.sleep(0.2)

    def listening(self):
        """The addresses at which they listen."""
        import psutil

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
