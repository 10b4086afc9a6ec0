"""The experiments with the hypernetwork that comes with the package."""

import json

import pytest

from tart_nas.experiments import ghn_finetuning, ghn_property
from tart_nas.images import load_images


def test_properties(tmp_path, capsys):
    options = ("--networks", 10, "--repeats", 1, "--only", "embedding", "--out", tmp_path / "out.json")
    assert ghn_property.main([*map(str, options)]) == 0
    results = json.loads((tmp_path / "out.json").read_text())["results"]
    assert list(results["embedding"]) == [f"0.{fold}" for fold in range(5)]
    assert "│ embedding" in capsys.readouterr().out


def test_finetuning(generator_files, tmp_path, monkeypatch, capsys):
    """From each start; what is random is the same for all of them, so that two equal starts end alike."""
    monkeypatch.setattr(ghn_finetuning, "SETTINGS", {"short": {"epochs": 1}})
    monkeypatch.setattr(ghn_finetuning, "CHANNELS", 8)
    images = load_images("digits", image_size=16, train_images=40, test_images=50)
    monkeypatch.setattr(ghn_finetuning, "_images", lambda *_: images)
    monkeypatch.setitem(ghn_finetuning.STARTS, "He again", None)
    options = (generator_files, tmp_path, "--seeds", 1, "--out", tmp_path / "out.json")
    assert ghn_finetuning.main([*map(str, options)]) == 0
    found = json.loads((tmp_path / "out.json").read_text())["results"]["short"]["0"]
    assert found["He"] == found["He again"]
    assert "predicted, orthogonal" in capsys.readouterr().out


def test_differences_are_of_pairs():
    starts = list(ghn_finetuning.STARTS)
    by_seed = {str(seed): dict(zip(starts, (0.1 * seed, 0.1 * seed + 0.05, 0.2), strict=True)) for seed in range(3)}
    (table,) = ghn_finetuning.tables({"short": by_seed})
    cells = [list(map(str, column.cells)) for column in table.columns]
    assert cells[3][0].startswith("10.0 ± ")
    assert cells[4][1] == "+5.0 ± 0.0"
    assert float(cells[4][2].split(" ± ")[0]) == pytest.approx(10)
