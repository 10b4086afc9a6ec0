"""Runs commands of the package in forks of one process that has imported what they import.

The pages have some thirty commands, and importing PyTorch and the rest takes four seconds of a core for each. A command
is a process of its own all the same, with the shell's folder, input and output, run as by ``python -m MODULE``.

``python -m tests.docs.command_server SOCKET`` serves until its standard input is closed; ``command_client.py`` asks.
"""

import json
import os
import runpy
import select
import socket
import sys
import traceback

IMPORTED = (
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
)


def run_module(module: str, arguments: list[str], folder: str) -> int:
    """Runs ``python -m module arguments`` in a folder, in this process: its status."""
    os.chdir(folder)
    sys.argv = [module, *arguments]
    try:
        runpy.run_module(module, run_name="__main__", alter_sys=True)
    except SystemExit as ended:
        return ended.code if isinstance(ended.code, int) else int(ended.code is not None)
    except BaseException:
        traceback.print_exc()
        return 1
    return 0


def serve(path: str) -> None:
    """Serves at a socket, one command after the other."""
    for name in IMPORTED:
        __import__(name)
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(path)
        listening.listen()
        print("ready", flush=True)
        while sys.stdin not in select.select([listening, sys.stdin], [], [])[0]:
            connection, _ = listening.accept()
            with connection:
                request, files, _, _ = socket.recv_fds(connection, 1 << 16, 3)
                child = os.fork()
                if child == 0:
                    for number, file in enumerate(files):
                        os.dup2(file, number)
                    status = run_module(**json.loads(request))
                    sys.stdout.flush()
                    sys.stderr.flush()
                    os._exit(status)
                for file in files:
                    os.close(file)
                status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
                connection.sendall(bytes([status % 256]))


if __name__ == "__main__":
    serve(sys.argv[1])
