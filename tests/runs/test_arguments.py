"""What is wrong is said before anything is written, and a corrected call may take the same folder."""

import json
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import optuna
import pytest

import tart_nas
from tart_nas.deepnets1m import DeepNets1M
from tart_nas.errors import ImageDataError, PredictorError, RunFolderError, SettingError
from tart_nas.runs.folder import RunFolder
from tart_nas.runs.provenance import Provenance
from tart_nas.runs.queue import run_queue
from tart_nas.runs.study import plan, study_of_run
from tart_nas.search_spaces import DartsSpace, DeepNets1MSpace
from tart_nas.trials import RetryWhileUnreachable
from tests.runs.conftest import SMALL

pytestmark = pytest.mark.usefixtures("undrawn")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"space": "darts"}, "`space` must be a search space such as .*, but got 'darts'"),
        ({"space": DartsSpace}, "`space` must be a search space"),
        ({"predictor": 3}, "`predictor` must be a Predictor, the name of a bundled one, .*, but got 3"),
        ({"candidates": "many"}, "`candidates` must be a number or a list of architectures, but got 'many'"),
        ({"candidates": [DartsSpace().sample(1, 0)[0].genotype]}, "entry 0 is Genotype"),
        ({"budget": 5}, "`budget` must be a TrainingBudget or the name of one, but got 5"),
        ({"recipe": {"epochs": 3}}, "`recipe` must be a TrainingRecipe, but got {'epochs': 3}"),
        ({"dataset": "cifar"}, "`dataset` must be one of cifar10-sample, .*, but got 'cifar'"),
        ({"out": 7}, "`out` must be a path, but got 7"),
        ({"heartbeat": "soon"}, "`heartbeat` must be a number of seconds, but got 'soon'"),
        ({"storage": "nonsense"}, "must be an address such as"),
        ({"top_k": 2.5}, "`top_k` must be a whole number of at least 1, but got 2.5"),
        ({"budget": tart_nas.TrainingBudget(train_images=10_000)}, "`train_images` of .* must be a whole number in"),
        (
            {"space": DeepNets1MSpace("search"), "predictor": "params", "budget": tart_nas.TrainingBudget(C=1)},
            "does not fit candidate [0-9]+: `C` must be at least",
        ),
    ],
)
def test_wrong_arguments_write_nothing(changes, message, ridge, tmp_path):
    with pytest.raises(SettingError, match=message):
        tart_nas.search(**{"predictor": ridge[0], "out": tmp_path / "new", **SMALL, **changes})
    leftover = [path.name for path in (tmp_path / "new").glob("*") if path.name[0] != "."]
    assert not any(name in leftover for name in ("candidates.parquet", "weights", "report.json"))
    if "fit candidate" not in message:  # that one is found when all candidates are sampled
        assert leftover == []


def test_missing_images_and_strange_candidates_write_nothing(ridge, tmp_path):
    changes = {"dataset": "cifar10", "data_dir": tmp_path / "nowhere"}
    with pytest.raises(ImageDataError, match="nowhere"):
        tart_nas.search(predictor=ridge[0], out=tmp_path / "new", **{**SMALL, **changes})
    candidates = DartsSpace().sample(5, 0)
    candidates[3] = replace(candidates[3], C=16)
    with pytest.raises(PredictorError, match="Architecture 3 is outside .* C 16"):
        tart_nas.search(predictor=ridge[0], out=tmp_path / "new", **{**SMALL, "candidates": candidates})
    assert not (tmp_path / "new").exists()


def begun(folder, finished, storage=None):
    """A run that picked what another picked, with another number of candidates, and has trained nothing; its study."""
    settings = replace(finished.settings, candidates=90)
    with RunFolder(folder).claimed(settings, storage, Provenance()):
        study, _ = study_of_run(RunFolder(folder), storage)
        plan(study, [p.pick for p in finished.picks])
        (folder / "candidates.parquet").write_bytes((finished.folder / "candidates.parquet").read_bytes())
    return study


