import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.docs.pages import ROOT

# What the commands of the pages are in the tests. A server such as optuna-dashboard would not end: it need only exist.
COMMANDS = {
    "tart-nas": 'exec {client} tart_nas "$@"',
    "python": 'if [ "$1" = -m ]; then shift; exec {client} "$@"; else exec {python} "$@"; fi',
    "make": 'exec "$(PATH="${{PATH#*:}}" command -v make)" --directory {root} --dry-run "$@" > /dev/null',
    "optuna-dashboard": 'exec {python} -c "import optuna_dashboard"',
}


@pytest.fixture(scope="session")
def commands() -> Iterator[dict[str, str]]:
    """The environment of a shell in which the commands of the pages are those of this code."""
    with tempfile.TemporaryDirectory() as folder:  # not tmp_path: the address of a socket has at most 107 characters
        address = Path(folder) / "server"
        client = f"{sys.executable} -I -S {ROOT / 'tests/docs/command_client.py'} {address}"
        bin_folder = Path(folder) / "bin"
        bin_folder.mkdir()
        for name, script in COMMANDS.items():
            text = script.format(client=client, python=sys.executable, root=ROOT)
            (bin_folder / name).write_text(f"#!/usr/bin/env bash\n{text}\n")
            (bin_folder / name).chmod(0o755)
        environment = {
            **os.environ,
            "PATH": f"{bin_folder}:{os.environ['PATH']}",
            "PYTHONPATH": str(ROOT),
            "MPLBACKEND": "Agg",
            "COLUMNS": "120",
        }
        arguments = [sys.executable, "-m", "tests.docs.command_server", str(address)]
        pipe = subprocess.PIPE
        with subprocess.Popen(arguments, stdin=pipe, stdout=pipe, cwd=ROOT, env=environment) as server:
            assert server.stdin is not None
            assert server.stdout is not None
            assert server.stdout.readline() == b"ready\n"
            yield environment
            server.stdin.close()
