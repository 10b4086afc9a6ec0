"""The experiments with the hypernetwork that comes with the package."""

import json
from dataclasses import replace

import pytest

from tart_nas.experiments import ghn_finetuning, ghn_property, small_ghns
from tart_nas.hypernetworks.training import GHN_PRESETS
from tart_nas.images import load_images
from tart_nas.published import DARTS


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
    accuracies = [dict(zip(starts, (0.1 * seed, 0.1 * seed + 0.05, 0.2), strict=True)) for seed in range(3)]
    by_seed = {str(i): {name: {"test": value} for name, value in found.items()} for i, found in enumerate(accuracies)}
    (table,) = ghn_finetuning.tables({"short": by_seed})
    cells = [list(map(str, column.cells)) for column in table.columns]
    assert cells[3][0].startswith("10.0 ± ")
    assert cells[4][1] == "+5.0 ± 0.0"
    assert float(cells[4][2].split(" ± ")[0]) == pytest.approx(10)


def test_small_hypernetworks(generator_files, tmp_path, monkeypatch, capsys):
    """Each is trained if it is not there, predicts for networks of each kind, and stands beside short trainings."""
    images = load_images("digits", image_size=16, train_images=40, test_images=50)
    monkeypatch.setattr(small_ghns, "_images", lambda *_: images)
    few = {name: replace(group, number=1) for name, group in small_ghns.GROUPS.items() if name != "ResNet-50"}
    monkeypatch.setattr(small_ghns, "GROUPS", few)
    monkeypatch.setattr(small_ghns, "TRAINED_NETWORKS", 1)
    monkeypatch.setattr(small_ghns, "DARTS", DARTS.resized(n_cells=4, C=8))
    for preset in ("ghn1-small", "ghn2-small", "mlp-small"):
        tiny = replace(GHN_PRESETS[preset].recipe, steps_per_epoch=1, meta_batch=1, batch_size=4)
        monkeypatch.setitem(GHN_PRESETS, preset, replace(GHN_PRESETS[preset], recipe=tiny))
    shorter = {name: (preset, seed, epochs // 30) for name, (preset, seed, epochs) in small_ghns.GHNS.items()}
    monkeypatch.setattr(small_ghns, "GHNS", shorter)
    out = tmp_path / "out.json"
    assert small_ghns.main([*map(str, (generator_files, tmp_path, tmp_path / "ghns", "--out", out))]) == 0
    results = json.loads(out.read_text())["results"]
    assert sorted(path.name for path in (tmp_path / "ghns").iterdir()) == [
        "ghn1-small-0-1",
        "ghn2-small-0-1",
        "ghn2-small-1-1",
        "ghn2-small-2-1",
        "mlp-small-0-1",
    ]
    assert set(results["training"]) == set(small_ghns.GHNS) - {small_ghns.BUNDLED}
    for name in small_ghns.GHNS:
        assert {group: list(found) for group, found in results[name].items()} == {key: ["0"] for key in few}
    for name in small_ghns.SGD:
        assert 0 <= results[name]["like training"]["0"] <= 1
    assert out.with_suffix(".png").exists()
    assert "│ MLP" in capsys.readouterr().out


def test_a_training_that_diverges_counts_in_no_mean():
    he, predicted, orthogonal = ghn_finetuning.STARTS
    accuracies = [(0.2, None, 0.3), (0.4, 0.5, 0.5), (0.3, 0.4, 0.4)]
    by_seed = {
        str(i): {name: {"test": value} for name, value in zip((he, predicted, orthogonal), found, strict=True)}
        for i, found in enumerate(accuracies)
    }
    (table,) = ghn_finetuning.tables({"short": by_seed})
    cells = [list(map(str, column.cells)) for column in table.columns]
    assert cells[2] == ["3", "2", "3"]
    assert cells[3] == ["30.0 ± 8.2", "45.0 ± 5.0", "40.0 ± 8.2"]
    assert cells[4][1:] == ["+10.0 ± 0.0", "+10.0 ± 0.0"]
