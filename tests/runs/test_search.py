import json
import shutil
import subprocess
import sys
from dataclasses import replace
from typing import Any

import optuna
import pyarrow.parquet as pq
import pytest
import torch
from optuna.trial import TrialState
from rich.console import Console
from safetensors.torch import load_file

import tart_nas
from tart_nas.architecture import Architecture
from tart_nas.errors import ArchitectureError, PredictorError, RunFolderError, SettingError
from tart_nas.genotype import Genotype
from tart_nas.graphs import ComputationalGraph
from tart_nas.images import load_images
from tart_nas.networks import build_network, parameter_count
from tart_nas.runs import SearchResult, read_candidates
from tart_nas.runs.figures import result_figure
from tart_nas.runs.training import Trainer
from tart_nas.training import evaluate
from tests.runs.conftest import SMALL, SMALL_OPTIONS, outcome
from tests.runs.pages import Page

pytestmark = pytest.mark.usefixtures("undrawn")


def test_the_folder_holds_all_that_is_promised(finished):
    folder = finished.folder
    assert sorted(p.name for p in folder.iterdir() if p.name[0] != ".") == [
        "artifacts",
        "candidates.parquet",
        "config.json",
        "report.html",
        "report.json",
        "report.png",
        "study.sqlite3",
        "weights",
    ]
    table = pq.read_table(folder / "candidates.parquet").to_pydict()
    assert len(table["score"]) == 60
    assert table["score"] == sorted(table["score"], reverse=True)
    study = optuna.load_study(study_name=None, storage=f"sqlite:///{folder / 'study.sqlite3'}")
    assert [t.user_attrs["pick"] for t in study.trials] == ["top-1", "top-2", "random-1"]
    for trial in study.trials:
        assert trial.state.name == "COMPLETE"
        assert sorted(trial.intermediate_values) == [e["epoch"] for e in trial.user_attrs["curve"]]
        assert len(trial.intermediate_values) == 2
        assert trial.value == trial.intermediate_values[max(trial.intermediate_values)]
        place = trial.user_attrs["rank"] - 1
        assert trial.user_attrs["predicted_score"] == table["score"][place]
        judged = Architecture.from_dict(json.loads(table["architecture"][place]))
        assert Genotype.from_dict(json.loads(trial.user_attrs["genotype"])) == judged.genotype
        assert judged.C == 32
    assert [t.user_attrs["rank"] for t in study.trials[:2]] == [1, 2]


def test_the_weights_are_those_of_the_trained_network(finished):
    for p in finished.picks:
        assert (p.pick.trained.n_cells, p.pick.trained.C) == (2, 4)
        network = build_network(p.pick.trained, num_classes=10)
        network.load_state_dict(load_file(finished.folder / "weights" / p.pick.name / "weights.safetensors"))
        assert p.pick.parameters == parameter_count(p.pick.trained)


def test_the_candidates_are_scored_by_the_predictor(finished, ridge):
    ranked = tart_nas.DartsSpace().sample(60, seed=0)
    scores = sorted(ridge[0].predict(ranked), reverse=True)
    assert finished.scores.tolist() == pytest.approx(scores)


def test_the_result_prints_loads_and_plots(finished):
    text = str(finished)
    assert "60 candidates scored" in text
    for name in ("top-1", "top-2", "random-1"):
        assert name in text
    loaded = SearchResult.load(finished.folder)
    assert str(loaded) == text
    assert loaded.to_dict() == finished.to_dict() == json.loads((finished.folder / "report.json").read_text())
    assert finished.best in finished.top
    assert len(result_figure(finished).axes) == 4
    gain = finished.gain()
    assert text.splitlines()[-3:] == [
        gain.sentence(),
        finished.predicted_gain_sentence(),
        finished.agreements()[0].sentence(),
    ]
    assert gain.difference == pytest.approx(
        sum(p.test_accuracy for p in finished.top) / 2 - finished.random[0].test_accuracy
    )
    assert (gain.n_top, gain.n_random, gain.test_images) == (2, 1, 297)
    assert json.loads((finished.folder / "report.json").read_text())["gain"]["low"] == gain.low
    assert gain.sentence() in Page((finished.folder / "report.html").read_text()).text


