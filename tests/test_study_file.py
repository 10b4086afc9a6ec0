"""A study file whose maker is killed: real processes that kill themselves between two statements of SQL."""

import signal
import sqlite3
import subprocess
import sys

import optuna
import pytest

from tart_nas.study_file import open_study_file

KILLED = """
import os, signal, sys
from pathlib import Path
from sqlalchemy import Engine, event
from tart_nas.study_file import open_study_file

left = int(sys.argv[2])

@event.listens_for(Engine, "before_cursor_execute")
def kill(connection, cursor, statement, *_):
    global left
    left -= "CREATE" in statement
    if left == 0:
        os.kill(os.getpid(), signal.SIGKILL)

open_study_file(Path(sys.argv[1]))
"""


@pytest.mark.parametrize("statement", [1, 2, 3, 12])  # a table, another, the unique index of names, a late one
def test_killed_between_tables_and_indices_there_is_no_file(tmp_path, statement):
    path = tmp_path / "study.sqlite3"
    killed = subprocess.run([sys.executable, "-c", KILLED, str(path), str(statement)])
    assert killed.returncode == -signal.SIGKILL
    assert not path.exists()
    for _ in range(2):
        optuna.create_study(storage=open_study_file(path), study_name="one", load_if_exists=True)
    with sqlite3.connect(path) as connection:
        assert connection.execute("SELECT count(*) FROM studies").fetchone() == (1,)


def test_what_was_there_stays(tmp_path):
    path = tmp_path / "study.sqlite3"
    optuna.create_study(storage=open_study_file(path), study_name="one").add_trial(optuna.create_trial(value=1.0))
    assert optuna.load_study(study_name=None, storage=open_study_file(path)).best_value == 1.0
    foreign = tmp_path / "foreign"
    foreign.write_text("nothing of the kind")
    with pytest.raises(Exception, match="not a database"):
        open_study_file(foreign)
    assert foreign.read_text() == "nothing of the kind"
