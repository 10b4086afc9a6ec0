import os
import signal
import socket
import subprocess
import sys
import uuid
from contextlib import suppress
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

from tart_nas.predictors import Predictor
from tart_nas.strategies.nni_plugin.availability import require_nni

if find_spec("nni") is None:  # its pins are not for every environment; `make test-nni` makes one
    collect_ignore_glob = ["test_*.py"]
else:
    require_nni()  # before the tests import it, for its warnings

PROGRAMS = Path(__file__).parent / "programs"


class Programs:
    """Programs that run real experiments, each in a home of its own, and all that they start."""

    def __init__(self, folder):
        self.folder = folder
        self._mark = f"tart-nas-test-{uuid.uuid4()}"
        self.environment = {
            **os.environ,
            "HOME": str(folder),  # NNI's list of experiments lies there
            "TART_NAS_TEST": self._mark,
            "PYTHONPATH": str(Path(__file__).resolve().parents[3]),
            "PYTHONWARNINGS": "ignore::RuntimeWarning:nni.nas.nn.pytorch.layers",
            "OMP_NUM_THREADS": "1",
            "NODE_OPTIONS": f"--require {PROGRAMS / 'patience.js'}",
        }

    def start(self, *command):
        """Starts a command, which an interrupt reaches even where the tests run in the background; output to a file."""
        self.output = self.folder / f"{uuid.uuid4()}.log"
        with self.output.open("w") as log:
            return subprocess.Popen(
                list(map(str, command)),
                cwd=self.folder,
                env=self.environment,
                stdout=log,
                stderr=subprocess.STDOUT,
                preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
            )

    def python(self, program, *arguments):
        return self.start(sys.executable, PROGRAMS / program, *arguments)

    def finish(self, process, seconds=600):
        """Waits for the end; returns the exit status and the output."""
        status = process.wait(seconds)
        return status, self.output.read_text()

    def processes(self):
        """All processes that the programs started, directly or not."""
        import psutil

        ours = []
        for process in psutil.process_iter():
            try:
                if process.environ().get("TART_NAS_TEST") == self._mark and process.status() != psutil.STATUS_ZOMBIE:
                    ours.append(process)
            except psutil.Error:
                continue
        return ours

    def listening(self):
        """The addresses and ports at which they listen."""
        import psutil

        sockets: list[Any] = []
        for process in self.processes():
            with suppress(psutil.NoSuchProcess):  # it has just ended
                sockets += process.net_connections("tcp")
        return {(each.laddr.ip, each.laddr.port) for each in sockets if each.status == psutil.CONN_LISTEN}

    def clean_up(self):
        import psutil

        while processes := self.processes():
            for process in processes:
                try:
                    process.send_signal(signal.SIGKILL)
                except psutil.Error:
                    continue
            psutil.wait_procs(processes, 5)


@pytest.fixture
def programs(tmp_path):
    programs = Programs(tmp_path)
    yield programs
    programs.clean_up()


@pytest.fixture
def port():
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return free.getsockname()[1]


@pytest.fixture(scope="session")
def ridge(labelled, tmp_path_factory):
    """The file of a predictor that is fitted in a moment."""
    path = tmp_path_factory.mktemp("predictor") / "ridge.safetensors"
    Predictor("ridge").fit(*labelled).save(path)
    return path


@pytest.fixture(scope="session")
def darts():
    """NNI's DARTS space, small, as a strategy gets it."""
    from nni.nas.hub.pytorch import DARTS
    from nni.nas.space import SimplifiedModelSpace

    return SimplifiedModelSpace.from_model(DARTS(width=8, num_cells=3, dataset="cifar"))
