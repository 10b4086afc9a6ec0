"""Storages that are given as Optuna's objects or as paths: the run folder keeps their addresses."""

import json
from pathlib import Path

import optuna
import pytest
from optuna.storages import InMemoryStorage, JournalStorage, RDBStorage, get_storage
from optuna.storages.journal import JournalFileBackend, JournalFileOpenLock

import tart_nas
from tart_nas.errors import SettingError
from tart_nas.runs import SearchResult
from tart_nas.runs.storage import storage_address
from tests.runs.conftest import SMALL

pytestmark = pytest.mark.usefixtures("undrawn")


def test_a_search_keeps_its_study_in_a_given_object_and_others_open_it_by_its_address(ridge, tmp_path):
    storage = JournalStorage(JournalFileBackend(str(tmp_path / "study.log")))
    folder = tmp_path / "run"
    recipe = tart_nas.TrainingRecipe(epochs=1, batch_size=40)
    small = SMALL | {"candidates": 20, "top_k": 1, "random": 0, "recipe": recipe}
    result = tart_nas.search(predictor=ridge[0], out=folder, storage=storage, **small)
    (study,) = optuna.get_all_study_summaries(storage)
    assert study.n_trials == 1
    assert json.loads((folder / "config.json").read_text())["storage"] == f"journal://{tmp_path}/study.log"
    for again in (None, storage, tmp_path / "study.log"):
        assert SearchResult.load(folder, again).best.pick == result.best.pick


def test_objects_and_paths_have_addresses(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    sqlite, journal = f"sqlite:///{tmp_path}/study.db", f"journal://{tmp_path}/study.log"
    assert storage_address(RDBStorage(sqlite)) == sqlite
    assert storage_address(get_storage(sqlite)) == sqlite
    assert storage_address(JournalStorage(JournalFileBackend("study.log"))) == journal
    assert storage_address(Path("study.db")) == storage_address("study.db") == sqlite
    assert storage_address(Path("study.log")) == storage_address("study.log") == journal
    assert storage_address(journal) == journal
    assert storage_address(None) is None


def test_a_proxy_has_an_address():
    pytest.importorskip("grpc")
    assert storage_address(optuna.storages.GrpcStorageProxy(host="here", port=13000)) == "grpc://here:13000"


@pytest.mark.parametrize("kind", ["memory", "sqlite in memory", "another lock", "unknown ending"])
def test_what_others_cannot_open_is_refused_before_anything_is_written(tmp_path, kind):
    storage = {
        "memory": InMemoryStorage,
        "sqlite in memory": lambda: RDBStorage("sqlite:///:memory:"),
        "another lock": lambda: JournalStorage(
            JournalFileBackend(str(tmp_path / "x.log"), lock_obj=JournalFileOpenLock(str(tmp_path / "x.log")))
        ),
        "unknown ending": lambda: tmp_path / "study.txt",
    }[kind]()
    with pytest.raises(SettingError, match=r"Other processes cannot open the storage|must be an address such as"):
        tart_nas.search(out=tmp_path / "run", storage=storage, **SMALL)
    assert not (tmp_path / "run").exists()
