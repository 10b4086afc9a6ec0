"""The best of very many candidates: sampled, scored and forgotten shard by shard, here or on a cluster.

Memory holds some shards at a time and the best networks so far, whatever the number of candidates.
"""

from collections.abc import Callable, Iterator, Sequence
from itertools import islice

import numpy as np
import numpy.typing as npt

from tart_nas.checks import whole
from tart_nas.cluster import RayCluster, Task
from tart_nas.predictors import Predictor
from tart_nas.search_spaces import ArchitectureSource
from tart_nas.search_spaces.trial_architecture import AnyArchitecture
from tart_nas.strategies import top_k
from tart_nas.tokens import CellTokens

__all__ = ["SHARD", "best_of_space"]

SHARD = 20_000
"""Candidates of a shard: some seconds of work, which is long beside a task of Ray's, and some 40 MB."""

_AHEAD = 2  # shards under way for each that the cluster scores at a time: none waits for this process

# Candidates that are scored exactly at once, at least ten times those that are kept: a fortieth of a shard, from which
# the approximation's errors are known (`experiments/streamed_scoring.py --compare` tells what it misses).
_EXACT = 500

Scored = tuple[float, AnyArchitecture]
Candidates = Sequence[AnyArchitecture] | CellTokens
_Scores = tuple[npt.NDArray[np.int64], npt.NDArray[np.float64], int]  # places, their scores, how many were judged
# Its size, how many to keep, the seed, its number, the target, whether scores are exact for those alone that need it.
_Shard = tuple[int, int, int, int, str | None, bool]
_End = tuple[int, tuple[list[Scored], int]]  # the size of a shard and what score_shard gave


def best_of_space(
    space: ArchitectureSource,
    n: int,
    predictor: Predictor,
    *,
    k: int = 10,
    seed: int = 0,
    target: str | None = None,
    preselect: bool = False,
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
        preselect: whether :meth:`Predictor.fast_approximation` scores all candidates, and the predictor itself the best
            of them: until none of the others can be among the k best, unless the approximation errs more on it than on
            any that both have scored. Of kinds without an approximation, nothing changes.
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
    tasks = [(size, k, seed, shard, target, preselect) for shard, size in enumerate(sizes)]
    ends = _here(space, predictor, tasks) if cluster is None else _on_cluster(cluster, space, predictor, tasks)
    for size, (found, count) in ends:
        best = _merged(best, found, space, k)
        scored += count
        advance(size)
    return best, scored


def score_shard(
    space: ArchitectureSource,
    predictor: Predictor,
    size: int,
    k: int,
    seed: int,
    shard: int,
    target: str | None,
    preselect: bool,
) -> tuple[list[Scored], int]:
    """The k best of one shard and how many of it the predictor judged."""
    own = int(np.random.SeedSequence([seed, shard]).generate_state(1)[0])
    sampling = getattr(space, "sample_tokens", None)  # a twentieth of the time, where a space has it
    candidates: Candidates = space.sample(size, own) if sampling is None else sampling(size, own)
    rows, scores, judged = (_preselected if preselect else _all_scored)(predictor, candidates, k, target)
    chosen = top_k(scores, min(k, len(scores)))
    best = _taken(candidates, rows[chosen])
    networks = best.architectures() if isinstance(best, CellTokens) else best
    return [(float(scores[i]), network) for i, network in zip(chosen, networks, strict=True)], judged


def score_shard_on(
    space: ArchitectureSource, predictor: Predictor, device: str, *shard: *_Shard
) -> tuple[list[Scored], int]:
    """The same on a device; a task of a cluster."""
    return score_shard(space, predictor.to(device), *shard)


def _all_scored(predictor: Predictor, candidates: Candidates, k: int, target: str | None) -> _Scores:
    scores = predictor.predict(candidates, target=target, outside="nan")
    rows = np.flatnonzero(np.isfinite(scores))
    return rows, scores[rows], len(rows)


def _preselected(predictor: Predictor, candidates: Candidates, k: int, target: str | None) -> _Scores:
    """Scores of those that may be among the k best by the predictor."""
    approximation = predictor.fast_approximation()
    if approximation is predictor:
        return _all_scored(predictor, candidates, k, target)
    rows, approximate, judged = _all_scored(approximation, candidates, k, target)
    order = np.argsort(-approximate, kind="stable")
    rows, approximate = rows[order], approximate[order]
    scores = np.empty(0)
    while (done := len(scores)) < judged:
        if done and approximate[done] + (scores - approximate[:done]).max() < np.partition(scores, -k)[-k]:
            break
        more = _taken(candidates, rows[done : done + max(_EXACT, 10 * k)])
        scores = np.concatenate([scores, predictor.predict(more, target=target)])
    return rows[: len(scores)], scores, judged


def _taken(candidates: Candidates, rows: npt.NDArray[np.int64]) -> Candidates:
    return candidates.take(rows) if isinstance(candidates, CellTokens) else [candidates[row] for row in rows.tolist()]


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
            running[cluster.submit(score_shard_on, shared, cluster.device, *shard, name=f"shard {shard[3]}")] = shard[0]
        if not running:
            return
        for task in cluster.ended(list(running), None):
            yield running.pop(task), cluster.result(task)
