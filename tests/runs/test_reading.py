"""Reading a run makes nothing: no study where there is none, no file where a foreign config.json says."""

import json

import pytest

from tart_nas.errors import RunFolderError
from tart_nas.runs import SearchResult, work
from tart_nas.runs.giving_up import give_up


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
        with pytest.raises(RunFolderError):
            read()
    for arguments in (["report", folder], ["search", "--worker", "--out", folder]):
        status, _, errors = command(*arguments)
        assert status == 2
        assert errors.startswith("error: ")
        assert errors.count("\n") == 1
    assert [path for path in sorted(folder.iterdir()) if path.name != ".report.lock"] == before  # `report` writes one
    assert list(aim.parent.iterdir()) == []


def test_no_tables_are_made_in_a_file_that_is_there(foreign, tmp_path):
    aim = tmp_path / "mine.sqlite3"
    aim.touch()
    with pytest.raises(RunFolderError, match="mine.sqlite3"):
        SearchResult.load(foreign(f"sqlite:///{aim}"), unfinished=True)
    assert aim.read_bytes() == b""
    assert not give_up(f"sqlite:///{aim}", "s", tmp_path / "none")
    assert aim.read_bytes() == b""