def test_the_result_says_what_made_it(finished, ridge, tmp_path, command):
    made = finished.provenance
    assert made.command.startswith("tart_nas.search(space=DartsSpace(n_cells=8, C=32, ")
    assert "predictor=<ridge predictor>, candidates=60, top_k=2, random=1, " in made.command
    assert "budget=TrainingBudget(n_cells=2, C=4, train_images=120" in made.command
    assert made.predictor == "ridge"
    assert made.made <= finished.finished
    assert torch.__version__.startswith(made.versions["torch"])
    assert finished.image_counts == {"train": 120, "validation": 150, "test": 297}
    n = torch.get_num_threads()
    for p in finished.picks:
        assert (p.state, p.device) == ("trained", f"cpu, {n} thread{'s' if n > 1 else ''}")
        assert p.seconds == sum(epoch["seconds"] for epoch in p.curve) > 0
        assert p.pick.multiply_accumulates == ComputationalGraph.from_architecture(p.pick.trained, 10, 8).macs
    options = [*SMALL_OPTIONS, "--top-k", 1, "--random", 0, "--epochs", 1, "--predictor", ridge[1]]
    assert command("search", "--out", tmp_path / "run", *options)[0] == 0
    made = SearchResult.load(tmp_path / "run").provenance
    assert str(made.command).startswith(f"tart-nas search --out {tmp_path}/run --space darts --candidates 60 ")
    assert made.predictor == str(ridge[1])


def test_an_unfinished_run_is_read_as_far_as_it_came(finished, tmp_path):
    shutil.copytree(finished.folder, tmp_path / "run")
    (tmp_path / "run/report.json").unlink()
    own = f"sqlite:///{tmp_path}/run/study.sqlite3"
    storage = optuna.storages.RDBStorage(own)
    study = optuna.load_study(study_name=None, storage=storage)
    first, running, failed = study.trials
    half = optuna.create_study(study_name="half", storage=storage, direction="maximize")
    half.set_user_attr("scoring_seconds", study.user_attrs["scoring_seconds"])
    half.add_trial(first)
    for trial, state in ((running, TrialState.RUNNING), (failed, TrialState.FAIL), (running, TrialState.WAITING)):
        attributes = {**trial.user_attrs, "pick": f"top-{2 + len(half.trials)}", "failure": "of the test"}
        values: dict[str, Any] = {
            "value": None,
            "state": state,
            "intermediate_values": {1: 0.5} if state.name == "RUNNING" else {},
        }
        del attributes["curve"]
        half.add_trial(optuna.trial.create_trial(user_attrs=attributes, **values))
    config = json.loads((tmp_path / "run/config.json").read_text())
    (tmp_path / "run/config.json").write_text(json.dumps({**config, "study": "half"}))
    with pytest.raises(RunFolderError, match="has not finished"):
        SearchResult.load(tmp_path / "run")
    result = SearchResult.load(tmp_path / "run", unfinished=True)
    assert [p.state for p in result.picks] == ["trained", "running", "failed", "waiting"]
    assert [p.failure for p in result.picks] == [None, None, "of the test (the same command tries it again)", None]
    assert result.picks[1].curve == ({"epoch": 1, "validation_accuracy": 0.5},)
    assert not result.is_finished
    assert result.best.pick.name == "top-1"
    assert "running" in str(result)
    json.dumps(result.to_dict(), allow_nan=False)
    (tmp_path / "run/candidates.parquet").unlink()
    with pytest.raises(RunFolderError, match="has scored no candidates yet"):
        SearchResult.load(tmp_path / "run", unfinished=True)


def test_the_report_is_one_file_that_needs_no_other(finished):
    page = Page((finished.folder / "report.html").read_text())
    for part in ("top-1", "random-1", "sep_conv", "Learning curves", "scikit-learn", finished.provenance.command):
        assert part in page.text
    assert page.asked == []


def test_the_same_call_changes_nothing(finished, ridge):
    before = {path: path.stat().st_mtime_ns for path in finished.folder.rglob("*.safetensors")}
    known = outcome(finished.folder)
    again = tart_nas.search(predictor=ridge[0], out=finished.folder, **SMALL)
    assert outcome(finished.folder) == known
    assert {path: path.stat().st_mtime_ns for path in finished.folder.rglob("*.safetensors")} == before
    assert again.to_dict() == finished.to_dict()


