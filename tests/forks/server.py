"""Runs commands of the package in forks of one process that has imported what they import.

Importing PyTorch and the rest takes four seconds of a core, which each command of a test would take again. A command is
a process of its own all the same: it has its folder, environment, input and output, it ends as Python ends, and it can
be killed.

``python -m tests.forks.server SOCKET [MODULE...]`` imports the modules, by default those below, and serves until its
standard input is closed. ``process.py`` has the class that
starts it and asks for processes; ``shell_client.py`` asks in a shell.
"""

import json
import os
import runpy
import select
import signal
import socket
import sys
from collections.abc import Sequence
from contextlib import suppress
from typing import Any

IMPORTED = (
    "PIL.JpegImagePlugin",
    "alembic.command",
    "alembic.script",
    "matplotlib.pyplot",
    "optuna",
    "pyarrow.parquet",
    "scipy.stats",
    "tart_nas.cli.app",
    "tart_nas.deepnets1m",
    "tart_nas.graphs",
    "tart_nas.measurements",
    "tart_nas.predictors.models.gaussian_process",
    "tart_nas.runs",
    "tart_nas.strategies.optuna_plugin",
    "sklearn.datasets",  # the digits
    "torch._dynamo",  # which the first optimizer imports
    "torchvision",
)


def run(request: dict[str, Any], files: list[int]) -> None:
    """What ``python -m module arguments`` or ``python -c code arguments`` does, in this process."""
    for number, file in enumerate(files):
        os.dup2(file, number)
        os.close(file)
    signal.signal(signal.SIGINT, signal.default_int_handler)  # which a process in the background ignores
    os.chdir(request["folder"])
    if request["environment"] is not None:
        os.environ.clear()
        os.environ.update(request["environment"])
    if request["session"]:
        os.setsid()
    sys.argv = [request["module"] or "-c", *request["arguments"]]
    if request["module"] is not None:
        runpy.run_module(request["module"], run_name="__main__", alter_sys=True)
    else:
        exec(compile(request["code"], "<string>", "exec"), {"__name__": "__main__"})


def keep(connection: socket.socket, request: dict[str, Any], files: list[int]) -> None:
    """Starts a process, tells its number, waits for its end, tells its status."""
    child = os.fork()
    if child == 0:
        connection.close()
        run(request, files)
        sys.exit()  # and so out of the server's loop
    for file in files:
        os.close(file)
    with suppress(BrokenPipeError):  # who asked may have gone
        connection.sendall(f"{child}\n".encode())
        status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
        connection.sendall(f"{status}\n".encode())
    os._exit(0)


def serve(path: str, imported: Sequence[str]) -> None:
    """Serves at a socket, any number of processes at a time."""
    for name in imported:
        __import__(name)
    listening = socket.socket(socket.AF_UNIX)
    listening.bind(path)
    listening.listen()
    print("ready", flush=True)
    while sys.stdin not in select.select([listening, sys.stdin], [], [])[0]:
        connection, _ = listening.accept()
        message, files, _, _ = socket.recv_fds(connection, 1 << 20, 3)
        while not message.endswith(b"\n"):
            message += connection.recv(1 << 20)
        if os.fork() == 0:
            listening.close()
            keep(connection, json.loads(message), list(files))
        connection.close()
        for file in files:
            os.close(file)
        with suppress(ChildProcessError):
            while os.waitpid(-1, os.WNOHANG)[0]:
                pass


if __name__ == "__main__":
    serve(sys.argv[1], sys.argv[2:] or IMPORTED)