def test_a_folder_in_which_nothing_was_trained_takes_other_settings(finished, ridge, tmp_path):
    begun(tmp_path / "run", finished)
    result = tart_nas.search(predictor=ridge[0], out=tmp_path / "run", **SMALL)
    assert [p.pick for p in result.picks] == [p.pick for p in finished.picks]
    assert [p.test_accuracy for p in result.picks] == [p.test_accuracy for p in finished.picks]
    assert json.loads((tmp_path / "run/config.json").read_text())["settings"]["candidates"] == 60


def test_a_folder_with_a_claimed_trial_keeps_its_settings(finished, ridge, tmp_path):
    study = begun(tmp_path / "run", finished)
    with run_queue(study, 1.0, RetryWhileUnreachable(0), is_main=False).claimed() as claim:
        assert claim is not None
    with pytest.raises(RunFolderError, match=r"other settings \(candidates 90 then, 60 now\)"):
        tart_nas.search(predictor=ridge[0], out=tmp_path / "run", **SMALL)
    assert [t.state.name for t in study.trials] == ["RUNNING", "WAITING", "WAITING"]
    assert (tmp_path / "run/candidates.parquet").exists()


def test_a_study_elsewhere_in_which_nothing_was_trained_is_closed(finished, ridge, tmp_path):
    storage = f"sqlite:///{tmp_path}/elsewhere.sqlite3"
    earlier = begun(tmp_path / "run", finished, storage)
    name = earlier.study_name
    with pytest.raises(RunFolderError, match="candidates 90 then, 60 now"):
        tart_nas.search(predictor=ridge[0], out=tmp_path / "run", **SMALL)
    assert [trial.state.name for trial in earlier.trials] == ["WAITING"] * 3  # the folder may name any study
    tart_nas.search(predictor=ridge[0], out=tmp_path / "run", storage=storage, **SMALL)
    study = optuna.load_study(study_name=name, storage=storage)
    assert [trial.state.name for trial in study.trials] == ["FAIL"] * 3  # no worker trains them any more


def test_a_source_with_fewer_networks_gives_all_that_it_has(data, tmp_path):
    source = DeepNets1M(data / "deepnets1m", "search")
    there = len(set(source.architectures()))
    settings = {**SMALL, "top_k": 1, "random": 0, "predictor": "params"}
    settings["budget"] = tart_nas.TrainingBudget(n_cells=2, C=8, train_images=60, image_size=16)
    settings["recipe"] = tart_nas.TrainingRecipe(epochs=1, batch_size=30)
    result = tart_nas.search(**{**settings, "space": source, "candidates": there + 5}, out=tmp_path / "run")
    assert len(result.scores) == there
    assert f"{there} candidates (all that could be of the {there + 5} asked for) scored" in str(result)
    with pytest.raises(SettingError, match=f"got {there + 1} and 0 of {there}"):
        tart_nas.search(**{**settings, "space": source, "candidates": 99, "top_k": there + 1}, out=tmp_path / "other")


class _HalfKnown:
    """A space every second architecture of which has another size than the predictor knows."""

    name = "half-known"
    settings: Mapping[str, Any] = {}

    def sample(self, n, seed):
        known, unknown = tart_nas.DartsSpace(), tart_nas.DartsSpace(C=16)
        return [
            (known if i % 2 == 0 else unknown).architecture(a.genotype) for i, a in enumerate(known.sample(n, seed))
        ]


def test_sampled_candidates_that_the_predictor_does_not_judge_are_left_out(ridge, tmp_path):
    settings = {**SMALL, "space": _HalfKnown(), "top_k": 1, "random": 1}
    result = tart_nas.search(predictor=ridge[0], out=tmp_path / "run", **settings)
    assert len(result.scores) == 30
    assert np.isfinite(result.scores).all()
    assert {p.pick.architecture.to_dict()["C"] for p in result.picks} == {32}
    with pytest.raises(SettingError, match="got 31 and 1 of 30"):
        tart_nas.search(predictor=ridge[0], out=tmp_path / "other", **{**settings, "top_k": 31})
