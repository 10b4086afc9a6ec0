"""Shards scored on a cluster, of which a worker is killed."""

from typing import Any

import pytest

from tart_nas.cluster import RayCluster
from tart_nas.predictors import Predictor
from tart_nas.runs import streaming
from tart_nas.runs.streaming import best_of_space
from tart_nas.search_spaces import DartsSpace

pytestmark = pytest.mark.ray


def test_the_result_is_that_of_this_process_though_a_worker_is_killed(programs, ridge_file, monkeypatch):
    monkeypatch.setattr(streaming, "SHARD", 2000)
    monkeypatch.setenv("TART_NAS_TEST", programs.environment["TART_NAS_TEST"])  # Ray's processes inherit it
    predictor = Predictor.open(ridge_file)
    killed: list[Any] = []

    def kill_once(count):
        working = [other for other in programs.processes() if other.cmdline()[0].startswith("ray::shard")]
        if working and not killed:
            working[0].kill()
            killed.append(working[0])

    with RayCluster(None) as cluster:
        on_cluster = best_of_space(DartsSpace(), 24_000, predictor, k=5, cluster=cluster, advance=kill_once)
    assert killed
    assert on_cluster == best_of_space(DartsSpace(), 24_000, predictor, k=5)
