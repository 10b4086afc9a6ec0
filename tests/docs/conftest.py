import os
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.docs.pages import ROOT
from tests.forks import ForkServer

# What the commands of the pages are in the tests. A server such as optuna-dashboard would not end: it need only exist.
COMMANDS = {
    "tart-nas": 'exec {client} tart_nas "$@"',
    "python": 'if [ "$1" = -m ]; then shift; exec {client} "$@"; else exec {python} "$@"; fi',
    "make": 'exec "$(PATH="${{PATH#*:}}" command -v make)" --directory {root} --dry-run "$@" > /dev/null',
    "optuna-dashboard": 'exec {python} -c "import optuna_dashboard"',
}


@pytest.fixture(scope="session")
def commands(fork_server: ForkServer) -> Iterator[dict[str, str]]:
    """The environment of a shell in which the commands of the pages are those of this code."""
    with tempfile.TemporaryDirectory() as folder:
        client = f"{sys.executable} -I -S {ROOT / 'tests/forks/shell_client.py'} {fork_server.address}"
        for name, script in COMMANDS.items():
            command = Path(folder) / name
            command.write_text(
                f"#!/usr/bin/env bash\n{script.format(client=client, python=sys.executable, root=ROOT)}\n"
            )
            command.chmod(0o755)
        yield {
            **os.environ,
            "PATH": f"{folder}:{os.environ['PATH']}",
            "PYTHONPATH": str(ROOT),
            "MPLBACKEND": "Agg",
            "COLUMNS": "120",
        }
