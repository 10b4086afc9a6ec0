import os
import sys
from pathlib import Path

import pytest
import torch

from tart_nas.cli import main

os.environ.setdefault("OMP_NUM_THREADS", "1")  # tests run side by side, and threads that wait for a core spin


@pytest.fixture(autouse=True)
def _seeded():
    """No test depends on what was drawn before it: tests run in another order each time."""
    torch.manual_seed(0)


@pytest.fixture(scope="session")
def shared():
    """The folder of data that tests may read: <repository>/../shared/data."""
    return Path(__file__).resolve().parents[2] / "shared" / "data"


@pytest.fixture
def command(monkeypatch, capsys):
    """Runs ``tart-nas`` in this process, which saves the seconds of its imports: status, output, errors."""

    def run(*arguments):
        monkeypatch.setenv("COLUMNS", "200")
        monkeypatch.setenv("NO_COLOR", "1")
        monkeypatch.setattr(sys, "argv", ["tart-nas", *map(str, arguments)])
        capsys.readouterr()
        with pytest.raises(SystemExit) as ended:
            main()
        return ended.value.code or 0, *capsys.readouterr()

    return run
