"""The best of very many candidates, shard by shard."""

import numpy as np
import pytest

from tart_nas.architecture import Architecture
from tart_nas.errors import SettingError
from tart_nas.predictors import Predictor
from tart_nas.runs import streaming
from tart_nas.runs.streaming import best_of_space
from tart_nas.search_spaces import DartsSpace, DeepNets1MSpace


def test_it_gives_what_scoring_all_at_once_gives(ridge, monkeypatch):
    monkeypatch.setattr(streaming, "SHARD", 40)
    predictor, space = ridge[0], DartsSpace()
    advanced: list[int] = []
    best, scored = best_of_space(space, 100, predictor, k=5, seed=3, advance=advanced.append)
    assert scored == 100
    assert advanced == [40, 40, 20]
    scores = [score for score, _ in best]
    assert scores == sorted(scores, reverse=True)
    assert np.allclose(predictor.predict([network for _, network in best]), scores)
    everything, _ = best_of_space(space, 100, predictor, k=100, seed=3)
    assert everything[:5] == best
    fewer, _ = best_of_space(space, 80, predictor, k=100, seed=3)  # the same first shards
    assert set(fewer) < set(everything)
    forms = {space.canonical(network) for _, network in everything if isinstance(network, Architecture)}
    assert len(forms) == len(everything) == 100


def test_preselection_finds_what_exact_scores_find(monkeypatch):
    monkeypatch.setattr(streaming, "_EXACT", 40)
    predictor, space = Predictor.open("darts-cifar10"), DartsSpace()
    for n, k in ((500, 3), (50, 100)):
        best, scored = best_of_space(space, n, predictor, k=k, preselect=True)
        exact, _ = best_of_space(space, n, predictor, k=k)
        assert scored == n
        assert [network for _, network in best] == [network for _, network in exact]
        # Not to the last digit: how a product of matrices is summed up depends on how many rows it has.
        assert np.allclose([score for score, _ in best], [score for score, _ in exact], atol=1e-5)


def test_of_kinds_without_an_approximation_all_are_scored(ridge):
    exact = best_of_space(DartsSpace(), 100, ridge[0], k=3)
    assert best_of_space(DartsSpace(), 100, ridge[0], k=3, preselect=True) == exact


def test_candidates_outside_the_scope_are_counted_and_left_out(ridge):
    best, scored = best_of_space(DartsSpace(n_cells=8, C=33), 10, ridge[0], k=3)
    assert (best, scored) == ([], 0)


def test_spaces_without_tokens():
    best, scored = best_of_space(DeepNets1MSpace("search"), 12, Predictor.open("params"), k=2)
    assert scored == 12
    assert best[0][0] >= best[1][0]


def test_wrong_numbers(ridge):
    with pytest.raises(SettingError, match="candidates"):
        best_of_space(DartsSpace(), 0, ridge[0])


def test_the_command(command, ridge, tmp_path):
    arguments = ("score", "--sample", 50, "--space", "darts", "--predictor", ridge[1], "--top", 2, "--quiet")
    status, output, errors = command(*arguments, "--out", tmp_path / "best.parquet")
    assert status == 0, errors
    assert [line.split()[0] for line in output.splitlines()] == ["1", "2"]
    assert (tmp_path / "best.parquet").exists()
    status, _, errors = command(*arguments, "--engine", "ray", "--ray-address", "nowhere")
    assert status == 2
    assert errors.startswith("error: `--ray-address` must be HOST:PORT")
    status, _, errors = command("score", "--space", "darts", "DARTS")
    assert status == 2
    assert "are for `--sample`" in errors
    status, _, errors = command("score", "--preselect", "DARTS")
    assert (status, "`--preselect`" in errors) == (2, True)
    status, _, errors = command("score", "--sample", 5, "DARTS")
    assert status == 2
    assert "and no" in errors
