import signal
import socket
import sys
from contextlib import suppress
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

from tart_nas.strategies.nni_plugin.availability import require_nni
from tests.marked_programs import MarkedPrograms

if find_spec("nni") is None:  # its pins are not for every environment; `make test-nni` makes one
    collect_ignore_glob = ["test_*.py"]
else:
    require_nni()  # before the tests import it, for its warnings

PROGRAMS = Path(__file__).parent / "programs"


class Programs(MarkedPrograms):
    """Programs that run real experiments, each in a home of its own, and all that they start."""

    def __init__(self, folder):
        super().__init__(
            folder,
            HOME=str(folder),  # NNI's list of experiments lies there
            PYTHONPATH=str(Path(__file__).resolve().parents[3]),
            PYTHONWARNINGS="ignore::RuntimeWarning:nni.nas.nn.pytorch.layers",
            NODE_OPTIONS=f"--require {PROGRAMS / 'patience.js'}",
        )

    def python(self, program, *arguments):
        return self.start(sys.executable, PROGRAMS / program, *arguments)

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
def darts():
    """NNI's DARTS space, small, as a strategy gets it."""
    from nni.nas.hub.pytorch import DARTS
    from nni.nas.space import SimplifiedModelSpace

    return SimplifiedModelSpace.from_model(DARTS(width=8, num_cells=3, dataset="cifar"))
