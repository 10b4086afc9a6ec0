"""``tart-nas search``: the main job."""

import shutil
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from tart_nas.choices import (
    DEFAULT_DATASET,
    DEFAULT_SPACE,
    EMBEDDED_DATASETS,
    LOOPBACK,
    SPACES,
    BudgetName,
    Engine,
    NniHost,
    Split,
    Strategy,
)
from tart_nas.cli.budgets import BUDGET_HELP, TrainedSizeOptions
from tart_nas.cli.cluster_options import RayTrialOptions
from tart_nas.cli.commands import resumable
from tart_nas.cli.option_groups import with_groups
from tart_nas.cli.options import (
    DatasetOption,
    DeviceOption,
    OptimizerOption,
    QuietOption,
    SeedOption,
    above_zero,
    command_text,
    each_of,
    generator_or_file,
    holds_architectures,
    predictor_or_file,
    predictor_or_kind,
    space_or_function,
)
from tart_nas.user_code import is_reference

if TYPE_CHECKING:
    from tart_nas.search_spaces import ArchitectureSource

__all__ = ["search"]


@with_groups
def search(
    *,
    out: Annotated[Path, typer.Option(help="The run folder. The same command on the same folder resumes.")] = Path(
        "runs/search"
    ),
    candidates: Annotated[
        int | None, typer.Option(min=1, help="How many architectures to sample and score; default 10,000.")
    ] = None,
    candidates_file: Annotated[
        Path | None,
        typer.Option(
            callback=holds_architectures,
            help="Score the architectures of a file or a folder instead of sampling: whatever `tart-nas score` takes.",
        ),
    ] = None,
    space: Annotated[
        str | None,
        typer.Option(
            metavar="|".join((*SPACES, "MODULE:FUNCTION")),
            callback=space_or_function,
            help="What candidates are sampled from: a space by its name, or the networks that a function of yours "
            f"builds of a trial's suggestions; default {DEFAULT_SPACE}, and darts for a file of them.",
        ),
    ] = None,
    input_size: Annotated[
        int | None,
        typer.Option(
            min=8, help="Of MODULE:FUNCTION: height and width of the images at which networks are traced; default 32."
        ),
    ] = None,
    split: Annotated[
        Split | None,
        typer.Option(
            help="Of deepnets1m, and of its files as candidates: the split whose rules or files are used; "
            "default search."
        ),
    ] = None,
    deepnets_dir: Annotated[
        Path | None,
        typer.Option(
            exists=True, help="Of deepnets1m: where its files are, by default --data-dir. Without files, it is sampled."
        ),
    ] = None,
    predictor: Annotated[
        str | None,
        typer.Option(
            metavar="NAME|FILE",
            callback=predictor_or_kind,
            help="A bundled predictor's name, the file of a fitted one, params or flops; default deepnets1m-cifar10 "
            "for deepnets1m, darts-cifar10 for darts or, at the budget small of CIFAR-10, darts-small (params for the "
            "splits deep, dense and predefined, and for MODULE:FUNCTION). A kind, such as gp-graph, is fitted to what "
            "the rounds of the search train.",
        ),
    ] = None,
    top_k: Annotated[int, typer.Option(min=1, help="How many of the best are trained.")] = 3,
    random: Annotated[int, typer.Option(min=0, help="How many random candidates are trained beside them.")] = 0,
    dataset: DatasetOption = DEFAULT_DATASET,
    data_dir: Annotated[
        Path | None,
        typer.Option(
            exists=True, help="Where CIFAR-10 is, in any of its usual forms; your own images; DeepNets-1M's files."
        ),
    ] = None,
    budget: Annotated[BudgetName, typer.Option(help=BUDGET_HELP)] = "small",
    size: TrainedSizeOptions,
    train_images: Annotated[int | None, typer.Option(min=1, help="Likewise: images to train on.")] = None,
    image_size: Annotated[
        int | None,
        # 8 pixels: `tart_nas.layout.MIN_IMAGE_SIZE`.
        typer.Option(min=8, help="Likewise: images reduced to so many pixels."),
    ] = None,
    epochs: Annotated[int | None, typer.Option(min=1, help="Likewise: epochs.")] = None,
    batch_size: Annotated[int | None, typer.Option(min=2, help="Likewise: images in a step.")] = None,
    lr: Annotated[
        float | None,
        typer.Option(callback=above_zero, help="Likewise: first learning rate of the cosine decay."),
    ] = None,
    optimizer: OptimizerOption = None,
    strategy: Annotated[
        Strategy | None,
        typer.Option(
            help="topk: the best of the candidates. evolution: candidates are found by evolution on the predictor. "
            "active: in rounds, by prediction and uncertainty. generate: candidates are written by a generator. "
            "Default topk; with several objectives evolution, where the space can be mutated."
        ),
    ] = None,
    generator: Annotated[
        str | None,
        typer.Option(
            metavar="NAME|FILE",
            callback=generator_or_file,
            help="Of generate: a bundled generator's name or the file of a fitted one; default darts-cifar10-generator "
            "for darts.",
        ),
    ] = None,
    rounds: Annotated[
        int | None,
        typer.Option(
            min=1, help="How often the top k are trained and the others ranked again; default 3 for active, else 1."
        ),
    ] = None,
    min_distance: Annotated[
        int, typer.Option(min=0, help="How many edges two trained networks differ by at least: no twins.")
    ] = 0,
    objective: Annotated[
        list[str],
        typer.Option(
            callback=each_of(("accuracy", "latency", "params", "flops")),
            help="latency, params or flops beside accuracy: the trained networks are spread over the Pareto front. Any "
            "number of them.",
        ),
    ] = [],  # noqa: B006  (typer reads it)
    limit: Annotated[
        list[str],
        typer.Option(
            metavar="NAME=NUMBER",
            help="The most that a network may have at its own size: params=1000000, flops=1e8, latency_ms=5 for one "
            "image on this device. Any number of them.",
        ),
    ] = [],  # noqa: B006
    latency_predictor: Annotated[
        str | None,
        typer.Option(
            metavar="NAME|FILE",
            callback=predictor_or_file,
            help="Of the latency: a predictor fitted to `tart-nas measure --only latency`; default one that is fitted "
            "in the run to 32 networks.",
        ),
    ] = None,
    storage: Annotated[
        str | None,
        typer.Option(
            help="Where the study is kept: sqlite:///FILE, postgresql+psycopg://USER:PASSWORD@HOST/DATABASE, "
            "journal:///FILE or grpc://HOST:PORT; default a file in the run folder."
        ),
    ] = None,
    worker: Annotated[
        bool,
        typer.Option("--worker", help="Join the run in --out, from this or another machine, and train for it."),
    ] = False,
    heartbeat: Annotated[
        float,
        typer.Option(
            callback=above_zero, help="Seconds between signs of life; a worker that misses six is taken for dead."
        ),
    ] = 10.0,
    engine: Annotated[
        Engine,
        typer.Option(
            help="What trains: process, this process itself; nni, the trials of an NNI experiment, which its web page "
            "shows (needs the extra `nni`); or ray, the machines of a cluster of Ray (needs the extra `ray`). The "
            "report is the same."
        ),
    ] = "process",
    nni_port: Annotated[
        int | None, typer.Option(min=1, max=65535, help="Of NNI's web page; default a free one.")
    ] = None,
    nni_host: Annotated[
        NniHost,
        typer.Option(
            help="Where NNI's manager listens: on this machine alone, or on all interfaces. Whoever reaches it can "
            "start programs and read files."
        ),
    ] = LOOPBACK,
    nni_concurrency: Annotated[int, typer.Option(min=1, help="Trials that NNI runs at a time.")] = 1,
    trials: RayTrialOptions,
    workers: Annotated[
        int, typer.Option(min=1, help="Processes of this machine that train at a time, this one among them.")
    ] = 1,
    init: Annotated[
        str | None,
        typer.Option(
            metavar="GHN", help="A graph hypernetwork that predicts the first weights of all networks; default none."
        ),
    ] = None,
    seed: SeedOption = 0,
    device: DeviceOption = None,
    quiet: QuietOption = False,
) -> None:
    """Score many candidates, train the best few, write a report."""
    import optuna

    import tart_nas
    from tart_nas.errors import SettingError, TrainingError
    from tart_nas.runs import default_budget, default_recipe, read_candidates, work
    from tart_nas.runs.goals import parse_limits

    optuna.logging.set_verbosity(optuna.logging.WARNING)
    if worker:  # all else is the run's
        if workers != 1 or engine != "process":
            raise SettingError(
                "`worker` is one process, which joins a run that another command began: leave out `workers` and "
                "`engine`."
            )
        with resumable(f"the run in {out}"):
            own = space if space is not None and is_reference(space) else None
            trained = work(out, storage=storage, data_dir=data_dir, device=device, progress=not quiet, space=own)
        print(f"{trained} trials trained for {out}")
        return
    space = space or (DEFAULT_SPACE if candidates_file is None else "darts")
    if candidates is not None and candidates_file is not None:
        raise SettingError("`candidates` and `candidates_file` exclude each other, but both are given.")
    of_space = {"split": split if candidates_file is None else None, "deepnets_dir": deepnets_dir}
    _check_options_of("deepnets1m", space == "deepnets1m", of_space)
    _check_options_of("MODULE:FUNCTION", is_reference(space), {"input_size": input_size})
    source = _source(space, split or "search", deepnets_dir, data_dir, input_size or 32)
    is_of_candidates = space == "deepnets1m" and dataset in EMBEDDED_DATASETS  # which need no folder
    given = None if candidates_file is None else read_candidates(candidates_file, tart_nas.DartsSpace(), split)
    changes = {"n_cells": size.cells, "C": size.channels, "train_images": train_images, "image_size": image_size}
    with resumable(f"the run in {out}"):
        result = tart_nas.search(
            source,
            predictor=predictor,
            candidates=(candidates or 10_000) if given is None else given,
            top_k=top_k,
            random=random,
            dataset=dataset,
            data_dir=None if is_of_candidates else data_dir,
            out=out,
            budget=replace(
                default_budget(source, dataset, budget), **{k: v for k, v in changes.items() if v is not None}
            ),
            recipe=default_recipe(dataset, source, budget).adjusted(
                epochs=epochs, batch_size=batch_size, lr=lr, optimizer=optimizer
            ),
            seed=seed,
            strategy=strategy,
            generator=generator,
            rounds=rounds,
            min_distance=min_distance,
            objectives=("accuracy", *(name for name in objective if name != "accuracy")),
            constraints=parse_limits(limit),
            latency_predictor=latency_predictor,
            storage=storage,
            heartbeat=heartbeat,
            engine=engine,
            nni_port=nni_port,
            nni_host=nni_host,
            nni_concurrency=nni_concurrency,
            **vars(trials),
            workers=workers,
            device=device,
            progress=not quiet,
            init=init,
            command=command_text(),  # the report shows how it was made
        )
    print(result.to_text(shutil.get_terminal_size().columns))
    print(f"report: {out / 'report.html'}")
    # After the report, which shows each failure; the exit status tells scripts of it.
    if all(pick.failure for pick in result.picks):
        raise TrainingError(f"None of the {len(result.picks)} networks could be trained: {result.picks[0].failure}")


def _check_options_of(space: str, is_searched: bool, given: Mapping[str, Any]) -> None:
    """Makes sure that options of a space are given to no other, which would ignore them.

    Raises:
        SettingError: if one is, by its name.
    """
    from tart_nas.errors import SettingError

    if not is_searched and (wrong := next((name for name, value in given.items() if value is not None), None)):
        raise SettingError(f"`{wrong}` is for `space` {space}.")


def _source(
    space: str, split: str, deepnets_dir: Path | None, data_dir: Path | None, input_size: int
) -> "ArchitectureSource":
    """Where candidates come from: the files of a split of DeepNets-1M where there are any, else a space."""
    from tart_nas.deepnets1m import DeepNets1M, split_files
    from tart_nas.search_spaces import DartsSpace, DeepNets1MSpace, TrialSpace

    if is_reference(space):
        return TrialSpace(space, input_size)
    if space == "darts":
        return DartsSpace()
    if deepnets_dir is None and data_dir is not None and split_files(data_dir, split)[1].is_file():
        deepnets_dir = data_dir
    return DeepNets1MSpace(split) if deepnets_dir is None else DeepNets1M(deepnets_dir, split)
