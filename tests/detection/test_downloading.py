"""Getting the archive: from a server of our own, or put in place by hand."""

import zipfile

import pytest

from tart_nas.detection import download_penn_fudan, downloading, load_pedestrians
from tart_nas.downloading import fetch
from tart_nas.errors import ImageDataError
from tests.web_server import serving


@pytest.fixture
def archive(drawn, tmp_path):
    """An archive like the published one, with what an unpacker must not follow."""
    path = tmp_path / "server/PennFudanPed.zip"
    path.parent.mkdir()
    with zipfile.ZipFile(path, "w") as content:
        for file in sorted(drawn.glob("*/*.png")):
            content.write(file, f"PennFudanPed/{file.relative_to(drawn)}")
        content.writestr("PennFudanPed/Annotation/Drawn00000.txt", "boxes")
        content.writestr("PennFudanPed/readme.txt", "about")
        content.writestr("../../PNGImages/.._up.png", "")
        content.writestr("__MACOSX/PNGImages/._Drawn00000.png", "")
    return path


@pytest.fixture
def url(archive):
    with serving(archive.parent) as address:
        yield f"{address}/PennFudanPed.zip"


def test_it_is_downloaded_and_unpacked(url, people, tmp_path):
    calls = []
    folder = download_penn_fudan(tmp_path / "new", url, lambda *call: calls.append(call))
    assert folder == tmp_path / "new/PennFudanPed"
    assert calls[-1][0] == "PennFudanPed.zip"
    assert load_pedestrians(tmp_path / "new").fingerprint == people.fingerprint
    assert sorted(path.name for path in folder.iterdir()) == ["Annotation", "PNGImages", "PedMasks"]
    assert download_penn_fudan(tmp_path / "new", "http://127.0.0.1:9/nowhere") == folder, "it is there already"


def test_offline_it_says_where_to_put_the_file(archive, tmp_path, command):
    with pytest.raises(ImageDataError, match=r"download http.* \(54 MB\) by other means to .*PennFudanPed.zip, which"):
        download_penn_fudan(tmp_path / "new", "http://127.0.0.1:9/PennFudanPed.zip")
    (tmp_path / "new/PennFudanPed.zip").write_bytes(archive.read_bytes())
    status, out, errors = command("data", "download", "penn-fudan", "--out", tmp_path / "new", "--quiet")
    assert (status, out, errors) == (0, f"{tmp_path / 'new/PennFudanPed'}\n", "")
    assert len(load_pedestrians(tmp_path / "new").train) == 4


@pytest.mark.parametrize(("kept", "said"), [(0.5, "is no complete archive"), (0.0, "is no complete archive")])
def test_a_damaged_archive(archive, tmp_path, kept, said):
    (tmp_path / "new").mkdir()
    content = archive.read_bytes()
    (tmp_path / "new/PennFudanPed.zip").write_bytes(content[: int(kept * len(content))])
    with pytest.raises(ImageDataError, match=said):
        download_penn_fudan(tmp_path / "new")
    assert not (tmp_path / "new/PennFudanPed").exists()


def test_of_two_at_once_the_slower_one_has_the_folder_of_the_other(url, people, tmp_path, monkeypatch):
    def fetched_by_both(*arguments, **settings):
        fetch(*arguments, **settings)
        monkeypatch.undo()
        download_penn_fudan(tmp_path / "new", url)  # the other one, in the midst of this one

    monkeypatch.setattr(downloading, "fetch", fetched_by_both)
    folder = download_penn_fudan(tmp_path / "new", url)
    assert load_pedestrians(folder).fingerprint == people.fingerprint
    assert sorted(path.name for path in folder.parent.iterdir()) == ["PennFudanPed", "PennFudanPed.zip"]


def test_another_archive(tmp_path):
    with zipfile.ZipFile(tmp_path / "PennFudanPed.zip", "w") as content:
        content.writestr("cats/cat.png", "")
    with pytest.raises(ImageDataError, match=r"has no PNGImages/\*\.png\. Delete it"):
        download_penn_fudan(tmp_path)
