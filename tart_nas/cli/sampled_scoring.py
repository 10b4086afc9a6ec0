"""``tart-nas score --sample N``: the best of very many candidates, which are never all there at once."""

from contextlib import nullcontext
from pathlib import Path

from tart_nas.cli.notes import print_note
from tart_nas.cli.options import progress_bar
from tart_nas.cluster import RayCluster
from tart_nas.errors import SettingError
from tart_nas.user_code import is_reference

__all__ = ["print_best"]


def print_best(
    n: int,
    space: str | None,
    predictor: str | None,
    *,
    image_size: int | None,
    seed: int,
    top: int,
    target: str | None,
    preselect: bool,
    device: str | None,
    out: Path | None,
    quiet: bool,
    cluster: RayCluster | None,
) -> int:
    """Prints the best of a sample, and writes them.

    Args:
        n: how many are sampled.
        space: the name of a space, or a user's own function; None for DeepNets-1M's.
        predictor: a name or a file; by default that of the space.
        image_size: at which networks of the user's own space are traced; None for 32 pixels.
        seed: of the sample.
        top: how many are printed and written.
        target: of the predictor.
        preselect: see :func:`tart_nas.runs.streaming.best_of_space`.
        device: of this process.
        out: the parquet file that is written, if any.
        quiet: no progress bar.
        cluster: of Ray, not entered yet; None for this process.

    Returns:
        How many candidates the predictor judged.

    Raises:
        SettingError: if an image size is given for another space.
    """
    from tart_nas.predictors import Predictor
    from tart_nas.runs import default_predictor
    from tart_nas.runs.candidates import ScoredCandidates
    from tart_nas.runs.streaming import best_of_space
    from tart_nas.search_spaces import ArchitectureSource, DartsSpace, DeepNets1MSpace, TrialSpace

    source: ArchitectureSource
    if space is not None and is_reference(space):
        source = TrialSpace(space, image_size or 32)
    elif image_size is not None:
        raise SettingError("`image_size` is for networks that are traced; architectures are judged by their cells.")
    else:
        source = DartsSpace() if space == "darts" else DeepNets1MSpace("search")
    judge = Predictor.open(predictor or default_predictor(source))
    judge = judge.to(device if cluster is None else "cpu")  # as which it is sent
    with cluster or nullcontext() as entered, progress_bar(f"Scoring {n:,} candidates", quiet) as advance:
        if entered is not None and entered.lacks_machine():
            print_note("no machine of the cluster is large enough for a task: the tasks wait for one")
        best, scored = best_of_space(
            source,
            n,
            judge,
            k=top,
            seed=seed,
            target=target,
            preselect=preselect,
            cluster=entered,
            advance=lambda count: advance(count / n),
        )
    for rank, (score, network) in enumerate(best, start=1):
        print(f"{rank:>4}  {score:8.3f}  {getattr(network, 'genotype', network)}")
    if out is not None:
        scores = [score for score, _ in best]
        ScoredCandidates.ranked([network for _, network in best], range(len(best)), scores).write(out)
    return scored
