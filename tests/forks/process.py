"""Processes that a server forks, with the methods of :class:`subprocess.Popen` that tests use."""

import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import IO

__all__ = ["ForkServer", "ForkedProcess"]

ROOT = Path(__file__).resolve().parents[2]


class ForkedProcess:
    """A process that runs, or ran.

    Args:
        pid: its number.
        connection: on which the server tells its status.
        stdout: what it prints, if that was asked for.
        stderr: likewise.
    """

    def __init__(self, pid: int, connection: socket.socket, stdout: IO[bytes] | None, stderr: IO[bytes] | None) -> None:
        self.pid = pid
        self.returncode: int | None = None
        self._connection, self._files = connection, (stdout, stderr)
        self._printed = ["", ""]

    def poll(self) -> int | None:
        """The status, negative after a signal; None while it runs."""
        self._receive(0.0)
        return self.returncode

    def wait(self, timeout: float | None = 300) -> int:
        """The status, when it has ended.

        Raises:
            TimeoutError: if it runs for longer, in seconds.
        """
        self._receive(timeout)
        if self.returncode is None:
            raise TimeoutError(f"process {self.pid} runs for {timeout} s")
        return self.returncode

    def communicate(self, timeout: float | None = 300) -> tuple[str, str]:
        """What it printed: to its standard output, to that of errors."""
        self.wait(timeout)
        return self._printed[0], self._printed[1]

    def send_signal(self, number: int) -> None:
        """Sends a signal, if it still runs."""
        if self.poll() is None:
            os.kill(self.pid, number)

    def kill(self) -> None:
        """Ends it at once."""
        self.send_signal(signal.SIGKILL)

    def _receive(self, timeout: float | None) -> None:
        if self.returncode is not None:
            return
        self._connection.settimeout(timeout)
        try:
            answer = self._connection.recv(64)
        except (BlockingIOError, TimeoutError):
            return
        self._connection.close()
        assert answer, "the server has gone"
        self.returncode = int(answer)
        self._printed = ["" if file is None else _content(file) for file in self._files]


def _content(file: IO[bytes]) -> str:
    with file:
        file.seek(0)
        return file.read().decode()


class ForkServer:
    """A process that has imported the package, and forks.

    Args:
        environment: of the processes, where none is given.
        imported: the modules that it imports, by default all that commands need.
    """

    def __init__(self, environment: Mapping[str, str], imported: Sequence[str] = ()) -> None:
        self._folder = tempfile.TemporaryDirectory()  # short: the address of a socket has at most 107 characters
        self.address = Path(self._folder.name) / "server"
        command = [sys.executable, "-m", "tests.forks.server", str(self.address), *imported]
        pipe = subprocess.PIPE
        self._server = subprocess.Popen(command, stdin=pipe, stdout=pipe, cwd=ROOT, env=dict(environment))
        assert self._server.stdout is not None
        assert self._server.stdout.readline() == b"ready\n"

    def start(
        self,
        *arguments: object,
        module: str | None = "tart_nas.cli",
        code: str | None = None,
        environment: Mapping[str, str] | None = None,
        stdout: int | None = None,
        session: bool = False,
    ) -> ForkedProcess:
        """Starts a process.

        Args:
            arguments: of the command.
            module: what ``python -m`` runs.
            code: what ``python -c`` runs, instead.
            environment: in place of the environment of this process.
            stdout: the descriptor that it prints to; by default a file for :meth:`ForkedProcess.communicate`.
            session: whether it begins a session, of which the whole group can be killed.
        """
        request = {
            "module": None if code is not None else module,
            "code": code,
            "arguments": list(map(str, arguments)),
            "folder": os.getcwd(),
            "environment": dict(os.environ if environment is None else environment),
            "session": session,
        }
        # Files, not pipes, which would have to be read while the process runs; they are closed when it has ended.
        out = tempfile.TemporaryFile()  # noqa: SIM115
        errors = tempfile.TemporaryFile()  # noqa: SIM115
        connection = socket.socket(socket.AF_UNIX)
        connection.connect(str(self.address))
        with open(os.devnull, "rb") as nothing:
            files = [nothing.fileno(), out.fileno() if stdout is None else stdout, errors.fileno()]
            message = f"{json.dumps(request)}\n".encode()
            sent = socket.send_fds(connection, [message], files)
            connection.sendall(message[sent:])
            number = b""
            while not number.endswith(b"\n"):
                number += connection.recv(1)
        return ForkedProcess(int(number), connection, out, errors)

    def run(self, *arguments: object, **options: object) -> tuple[int, str, str]:
        """Starts a process and waits for it: its status, what it printed, errors."""
        process = self.start(*arguments, **options)  # type: ignore[arg-type]
        out, errors = process.communicate()
        return process.wait(), out, errors

    def close(self) -> None:
        """Ends the server; processes that run go on."""
        assert self._server.stdin is not None
        assert self._server.stdout is not None
        self._server.stdin.close()
        self._server.wait()
        self._server.stdout.close()
        self._folder.cleanup()

    def __enter__(self) -> "ForkServer":
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()
