import pytest
from matplotlib.figure import Figure

from tart_nas.drawing import FIGURE_SUFFIXES, save_figure
from tart_nas.errors import SettingError

STARTS = {".png": b"\x89PNG", ".svg": b"<?xml", ".pdf": b"%PDF"}


def _figure():
    figure = Figure(figsize=(1, 1))
    figure.add_axes((0, 0, 1, 1)).plot([0, 1])
    return figure


@pytest.mark.parametrize("suffix", FIGURE_SUFFIXES)
def test_formats_are_the_same_every_time(tmp_path, suffix):
    first, second = (save_figure(_figure(), tmp_path / f"{i}{suffix.upper()}") for i in range(2))
    assert first.read_bytes().startswith(STARTS[suffix])
    assert first.read_bytes() == second.read_bytes()


def test_a_failed_picture_leaves_the_old_one(tmp_path, monkeypatch):
    path = save_figure(_figure(), tmp_path / "a.png")
    before = path.read_bytes()

    def fail(self, file, **kwargs):
        file.write_bytes(b"half")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Figure, "savefig", fail)
    with pytest.raises(OSError, match="No space"):
        save_figure(_figure(), path)
    assert path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [path]


def test_other_suffix(tmp_path):
    with pytest.raises(SettingError, match=r"must end in one of \.pdf, \.png, \.svg, but got .*a\.jpg"):
        save_figure(_figure(), tmp_path / "a.jpg")