def test_other_settings_are_refused_and_nothing_is_lost(finished, ridge):
    known = outcome(finished.folder)
    with pytest.raises(RunFolderError, match=r"other settings \(top_k 2 then, 3 now\)"):
        tart_nas.search(predictor=ridge[0], out=finished.folder, **{**SMALL, "top_k": 3})
    with pytest.raises(RunFolderError, match=r"recipe.lr 0.05 then, 0.1 now"):
        recipe = tart_nas.TrainingRecipe(epochs=2, batch_size=40, lr=0.1)
        tart_nas.search(predictor=ridge[0], out=finished.folder, **{**SMALL, "recipe": recipe})
    assert outcome(finished.folder) == known


def test_a_folder_of_something_else_is_refused(ridge, tmp_path):
    (tmp_path / "thesis.tex").write_text("years of work")
    with pytest.raises(RunFolderError, match=r"not a run folder \(it holds thesis.tex"):
        tart_nas.search(predictor=ridge[0], out=tmp_path, **SMALL)
    with pytest.raises(RunFolderError, match="cannot be"):
        tart_nas.search(predictor=ridge[0], out=tmp_path / "thesis.tex", **SMALL)
    assert [p.name for p in tmp_path.iterdir()] == ["thesis.tex"]


def test_foreign_files_in_the_folder_are_refused(ridge, tmp_path, finished):
    for name in ("study.sqlite3", "candidates.parquet", "config.json"):
        folder = tmp_path / name
        folder.mkdir()
        (folder / "config.json").write_bytes((finished.folder / "config.json").read_bytes())
        (folder / name).write_text("not what it should be")
        with pytest.raises(RunFolderError, match=name):
            tart_nas.search(predictor=ridge[0], out=folder, **SMALL)
        assert (folder / name).read_text() == "not what it should be"


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"top_k": 58, "random": 3}, "58 and 3 of 60"),
        ({"top_k": 0}, "`top_k`"),
        ({"random": -1}, "`random`"),
        ({"candidates": 0}, "`candidates`"),
        ({"candidates": []}, "`candidates`"),
        ({"seed": -1}, "`seed`"),
        ({"dataset": "mnist"}, "mnist"),
        ({"budget": {"image_size": 4}}, "`image_size` of the training budget must be a whole number of at least 8"),
        ({"engine": "nnii"}, "`engine` must be one of process, nni, ray, but got 'nnii'"),
        ({"nni_port": 8081}, "are for `engine` 'nni'"),
    ],
)
def test_wrong_arguments(changes, message, ridge, tmp_path):
    with pytest.raises(SettingError, match=message):
        if "budget" in changes:
            changes = {"budget": tart_nas.TrainingBudget(**changes["budget"])}
        tart_nas.search(predictor=ridge[0], out=tmp_path / "new", **{**SMALL, **changes})
    assert not (tmp_path / "new").exists()


def test_a_search_is_importable_without_what_only_its_report_needs():
    """Each of them takes a second or more to import."""
    program = "import sys, tart_nas; tart_nas.search; print({'matplotlib', 'scipy.stats'} & {*sys.modules})"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout == "set()\n"


def test_the_nni_engine_says_what_it_needs_where_nni_is_missing(tmp_path, fork_server):
    program = "import sys; sys.modules['nni'] = None; from tart_nas.cli import main; main()"
    status, out, errors = fork_server.run("search", "--engine", "nni", "--out", tmp_path / "new", code=program)
    assert (status, out, errors.count("\n")) == (2, "", 1)
    assert "pip install '.[nni]'" in errors
    assert not (tmp_path / "new").exists()


def test_a_space_the_predictor_does_not_know_is_refused(ridge, tmp_path):
    with pytest.raises(PredictorError, match="C 16"):
        tart_nas.search(predictor=ridge[0], out=tmp_path / "new", **{**SMALL, "space": tart_nas.DartsSpace(C=16)})


def test_given_candidates_and_diverging_networks(ridge, tmp_path):
    given = tart_nas.DartsSpace().sample(5, seed=9)
    settings: dict[str, Any] = {
        **SMALL,
        "candidates": given,
        "top_k": 2,
        "random": 0,
        "recipe": tart_nas.TrainingRecipe(epochs=2, batch_size=40, lr=1e12, gradient_clip=1e12),
    }
    result = tart_nas.search(predictor=ridge[0], out=tmp_path / "run", **settings)
    assert {p.pick.architecture for p in result.picks} <= set(given)
    assert all(p.failure and "loss" in p.failure and p.test_accuracy is None for p in result.picks)
    assert "failed" in str(result)
    assert "failed" in (tmp_path / "run/report.html").read_text()
    with pytest.raises(RunFolderError, match="No picked network could be trained"):
        _ = result.best
    assert str(SearchResult.load(tmp_path / "run")) == str(result)


