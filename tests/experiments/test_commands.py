"""Every experiment tells its options; those of speed and gains run in a tiny form."""

import json
import re
import sys
from importlib import import_module
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from optuna._hypervolume import compute_hypervolume
from scipy import stats

from tart_nas import experiments
from tart_nas.experiments import (
    first_run,
    front_search,
    generation,
    graph_tokens_speed,
    optuna_gain,
    optuna_speed,
    update_safety,
)
from tart_nas.experiments.results_file import ResultsFile
from tart_nas.experiments.tables import mean_and_interval
from tart_nas.runs import TrainingBudget
from tart_nas.training import TrainingRecipe

FOLDER = Path(str(experiments.__file__)).parent
NAMES = sorted(
    path.stem for path in FOLDER.glob("*.py") if re.search(r"^(def )?main\b", path.read_text(), re.M)
)  # the others are shared


def run(name, *options):
    return import_module(f"tart_nas.experiments.{name}").main([*map(str, options)])


@pytest.mark.parametrize("name", NAMES)
def test_each_tells_its_options(name, capsys):
    with pytest.raises(SystemExit) as ended:
        run(name, "--help")
    assert ended.value.code == 0
    assert f"python -m tart_nas.experiments.{name}" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("name", "options", "rows"),
    [
        ("cell_scoring_speed", ("--candidates", 200, "--threads", 1), ("sampled as tokens", "sampled, scored, ranked")),
        ("streamed_scoring", ("--candidates", 200, "--preselect", "--compare"), ("10%", "50%", "100%")),
        (
            "cell_scoring_speed",
            ("--space", "deepnets1m", "--candidates", 50),
            ("tokens alone", "architectures to scor"),
        ),
        ("measure_labels", ("--minutes", 0), ("val_acc", "darts-cifar10")),
        ("architecture_strings", ("--networks", 5, "--rounds", 1), ("darts: one symbol replaced", "dense: encode")),
    ],
)
def test_speeds_and_labels(name, options, rows, capsys):
    assert run(name, *options) == 0
    printed = capsys.readouterr().out
    assert all(f"│ {row}" in printed for row in rows)


def test_storage_speed(tmp_path, capsys):
    options = ("--trials", 1, "--epochs", 1, "--rounds", 1, "--out", tmp_path / "speed.json", "--storage")
    assert run("storage_speed", *options, f"another=journal:///{tmp_path / 'study.log'}") == 0
    results = json.loads((tmp_path / "speed.json").read_text())["results"]["storages"]
    assert {*results} == {"SQLite", "journal", "another"}
    assert all(speeds["trials_per_second"] > 0 for speeds in results.values())
    assert run("storage_speed", *options, "journal:///study.log") == 2
    assert "takes NAME=ADDRESS" in capsys.readouterr().err


def test_deepnets1m_speed(generator_files, capsys):
    options = ("--networks", 2, "--rounds", 1, "--memory-networks", 0)
    assert run("deepnets1m_speed", *options, "--meta", generator_files / "deepnets1m_eval_meta.json") == 0
    printed = capsys.readouterr().out
    assert all(f"│ {row}" in printed for row in ("generating val", "reading val", "graphs with distances"))


def test_ghn_speed(capsys):
    assert run("ghn_speed", "--rounds", 1, "--only", "messages") == 0
    assert "│ messages between the nodes of 8 networks" in capsys.readouterr().out


def test_graph_tokens_speed(monkeypatch, capsys):
    monkeypatch.setattr(graph_tokens_speed, "_MATRIX", {"cpu": 64})
    assert run("graph_tokens_speed", "--graphs", 4, "--rounds", 1, "--threads", 1) == 0
    printed = capsys.readouterr().out
    assert all(f"│ {row}" in printed for row in ("tokens with ORF", "tokens with LAP", "scoring, bfloat16"))


def test_training_speed(capsys):
    options = ("--dataset", "cifar10-sample", "--images", 96, "--validation", 10, "--rounds", 1)
    assert run("training_speed", *options, "--cells", 1, "--channels", 4) == 0
    printed = capsys.readouterr().out
    assert "│ tart_nas" in printed
    assert "engine's overhead: " in printed


