"""``tart-nas measure``: labels for predictors."""

from collections.abc import Collection
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from tart_nas.choices import DEFAULT_DATASET, BudgetName, ImageDataset, Split
from tart_nas.cli.budgets import BUDGET_HELP, TrainedSizeOptions
from tart_nas.cli.cluster_options import ClusterEngineOption, RayTrialOptions
from tart_nas.cli.commands import resumable
from tart_nas.cli.measured_networks import measured_networks
from tart_nas.cli.networks import FORMS
from tart_nas.cli.option_groups import with_groups
from tart_nas.cli.options import DatasetOption, DeviceOption, OptimizerOption, QuietOption, SeedOption, above_zero
from tart_nas.cli.own_spaces import SpaceOption

if TYPE_CHECKING:
    from tart_nas.search_spaces.trial_architecture import AnyArchitecture
    from tart_nas.training import Budget

__all__ = ["measure"]


@with_groups
def measure(
    *,
    what: Annotated[
        list[str] | None,
        typer.Argument(
            help=f"darts; a folder of DeepNets-1M with --split; a file or folder that holds architectures, as for "
            f"`tart-nas score`; names of networks, any number of them: {FORMS}; or nothing, for a sample of --space.",
        ),
    ] = None,
    out: Annotated[Path, typer.Option(help="The folder of the labels. The same command on the same folder goes on.")],
    space: SpaceOption = None,
    split: Annotated[Split | None, typer.Option(help="Of a folder of DeepNets-1M: the split.")] = None,
    networks: Annotated[
        int | None,
        typer.Option(
            min=1,
            help="Only the first so many of a file; how many are sampled of darts, of which two numbers give different "
            "networks, or of --space, whose larger samples begin with the smaller ones.",
        ),
    ] = None,
    at_most: Annotated[int | None, typer.Option(min=1, help="Measure at most so many now.")] = None,
    dataset: DatasetOption = DEFAULT_DATASET,
    data_dir: Annotated[Path | None, typer.Option(exists=True, help="Where CIFAR-10 or your own images are.")] = None,
    budget: Annotated[
        BudgetName | None,
        typer.Option(help=f"{BUDGET_HELP} Default: the networks' own size, all images, as DeepNets-1M's own labels."),
    ] = None,
    size: TrainedSizeOptions,
    image_size: Annotated[int | None, typer.Option(min=1, help="Likewise: images reduced to so many pixels.")] = None,
    train_images: Annotated[int | None, typer.Option(min=1, help="Likewise: images to train on.")] = None,
    validation_images: Annotated[int | None, typer.Option(min=1, help="Images to validate on; default all.")] = None,
    test_images: Annotated[int | None, typer.Option(min=1, help="Images to test on; default all.")] = None,
    epochs: Annotated[int | None, typer.Option(min=1, help="Likewise: epochs; default 50.")] = None,
    batch_size: Annotated[int | None, typer.Option(min=2, help="Likewise: images in a step; default 96.")] = None,
    lr: Annotated[
        float | None,
        typer.Option(callback=above_zero, help="Likewise: first learning rate of the cosine decay; default 0.025."),
    ] = None,
    optimizer: OptimizerOption = None,
    crop: Annotated[
        int | None, typer.Option(min=0, help="Likewise: padding in pixels that random crops are cut from; default 4.")
    ] = None,
    track_statistics: Annotated[
        bool | None,
        typer.Option(
            help="Batch normalisation keeps statistics, as in DARTS and in a search, or takes the batch's, as "
            "DeepNets-1M's labels. Default: they are kept where --budget is that of the DARTS space, and with --only."
        ),
    ] = None,
    only: Annotated[
        Literal["latency"] | None,
        typer.Option(help="latency: the inference time alone, of untrained networks and without images."),
    ] = None,
    timing_batch: Annotated[
        int | None,
        typer.Option(min=1, help="Images at once when timed; default 64, of the latency alone 1."),
    ] = None,
    threads: Annotated[int, typer.Option(min=1, help="Threads of the CPU.")] = 1,
    engine: ClusterEngineOption = "process",
    trials: RayTrialOptions,
    seed: SeedOption = 0,
    device: DeviceOption = None,
    quiet: QuietOption = False,
) -> None:
    """Train and measure many networks: labels for predictors.

    Measured are the accuracy, the accuracy on noisy images, the inference time and the convergence; with --only
    latency the inference time alone, also of networks that are not made of cells.
    """
    import optuna

    from tart_nas.errors import TrainingError
    from tart_nas.measurements import MeasuringSettings, read_label_file
    from tart_nas.measurements import measure as measure_all
    from tart_nas.training import PROTOCOLS, Budget

    # Else Optuna prints a line for each trial into the progress bar.
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    found = measured_networks(what or [], split, networks, space, image_size)
    named, keeps_statistics = (
        (Budget(recipe=PROTOCOLS["deepnets1m"]), None)
        if budget is None
        else _budget(budget, found.networks.values(), dataset)
    )
    if track_statistics is not None or only == "latency":  # whose default does not depend on how networks are trained
        keeps_statistics = track_statistics
    settings = MeasuringSettings(
        dataset=dataset,
        recipe=named.recipe.adjusted(epochs=epochs, batch_size=batch_size, crop=crop, lr=lr, optimizer=optimizer),
        n_cells=size.cells or named.n_cells,
        C=size.channels or named.C,
        image_size=image_size or named.image_size,
        train_images=train_images or named.train_images,
        validation_images=validation_images,
        test_images=test_images,
        track_running_stats=keeps_statistics,
        threads=threads,
        seed=seed,
        only=only,
        timing_batch=timing_batch or (64 if only is None else 1),
    )
    with resumable(f"the measurement in {out}"):
        file = measure_all(
            found.networks,
            settings,
            out=out,
            group=found.group,
            build=found.build,
            source=found.source,
            data_dir=data_dir,
            at_most=at_most,
            device=device,
            progress=not quiet,
            engine=engine,
            **vars(trials),
        )
    about, _, failed = read_label_file(file, found.group)
    print(f"{file}: {about['measured']} of {about['planned']} networks measured, {about['failed']} failed")
    # The file is written all the same: it has the reasons.
    if failed and not about["measured"]:
        raise TrainingError(f"None of {len(failed)} networks could be measured: {next(iter(failed.values()))}")


def _budget(
    name: BudgetName, networks: "Collection[AnyArchitecture]", dataset: ImageDataset
) -> "tuple[Budget, bool | None]":
    """The budget of a name as a search on these images has it, and whether batch normalisation keeps statistics.

    Both are of the DARTS space if all networks are of it. The labels of its bundled predictors are of networks that
    keep statistics; those of ``deepnets1m-cifar10`` take the batch's, as DeepNets-1M's own.
    """
    from tart_nas.architecture import Architecture
    from tart_nas.runs import default_budget, default_recipe
    from tart_nas.search_spaces import DartsSpace, DeepNets1MSpace
    from tart_nas.training import Budget

    are_darts = all(isinstance(a, Architecture) and DartsSpace(a.n_cells, a.C).contains(a) for a in networks)
    space = DartsSpace() if are_darts else DeepNets1MSpace("search")
    budget = Budget(**asdict(default_budget(space, dataset, name)), recipe=default_recipe(dataset, space, name))
    return budget, are_darts