def test_candidates_are_read_in_every_form(tmp_path):
    space = tart_nas.DartsSpace()
    architectures = space.sample(4, seed=0)
    entries: list[Any] = [
        architectures[0].to_dict(),
        architectures[1].genotype.to_dict(),
        repr(architectures[2].genotype),
        architectures[3].to_dict() | {"num_params": 3},
    ]
    (tmp_path / "list.json").write_text(json.dumps(entries))
    (tmp_path / "lines.jsonl").write_text("\n".join(map(json.dumps, entries)))
    assert read_candidates(tmp_path / "list.json", space) == architectures
    assert read_candidates(tmp_path / "lines.jsonl", space) == architectures
    entries[1]["normal"][0][0] = "conv_9x9"
    (tmp_path / "list.json").write_text(json.dumps(entries))
    with pytest.raises(ArchitectureError, match=r"Entry 1 of .*list.json: Unknown operation 'conv_9x9'"):
        read_candidates(tmp_path / "list.json", space)
    for text in ("[]", "", "{", "[1, 2]", "\x00"):
        (tmp_path / "bad.json").write_text(text)
        with pytest.raises(ArchitectureError, match="bad.json"):
            read_candidates(tmp_path / "bad.json", space)
    with pytest.raises(ArchitectureError, match="missing.json"):
        read_candidates(tmp_path / "missing.json", space)


def test_loading_needs_a_finished_run(tmp_path, finished):
    with pytest.raises(RunFolderError, match="has no config.json"):
        SearchResult.load(tmp_path)
    (tmp_path / "config.json").write_bytes((finished.folder / "config.json").read_bytes())
    with pytest.raises(RunFolderError, match="has not finished"):
        SearchResult.load(tmp_path)


def test_the_default_images_come_with_the_package(ridge, tmp_path):
    result = tart_nas.search(
        tart_nas.DartsSpace(),
        predictor=ridge[0],
        candidates=5,
        top_k=1,
        budget=tart_nas.TrainingBudget(n_cells=1, C=4, train_images=20, image_size=8),
        recipe=tart_nas.TrainingRecipe(epochs=1, batch_size=20),
        out=tmp_path / "run",
        device="cpu",
    )
    assert result.settings.dataset == "cifar10-sample"
    assert "CIFAR-10, the sample that comes with the package" in (tmp_path / "run/report.html").read_text()
    assert result.image_counts == {"train": 20, "validation": 1000, "test": 2000}


def test_networks_are_trained_and_tested_on_reduced_images(ridge, tmp_path, command):
    options = ["--predictor", ridge[1], "--out", tmp_path / "run", *SMALL_OPTIONS, "--top-k", 1, "--random", 0]
    assert command("search", *options, "--image-size", 16)[0] == 0
    result = SearchResult.load(tmp_path / "run")
    assert result.settings.budget.image_size == 16
    trained = result.best.pick.trained
    assert isinstance(trained, Architecture)
    network = build_network(trained, num_classes=10, image_size=16)
    network.load_state_dict(load_file(tmp_path / "run/weights/top-1/weights.safetensors"))
    images = load_images("digits", train_images=120, image_size=16)
    assert evaluate(network, images.test, images, device="cpu") == result.best.test_accuracy
    trainer = Trainer.joining(tmp_path / "run", None, None, "cpu", Console(quiet=True))  # what a worker begins with
    assert trainer.images.image_size == 16
    status, _, errors = command("search", *options, "--image-size", 24)
    assert (status, "budget.image_size 16 then, 24 now" in errors) == (2, True)
    status, _, errors = command("search", *options, "--out", tmp_path / "new", "--image-size", 4)
    assert (status, "--image-size" in errors) == (2, True)
    assert not (tmp_path / "new").exists()


def test_a_folder_from_before_budgets_had_image_sizes(ridge, tmp_path):
    settings: dict[str, Any] = {**SMALL, "predictor": ridge[0], "top_k": 1, "random": 0, "out": tmp_path}
    settings["budget"] = replace(SMALL["budget"], image_size=None)
    result = tart_nas.search(**settings)
    config = json.loads((tmp_path / "config.json").read_text())
    del config["settings"]["budget"]["image_size"]
    (tmp_path / "config.json").write_text(json.dumps(config))
    assert tart_nas.search(**settings).to_dict() == result.to_dict()