def test_studies_of_optuna(darts_file, tmp_path, monkeypatch, capsys):
    few = {name: (optuna_gain.METHODS[name][0], 20) for name in ("TPE", "TPE + TartPruner")}
    monkeypatch.setattr(optuna_gain, "METHODS", few)
    assert run("optuna_gain", darts_file, "--out", tmp_path / "gain.json", "--seeds", 1) == 0
    results = json.loads((tmp_path / "gain.json").read_text())["results"]
    assert all(results[task][name]["0"]["trained"] == 20 for task in ("table", "surrogate") for name in few)
    assert results["table"]["TPE + TartPruner"]["0"]["trials"] > 20  # some were pruned
    monkeypatch.setitem(sys.modules, "smac", None)
    assert run("optuna_gain", darts_file, "--out", tmp_path / "gain.json", "--seeds", 1, "--only", "SMAC3") == 2
    assert "SMAC3 cannot be imported" in capsys.readouterr().err
    monkeypatch.setattr(optuna_speed, "SIZES", (0, 10))
    options = (darts_file, "--out", tmp_path / "speed.json", "--repeats", 1, "--only", "Optuna's random")
    assert run("optuna_speed", *options) == 0
    assert run("optuna_speed", *options[:-1], optuna_speed.PRUNERS[0]) == 0
    assert f"│ {optuna_speed.PRUNERS[0]} " in capsys.readouterr().out


def test_search_by_strings(tmp_path, capsys):
    options = ("--out", tmp_path / "out.json", "--calls", 40, "--trials", 2, "--seeds", 1)
    assert run("string_search", *options) == 0
    results = json.loads((tmp_path / "out.json").read_text())["results"]
    assert {title: len(methods) for title, methods in results.items()} == {
        "evolution, DARTS": 4,
        "evolution, DeepNets-1M": 4,
        "TPE, DARTS": 2,
    }
    assert "strings, crossed" in capsys.readouterr().out


def test_fronts(tmp_path, capsys):
    options = ("--out", tmp_path / "out.json", "--evaluations", 40, "--seeds", 1, "--timed-seeds", 0)
    assert run("front_search", *options) == 0
    printed = capsys.readouterr().out
    assert "NSGA-II" in printed
    results = json.loads((tmp_path / "out.json").read_text())["results"]["fronts"]
    for method in results.values():
        front = np.array(method["0"]["fronts"]["40"])
        worst = np.array(method["0"]["worst"])
        expected = compute_hypervolume(-front, -worst)  # Optuna's, which minimises
        assert front_search.hypervolume(front, worst) == pytest.approx(expected)


