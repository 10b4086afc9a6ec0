"""``tart-nas score``: networks ranked without training them."""

from pathlib import Path
from typing import Annotated, Any

import typer

from tart_nas.choices import SPACES, ClusterEngine, Split
from tart_nas.cli.cluster_options import CpusOption, GpusOption, RayAddressOption
from tart_nas.cli.judging import JudgedAtOption, at_judged_size, check_reads_graphs, predictor_for
from tart_nas.cli.networks import FORMS, FoundNetwork, find_network, found_candidate, is_path
from tart_nas.cli.notes import print_note
from tart_nas.cli.options import (
    STRING,
    DeviceOption,
    ImageSizeOption,
    QuietOption,
    SeedOption,
    holds_architectures,
    one_of_two,
    predictor_or_file,
    space_or_function,
)
from tart_nas.cli.own_spaces import no_space
from tart_nas.cluster import chosen_cluster
from tart_nas.errors import SettingError, printable

__all__ = ["score"]


def _names_or_files(values: list[str] | None) -> list[str] | None:
    """What looks like a file must be one that holds architectures; names are looked up later, which takes seconds."""
    for value in filter(is_path, values or ()):
        holds_architectures(Path(value))
    return values


def score(
    networks: Annotated[
        list[str] | None,
        typer.Argument(
            callback=_names_or_files,
            help=f"{FORMS}; or what holds architectures: a JSON list, or one a line; what a search, `tart-nas measure` "
            "or `retrain` wrote, or the folder of it; a meta file or a folder of DeepNets-1M. Any number of them.",
        ),
    ] = None,
    string: Annotated[list[str], STRING] = [],  # noqa: B006  (typer reads it)
    predictor: Annotated[
        str | None,
        typer.Option(
            metavar="NAME|FILE",
            callback=predictor_or_file,
            help="A bundled predictor's name, the file of a fitted one, params or flops; default darts-cifar10, or "
            "deepnets1m-cifar10 where that judges more of the networks; params for networks not made of cells.",
        ),
    ] = None,
    target: Annotated[
        str | None, typer.Option(help="Which of its targets, such as inference_speed; default the first.")
    ] = None,
    judged_at: JudgedAtOption = None,
    split: Annotated[Split | None, typer.Option(help="Of DeepNets-1M: the split.")] = None,
    image_size: ImageSizeOption = None,
    top: Annotated[int, typer.Option(min=0, help="How many of the best to print.")] = 10,
    space: Annotated[
        str | None,
        typer.Option(
            metavar="|".join((*SPACES, "MODULE:FUNCTION")),
            callback=space_or_function,
            help="Of --sample: what is sampled. Of a network of your own space: the function that builds it, as "
            "`tart-nas search --space` had it.",
        ),
    ] = None,
    sample: Annotated[
        int | None,
        typer.Option(
            min=1, help="Score so many candidates of --space instead; memory does not grow with their number."
        ),
    ] = None,
    preselect: Annotated[
        bool,
        typer.Option(
            "--preselect",
            help="Of --sample: score all by an approximation of the predictor, and exactly what can be among the best.",
        ),
    ] = False,
    seed: SeedOption = 0,
    engine: Annotated[
        ClusterEngine, typer.Option(help="Of --sample: what scores, this process or a cluster of Ray.")
    ] = "process",
    ray_address: RayAddressOption = None,
    cpus_per_task: CpusOption = 1.0,
    gpus_per_task: GpusOption = 0.0,
    out: Annotated[
        Path | None,
        typer.Option(
            dir_okay=False, help="Write all scores (of --sample those of the best) to this parquet file, best first."
        ),
    ] = None,
    device: DeviceOption = None,
    quiet: QuietOption = False,
) -> None:
    """Rank networks without training them."""
    cluster = chosen_cluster(engine, ray_address, cpus_per_task, gpus_per_task)
    if sample is not None:
        from tart_nas.cli.sampled_scoring import print_best

        for name, value in (("networks", networks), ("string", string), ("judged_at", judged_at), ("split", split)):
            if value:
                raise SettingError(f"`sample` scores candidates of a space, and no `{name}`.")
        judged = print_best(
            *(sample, space, predictor),
            image_size=image_size,
            seed=seed,
            top=max(1, top),
            target=target,
            preselect=preselect,
            device=device,
            out=out,
            quiet=quiet,
            cluster=cluster,
        )
        if judged < sample:
            print_note(f"{sample - judged:,} of the {sample:,} are outside what the predictor was trained on")
        return
    if engine != "process" or space in SPACES or preselect:
        raise SettingError("`engine` 'ray', `preselect` and the name of a space are for `sample`.")
    from tart_nas.predictors import Predictor
    from tart_nas.runs.candidates import ScoredCandidates
    from tart_nas.strategies import top_k
    from tart_nas.strings import decode

    one_of_two(networks or None, string)
    found = [FoundNetwork(f"string {i}", decode(text)) for i, text in enumerate(string)]
    for what in networks or ():
        found += _of_file(what, split, len(networks or ()) > 1, space) if is_path(what) else [find_network(what)]
    if not any(network.candidate for network in found):
        no_space(space)
    cells = [network.architecture for network in found if network.architecture is not None]
    are_cells = len(cells) == len(found)
    kept: list[Any] = [network.architecture or network.candidate for network in found]
    if not are_cells and judged_at is not None:
        raise SettingError("`judged_at` is for architectures, but some of the networks are not made of cells.")
    if out is not None and None in kept:
        raise SettingError("`out` is for architectures and networks of your own space, but some are others.")
    if predictor is not None:
        judge = Predictor.open(predictor)
    elif are_cells:
        _, judge = predictor_for(cells)
    else:
        judge = Predictor.open("params")
        print_note("judged by params, the number of parameters: no bundled predictor judges networks without cells")
    judge = judge.to(device)
    if are_cells:
        if image_size is not None:
            raise SettingError("`image_size` is for networks that are traced; architectures are judged by their cells.")
        cells = at_judged_size(cells, judge, judged_at)
        scores = judge.predict(cells, target=target)
    else:
        check_reads_graphs(judge)
        scores = judge.predict([network.graph(image_size) for network in found], target=target)
    order = top_k(scores, len(scores))
    for rank, i in enumerate(order[:top], start=1):
        candidate = found[i].candidate
        told = f"  {cells[i].genotype}" if are_cells else "" if candidate is None else f"  {candidate}"
        print(f"{rank:>4}  {scores[i]:8.3f}  {printable(found[i].name)}{told}")
    if out is not None:
        ScoredCandidates.ranked(kept, order, scores).write(out)
        print_note(f"{len(scores):,} scores written to {out}", "")


def _of_file(path: str, split: str | None, is_one_of_several: bool, space: str | None) -> list[FoundNetwork]:
    """The architectures of a file or folder, and candidates of a user's own space, named by their places in it."""
    from tart_nas.runs import open_architectures
    from tart_nas.search_spaces import DartsSpace, TrialArchitecture

    file = open_architectures(Path(path), DartsSpace(), split)
    before = f"{path}, " if is_one_of_several else ""
    named = [(f"{before}{file.name(i)}", network) for i, network in file.networks().items()]
    return [
        found_candidate(name, network, space) if isinstance(network, TrialArchitecture) else FoundNetwork(name, network)
        for name, network in named
    ]
