"""A journal file that a full disk or a kill left with half a line: it stays readable, for Optuna's own readers too."""

import json
import logging
import resource
from contextlib import contextmanager

import optuna
import pytest
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend

from tart_nas.runs.storage import open_study

optuna.logging.set_verbosity(optuna.logging.WARNING)


@contextmanager
def files_of_at_most(size):
    """A full disk: the system writes what still fits and refuses the rest."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def values_of(path):
    """As Optuna itself reads them."""
    storage = JournalStorage(JournalFileBackend(str(path)))
    return [trial.value for trial in optuna.load_study(study_name="s", storage=storage).trials]


def a_study(path):
    return open_study(f"journal://{path}", "s", path.parent / "none")


@pytest.mark.parametrize("half", [b"{", b'{"op_code":4,"worker_id":"', b'{"a":1}', b"x" * 200_000])
def test_half_a_line_is_cut_off_before_the_next_append(tmp_path, half, caplog):
    path = tmp_path / "log"
    study = a_study(path)
    study.optimize(lambda trial: 1.0, n_trials=2)
    whole = path.read_bytes()
    path.write_bytes(whole + half)
    with caplog.at_level(logging.WARNING):
        a_study(path).optimize(lambda trial: 2.0, n_trials=1)
    assert path.read_bytes().startswith(whole)
    assert values_of(path) == [1.0, 1.0, 2.0]
    assert [record.getMessage() for record in caplog.records if record.name.startswith("tart_nas")] == [
        f"{path} ended in half a line of {len(half)} bytes, which was cut off"
    ]


@pytest.mark.parametrize("room", [1, 25, 60])
def test_a_disk_that_fills_up_leaves_whole_lines(tmp_path, room):
    path = tmp_path / "log"
    a_study(path).optimize(lambda trial: 1.0, n_trials=3)
    study = a_study(path)
    with files_of_at_most(path.stat().st_size + room), pytest.raises(OSError, match="File too large"):
        study.optimize(lambda trial: trial.suggest_float("x", 0, 1), n_trials=50)
    for line in path.read_text().splitlines():
        json.loads(line)
    assert path.read_bytes().endswith(b"\n")
    assert values_of(path)[:3] == [1.0] * 3
    a_study(path).optimize(lambda trial: 2.0, n_trials=1)
    assert values_of(path)[-1] == 2.0