@pytest.mark.slow
def test_generation(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(generation, "FRESH", 20)
    assert run("generation", "--out", tmp_path / "out.json", "--calls", 300, "--seeds", 1) == 0
    results = json.loads((tmp_path / "out.json").read_text())["results"]
    assert results["generator"]["0"]["fresh"]["valid"] == 1
    assert all(len(results[method]["0"]["top"]) == 10 for method in generation.METHODS)
    assert "generator above random" in capsys.readouterr().out


def test_the_interval_of_a_mean():
    differences = [1.0, 2.5, 4.0, 2.0]
    low, high = stats.t.interval(0.95, 3, loc=np.mean(differences), scale=stats.sem(differences))
    mean, half = (float(part) for part in mean_and_interval(differences, 6).split(", 95 % ± "))
    assert (mean - half, mean + half) == pytest.approx((low, high), abs=1e-5)
    assert mean_and_interval([-1.234]) == "-1.23"


def test_the_first_run(tmp_path, monkeypatch, capsys, undrawn):
    monkeypatch.setattr(first_run, "CANDIDATES", 20)
    monkeypatch.setattr(first_run, "TRAINED", 1)
    budget = TrainingBudget(n_cells=2, C=8, train_images=32, image_size=8)
    of_all = {"budget": budget, "recipe": TrainingRecipe(epochs=1, batch_size=16)}
    monkeypatch.setattr(first_run, "training", lambda space: of_all)
    options = ("--out", tmp_path / "out.json", "--runs", tmp_path, "--seeds", 3)
    assert run("first_run", *options) == 0
    assert "darts" not in capsys.readouterr().out, "it takes long: only where it is named"
    assert run("first_run", *options, "--only", "darts") == 0
    printed = capsys.readouterr().out
    assert "deepnets1m: 1 searches" in printed
    assert "darts: 1 searches" in printed
    monkeypatch.setattr(first_run, "MORE", 2)
    monkeypatch.setattr(first_run, "MORE_SEEDS", (101,))
    assert run("first_run", *options, "--only", "darts, random") == 0
    results = json.loads((tmp_path / "out.json").read_text())["results"]
    assert len(results.pop("darts, random")["101"]["random"]) == 2
    assert "│ 3 " in capsys.readouterr().out, "one of the search and two others"
    for searches in results.values():
        assert len(searches["3"]["top"]) == len(searches["3"]["random"]) == 1
        assert len(searches["3"]["validation"]["top"]) == 1


def test_what_a_random_search_is_expected_to_find():
    networks = [(0.3, 0.1), (0.1, 0.5), (0.2, 0.3), (0.4, 0.2)]
    for n in (1, 2, 3, 4):
        found = [max(chosen)[1] for chosen in combinations(networks, n)]
        assert first_run._expected(networks, n) == pytest.approx(np.mean(found))


@pytest.mark.slow
def test_drawn_objects_are_detected(tmp_path, capsys):
    options = ("--out", tmp_path / "out.json", "--runs", tmp_path)
    assert run("drawn_detection", *options) == 0
    (epochs,) = json.loads((tmp_path / "out.json").read_text())["results"].values()
    assert epochs[-1]["AP50"] > 0.5
    assert "training loss" in capsys.readouterr().out


def test_update_safety_sums_up_its_rows(tmp_path, capsys):
    """The committed results have all seeds, and the summary is computed from their rows."""
    results = json.loads((FOLDER / "update_safety.json").read_text())["results"]
    assert {pool: len(by_seed) for pool, by_seed in results["top"].items()} == {"1500": 20, "3000": 20}
    assert len(results["small"]) == len(results["contradiction"]) == 10
    names = results["top"]["1500"]["0"].keys()
    draws = {str(seed): dict.fromkeys(names, row) for seed, row in enumerate(([0.5, 0.01, 0.02], [0.9, 0.03, 0.06]))}
    made: dict[str, Any] = {"top": {"1500": draws}, "contradiction": {"0": 0.8, "1": 0.6}, "small": {}}
    for seed, tau in enumerate((0.1, 0.3)):
        made["small"][str(seed)] = {method: [tau] * len(update_safety.FEW) for method in update_safety.SMALL_METHODS}
    top, contradiction, small = update_safety.tables(made)
    cells = [list(column.cells) for column in top.columns]
    assert [row[0] for row in cells] == [*"own 4 1500 0.1 2 0.70 0.50".split(), "2.0 %", "3.0 %", "4.0 %", "6.0 %"]
    assert [next(iter(c.cells)) for c in contradiction.columns] == ["tau with them", "2", "0.70", "0.60"]
    assert [list(c.cells)[2] for c in small.columns] == ["updated", *["0.200"] * len(update_safety.FEW)]
    assert run("update_safety", "--out", tmp_path / "out.json", "--seeds", 2, "--only", "contradiction") == 0
    found = json.loads((tmp_path / "out.json").read_text())["results"]["contradiction"]["0"]
    assert found == pytest.approx(results["contradiction"]["0"], abs=0.01)


def test_committed_results_are_read_and_shown(tmp_path):
    for path in FOLDER.glob("*.json"):
        content = json.loads(path.read_text())
        module, results = import_module(f"tart_nas.experiments.{path.stem}"), content["results"]
        assert ResultsFile(path, content["setting"]).results == results
        figure = getattr(module, "figure", None)
        assert figure is None or len(figure(results).axes) > 0
