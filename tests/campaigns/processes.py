"""Commands in processes of their own, begun in a moment: forked by a server that has imported what they import."""

import os
import signal
import sys
import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from tests.forks import ForkedProcess, ForkServer

__all__ = ["PATIENCE", "Launcher", "finish", "processor_time", "wait_until_used"]

PATIENCE = 600.0  # seconds that a command may take on a busy machine; alone it takes a few
_LAST_WORDS = 10.0  # seconds for what a command that hangs prints when it is aborted

_PROGRAM = """
import faulthandler, resource, sys
faulthandler.enable()  # of a command that hangs, an abort tells where
_, sys.executable, file_size, memory, *arguments = sys.argv
resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
if file_size != "None":
    resource.setrlimit(resource.RLIMIT_FSIZE, (int(file_size), int(file_size)))
if memory != "None":
    there = int(open("/proc/self/statm").read().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (there + int(memory), there + int(memory)))
from tart_nas.cli import main
from tests.undrawn import undrawn_figures
sys.argv = ["tart-nas", *arguments]
with undrawn_figures():
    main()
"""
# In place of Python's program, so that the workers that a search starts are forked too.
_PYTHON = """#!/bin/sh
if [ "$1" = -c ]; then exec {python} -I -S {client} {address} "$@"; else exec {python} "$@"; fi
"""
_CLIENT = Path(__file__).resolve().parents[1] / "forks/shell_client.py"


class Launcher:
    """Begins commands of tart-nas.

    Args:
        server: forks them.
        folder: a file is written there.
    """

    def __init__(self, server: ForkServer, folder: Path) -> None:
        self._server, self._python = server, folder / "python"
        self._python.write_text(_PYTHON.format(python=sys.executable, client=_CLIENT, address=server.address))
        self._python.chmod(0o755)

    def begin(self, arguments: Sequence[str], file_size: int | None = None, memory: int | None = None) -> ForkedProcess:
        """Begins a command.

        Args:
            arguments: of the command.
            file_size: how large a file it may write, in bytes.
            memory: how much more of addresses it may take than a process has that has imported everything, in bytes.
        """
        environment = {**os.environ, "COLUMNS": "200", "NO_COLOR": "1", "OMP_NUM_THREADS": "1"}
        return self._server.start(self._python, file_size, memory, *arguments, code=_PROGRAM, environment=environment)

    def run(
        self, arguments: Sequence[str], file_size: int | None = None, memory: int | None = None
    ) -> tuple[int | None, str]:
        """Runs a command to its end: what :func:`finish` gives."""
        return finish(self.begin(arguments, file_size, memory))


def finish(process: ForkedProcess, seconds: float = PATIENCE) -> tuple[int | None, str]:
    """The exit status, negative after a signal, and what was printed; None if it hangs, and then it is killed."""
    try:
        status: int | None = process.wait(seconds)
    except TimeoutError:
        os.kill(process.pid, signal.SIGABRT)
        with suppress(TimeoutError):
            process.wait(_LAST_WORDS)
        process.kill()
        status = None
    return status, "".join(process.communicate())


def processor_time(pid: int | None) -> float:
    """Seconds that a process has computed, 0 if it has ended: how far it is, also where a busy machine lets it wait."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return 0.0
    return (int(fields[11]) + int(fields[12])) / 100  # clock ticks of Linux


def wait_until_used(process: ForkedProcess, seconds: float) -> float:
    """Waits until a process has computed for so long, or has ended: how long it was seen to have computed."""
    deadline, used = time.monotonic() + PATIENCE, 0.0
    while process.poll() is None and used < seconds and time.monotonic() < deadline:
        used = max(used, processor_time(process.pid))
        time.sleep(0.01)
    return used
