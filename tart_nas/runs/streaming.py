"""The best of very many candidates: sampled, scored and forgotten shard by shard, here or on a cluster.

Memory holds some shards at a time and the best networks so far, whatever the number of candidates.
"""

from collections.abc import Callable, Iterator, Sequence
from itertools import islice
from typing import Any

import numpy as np

from tart_nas.checks import whole
from tart_nas.cluster import RayCluster, Task
from tart_nas.predictors import Predictor
from tart_nas.search_spaces import ArchitectureSource
from tart_nas.search_spaces.trial_architecture import AnyArchitecture
from tart_nas.strategies import top_k

__all__ = ["SHARD", "best_of_space"]

SHARD = 20_000
"""Candidates of a shard: some seconds of work, which is long beside a task of Ray's, and some 40 MB."""

_AHEAD = 2  # shards under way for each that the cluster scores at a time: none waits for this process

Scored = tuple[float, AnyArchitecture]
_Shard = tuple[int, int, int, int, str | None]  # its size, how many to keep, the seed, its number, the target
_End = tuple[int, tuple[list[Scored], int]]  # the size of a shard and what score_shard gave


def best_of_space(
    space: ArchitectureSource,
    n: int,
    predictor: Predictor,
    *,
    k: int = 10,
    seed: int = 0,
    target: str | None = None,
    cluster: RayCluster | None = None,
    advance: Callable[[int], object] = lambda count: None,
) -> tuple[list[Scored], int]:
    """The k best of n candidates of a space by predicted score; memory does not grow with n.

    The same arguments give the same networks, with and without a cluster and whatever its size. Each shard is sampled
    with a seed of its own, so that two shards may have a network in common; it is counted twice and given once.

    Args:
        space: what candidates are sampled from.
        n: how many, at least 1.
        predictor: what scores them; candidates outside its scope are left out.
        k: how many to give, at least 1.
        seed: of the samples, at least 0.
        target: of the predictor; by default its first one.
        cluster: entered; its machines score shards. None for this process.
        advance: is called with the number of candidates of each shard that is done.

    Returns:
        At most k pairs of score and architecture, the best first, and how many candidates were scored.

    Raises:
        SettingError: if a number is out of range.
        MachineError: if a shard was lost too often.
        ClusterError: if a machine has another version of the package.
    """
    whole("candidates", n, 1)
    whole("top", k, 1)
    whole("seed", seed)
    sizes = [min(SHARD, n - first) for first in range(0, n, SHARD)]
    best: list[Scored] = []
    scored = 0
    tasks = [(size, k, seed, shard, target) for shard, size in enumerate(sizes)]
    ends = _here(space, predictor, tasks) if cluster is None else _on_cluster(cluster, space, predictor, tasks)
    for size, (found, count) in ends:
        best = _merged(best, found, space, k)
        scored += count
        advance(size)
    return best, scored


def score_shard(
    space: ArchitectureSource, predictor: Predictor, size: int, k: int, seed: int, shard: int, target: str | None
) -> tuple[list[Scored], int]:
    """The k best of one shard and how many of it the predictor judged; a task of a cluster."""
    own = int(np.random.SeedSequence([seed, shard]).generate_state(1)[0])
    sampling = getattr(space, "sample_tokens", None)  # a twentieth of the time, where a space has it
    candidates: Any = space.sample(size, own) if sampling is None else sampling(size, own)
    scores = predictor.predict(candidates, target=target, outside="nan")
    places = np.flatnonzero(np.isfinite(scores))
    chosen = places[top_k(scores[places], min(k, len(places)))]
    networks = [candidates[i] for i in chosen] if sampling is None else candidates.take(chosen).architectures()
    return [(float(scores[i]), network) for i, network in zip(chosen, networks, strict=True)], len(places)


def _merged(best: list[Scored], found: Sequence[Scored], space: ArchitectureSource, k: int) -> list[Scored]:
    """The k best of both; of equal scores in an order that does not depend on which shard came first."""
    canonical = getattr(space, "canonical", lambda network: network)
    different = {canonical(network): (score, network) for score, network in [*found, *best]}
    return [different[form] for form in sorted(different, key=lambda form: (-different[form][0], repr(form)))[:k]]


def _here(space: ArchitectureSource, predictor: Predictor, shards: Sequence[_Shard]) -> Iterator[_End]:
    for shard in shards:
        yield shard[0], score_shard(space, predictor, *shard)


def _on_cluster(
    cluster: RayCluster, space: ArchitectureSource, predictor: Predictor, shards: Sequence[_Shard]
) -> Iterator[_End]:
    shared = [cluster.share(space), cluster.share(predictor)]
    waiting = iter(shards)
    running: dict[Task, int] = {}  # and the size of its shard
    while True:
        for shard in islice(waiting, max(0, _AHEAD * cluster.slots() - len(running))):
            running[cluster.submit(score_shard, shared, *shard, name=f"shard {shard[3]}")] = shard[0]
        if not running:
            return
        for task in cluster.ended(list(running), None):
            yield running.pop(task), cluster.result(task)
