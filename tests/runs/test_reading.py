"""Reading a run makes nothing: no study where there is none, no file where a foreign config.json says."""

import json
import shutil
import socket

import optuna
import pytest

import tart_nas
from tart_nas.errors import RunFolderError, SettingError
from tart_nas.runs import SearchResult, work
from tart_nas.runs.comparison import Comparison
from tart_nas.runs.giving_up import give_up
from tests.runs.conftest import SMALL
from tests.runs.results import new_study_of


@pytest.fixture
def foreign(finished, tmp_path):
    """A run folder as somebody else may send it."""
    folder = tmp_path / "run"
    folder.mkdir()
    (folder / "candidates.parquet").write_bytes((finished.folder / "candidates.parquet").read_bytes())

    def make(address):
        config = json.loads((finished.folder / "config.json").read_text())
        (folder / "config.json").write_text(json.dumps({**config, "storage": address}))
        return folder

    return make


@pytest.mark.parametrize("scheme", ["sqlite:///", "journal://", "sqlite+pysqlite:///", None])
def test_no_study_is_made(foreign, tmp_path, scheme, command):
    aim = tmp_path / "elsewhere" / "file"
    aim.parent.mkdir()
    folder = foreign(None if scheme is None else f"{scheme}{aim}")
    before = sorted(folder.iterdir())
    for read in (lambda: SearchResult.load(folder, unfinished=True), lambda: work(folder, device="cpu")):
        with pytest.raises((RunFolderError, SettingError)):
            read()
    for arguments in (["report", folder], ["search", "--worker", "--out", folder]):
        status, _, errors = command(*arguments)
        assert status == 2
        assert errors.startswith("error: ")
        assert errors.count("\n") == 1
    assert [path for path in sorted(folder.iterdir()) if path.name != ".report.lock"] == before  # `report` writes one
    assert list(aim.parent.iterdir()) == []


@pytest.fixture
def server():
    """The port of a server that nobody may contact."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        yield listening.getsockname()[1]
        listening.setblocking(False)
        with pytest.raises(BlockingIOError):
            listening.accept()


@pytest.mark.parametrize(
    "address",
    ["postgresql+psycopg://127.0.0.1:{}/db", "grpc://127.0.0.1:{}", "postgresql+psycopg://a:***@127.0.0.1:{}/db"],
)
def test_no_server_is_contacted_because_a_folder_names_it(foreign, finished, server, address, command):
    address = address.format(server)
    folder = foreign(address)
    for arguments in (
        ["report", folder],
        ["report", folder, "--json"],
        ["report", folder, finished.folder],
        ["report", folder, finished.folder, "--storage", "grpc://other:1"],
        ["score", folder, "--predictor", "params"],
        ["retrain", folder, "--out", folder / "retrained"],
        ["search", "--out", folder, "--predictor", "params", "--candidates", "7"],  # another run than the folder's
    ):
        status, _, errors = command(*arguments)
        assert errors.count("\n") <= 1
        assert status == 0 if arguments[0] == "score" else status == 2
    for read in (SearchResult.load, lambda *given, **_: Comparison.load([*given, finished.folder])):
        with pytest.raises(SettingError, match=r"is on a server, .*127.0.0.1:\d+.* as `storage`"):
            read(folder, unfinished=True)


@pytest.mark.parametrize("joins", [False, True])
@pytest.mark.parametrize(
    "address", ["grpc://127.0.0.1:1", "sqlite:///{}/mine.sqlite3", "sqlite:///file:{}/mine.db?uri=true"]
)
def test_a_search_opens_no_study_outside_because_a_folder_names_it(foreign, ridge, tmp_path, address, joins):
    """With the very settings of the folder: else it would be refused for these."""
    folder, aim = foreign(address.format(tmp_path)), tmp_path / "mine.sqlite3"
    optuna.create_study(study_name="mine", storage=f"sqlite:///{aim}")
    before = aim.read_bytes(), sorted(tmp_path.iterdir())
    with pytest.raises(SettingError, match="outside of the folder.* as `storage`"):
        work(folder, device="cpu") if joins else tart_nas.search(predictor=ridge[0], out=folder, **SMALL)
    assert (aim.read_bytes(), sorted(tmp_path.iterdir())) == before


@pytest.mark.parametrize("place", [7, ["sqlite:///x"], {}, True])
def test_a_place_that_is_no_address(foreign, place):
    with pytest.raises(RunFolderError, match="names no study"):
        SearchResult.load(foreign(place), unfinished=True)


def test_no_tables_are_made_in_a_file_that_is_there(foreign, tmp_path):
    aim = tmp_path / "mine.sqlite3"
    aim.touch()
    with pytest.raises(RunFolderError, match="mine.sqlite3"):
        SearchResult.load(foreign(f"sqlite:///{aim}"), unfinished=True)
    assert aim.read_bytes() == b""
    assert not give_up(f"sqlite:///{aim}", "s", tmp_path / "none")
    assert aim.read_bytes() == b""


@pytest.mark.parametrize(
    "change",
    [
        {"architecture": "{"},
        {"trained_architecture": "[" * 5000},
        {"architecture": 7},
        {"pick": ["top-1"]},
        {"rank": "first"},
        {"parameters": None},
    ],
)
def test_a_pick_that_somebody_damaged(change, finished, tmp_path, command):
    study = new_study_of(finished, tmp_path / "run")
    attributes = finished.picks[0].pick.to_attributes()
    study.add_trial(optuna.trial.create_trial(value=0.5, user_attrs={**attributes, **change}))
    status, _, errors = command("report", tmp_path / "run")
    assert (status, errors.count("\n")) == (2, 1)
    assert "damaged" in errors


@pytest.mark.parametrize("attributes", [{"test_accuracy": 7}, {"facts": [1]}, {"test_accuracy": {"top-1": "x"}}])
def test_facts_that_somebody_damaged(attributes, finished, tmp_path, command):
    study = new_study_of(finished, tmp_path / "run")
    study.add_trial(optuna.trial.create_trial(value=0.5, user_attrs=finished.picks[0].pick.to_attributes()))
    for name, value in attributes.items():
        study.set_user_attr(name, value)
    status, _, errors = command("report", tmp_path / "run")
    assert status in (0, 2)
    assert "Traceback" not in errors


def test_a_database_with_a_damaged_page(finished, tmp_path, command):
    """What is damaged is met when the trials are read, after the study was opened."""
    shutil.copytree(finished.folder, tmp_path / "run")
    path = tmp_path / "run/study.sqlite3"
    content = path.read_bytes()
    path.write_bytes(content[: len(content) // 3] + bytes(len(content) // 2) + content[len(content) // 3 * 2 :])
    status, _, errors = command("report", tmp_path / "run")
    assert (status, errors.count("\n")) == (2, 1)


@pytest.mark.usefixtures("undrawn")
def test_control_characters_in_a_study_are_shown_and_not_obeyed(finished, tmp_path, command):
    study, hostile = new_study_of(finished, tmp_path / "run"), "\x1b]0;title\x07\x9b2J\u202e"
    attributes = finished.picks[0].pick.to_attributes() | {"failure": hostile, "pick": f"top-1{hostile}"}
    study.add_trial(optuna.trial.create_trial(state=optuna.trial.TrialState.FAIL, user_attrs=attributes))
    status, out, errors = command("report", tmp_path / "run")
    assert (status, errors) == (0, "")
    assert "failed: \\x1b]0;title\\x07" in out
    assert out.replace("\n", "").isprintable()
