import json

import numpy as np
import pytest

import tart_nas
from tart_nas.errors import RunFolderError, SettingError
from tart_nas.runs import SearchResult
from tart_nas.runs.figures import result_figure
from tart_nas.runs.folder import RunFolder
from tart_nas.strategies import cell_distance
from tests.runs.conftest import SMALL, outcome
from tests.undrawn import undrawn_figures

pytestmark = pytest.mark.usefixtures("undrawn")

ROUNDS = {
    **SMALL,
    "top_k": 2,
    "random": 2,
    "rounds": 2,
    "strategy": "active",
    "min_distance": 6,
    "budget": tart_nas.TrainingBudget(n_cells=2, C=4, train_images=200, image_size=8),  # enough to tell networks apart
    "recipe": tart_nas.TrainingRecipe(epochs=2, batch_size=20, lr=0.05),
}


@pytest.fixture(scope="module")
def in_rounds(ridge, tmp_path_factory):
    with undrawn_figures():
        return tart_nas.search(predictor=ridge[0], out=tmp_path_factory.mktemp("run") / "folder", **ROUNDS)


def test_later_rounds_rank_the_rest_by_what_was_measured(in_rounds):
    picks = [p.pick for p in in_rounds.picks]
    assert [pick.name for pick in picks] == ["top-1", "top-2", "random-1", "random-2", "top-3", "top-4"]
    assert [pick.round for pick in picks] == [1, 1, 1, 1, 2, 2]
    assert len({pick.rank for pick in picks}) == 6
    assert [pick.expected is None for pick in picks] == [True] * 4 + [False] * 2
    assert all(0 <= pick.expected <= 1.2 for pick in picks[4:])  # validation accuracies, not the predictor's per cent
    top = [pick.architecture for pick in picks if not pick.is_random]
    assert min(cell_distance(a, b) for a in top for b in top if a is not b) >= 6


@pytest.mark.parametrize("strategy", [pytest.param("topk", marks=pytest.mark.slow), "active"])
def test_the_second_round_stays_at_the_top_of_the_ranking(strategy, tmp_path):
    """The first round labels the predictor's own narrow top: that must not turn the ranking of all others round."""
    settings = {**SMALL, "candidates": 600, "top_k": 4, "random": 0, "rounds": 2, "strategy": strategy}
    settings["recipe"] = tart_nas.TrainingRecipe(epochs=1, batch_size=40, lr=0.05)
    result = tart_nas.search(predictor="darts-cifar10", out=tmp_path / "run", **settings)
    ranks = [p.pick.rank for p in result.picks if p.pick.round == 2]
    assert len(ranks) == 4
    assert max(ranks) <= 200


def test_the_report_shows_the_best_so_far(in_rounds):
    accuracies = [p.validation_accuracy for p in in_rounds.picks]
    assert in_rounds.best_so_far() == [max(accuracies[: i + 1]) for i in range(6)]
    assert in_rounds.to_dict()["best_so_far"] == in_rounds.best_so_far()
    axes = result_figure(in_rounds).axes[3]
    assert "rounds" in axes.get_title(loc="left")
    assert np.asarray(axes.lines[0].get_ydata()).tolist() == pytest.approx(
        [100 * best for best in in_rounds.best_so_far()]
    )


def test_the_same_call_changes_nothing(in_rounds, ridge):
    known = outcome(in_rounds.folder)
    again = tart_nas.search(predictor=ridge[0], out=in_rounds.folder, **ROUNDS)
    assert outcome(in_rounds.folder) == known
    assert again.to_dict() == in_rounds.to_dict()


def test_evolution_finds_its_candidates(ridge, tmp_path):
    settings = {**SMALL, "candidates": 700, "top_k": 1, "random": 0, "strategy": "evolution"}
    result = tart_nas.search(predictor=ridge[0], out=tmp_path / "run", **settings)
    sampled = ridge[0].predict(tart_nas.DartsSpace().sample(700, seed=0))
    assert len(result.scores) == 700
    assert result.scores[0] > sampled.max()
    with pytest.raises(SettingError, match="finds its own candidates"):
        tart_nas.search(
            predictor=ridge[0], out=tmp_path / "other", **{**settings, "candidates": tart_nas.DartsSpace().sample(9, 0)}
        )


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"strategy": "luck"}, "topk, evolution, active, generate, but got 'luck'"),
        ({"rounds": 0}, "`rounds` must be a whole number of at least 1"),
        ({"rounds": 31}, "2 in each of 31 rounds and 1 of 60"),
        ({"min_distance": -1}, "`min_distance`"),
        ({"heartbeat": 0}, "`heartbeat` must be a number above 0"),
        ({"storage": "nonsense"}, "must be an address such as"),
        ({"storage": "grpc://host"}, "grpc://HOST:PORT"),
    ],
)
def test_wrong_arguments(changes, message, ridge, tmp_path):
    with pytest.raises(SettingError, match=message):
        tart_nas.search(predictor=ridge[0], out=tmp_path / "new", **{**SMALL, **changes})


def test_a_run_of_an_earlier_version_is_read(in_rounds, finished, tmp_path):
    config = json.loads((finished.folder / "config.json").read_text())
    for name in ("strategy", "rounds", "min_distance"):
        del config["settings"][name]
    del config["storage"], config["study"]
    (tmp_path / "config.json").write_text(json.dumps(config))
    assert RunFolder(tmp_path).read_settings() == finished.settings
    assert RunFolder(tmp_path).read_place() == (None, "tart-nas search")


def test_another_storage_is_refused(finished, ridge):
    with pytest.raises(RunFolderError, match=r"is in .*study.sqlite3, not in journal:///elsewhere"):
        tart_nas.search(predictor=ridge[0], out=finished.folder, **{**SMALL, "storage": "journal:///elsewhere"})
    assert str(SearchResult.load(finished.folder)) == str(finished)
