"""``tart-nas fit``, ``update`` and ``pretrain``: predictors without a search."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from tart_nas.choices import SAMPLED_SPLITS, Kind, PretrainedKind, SampledSplit, Space
from tart_nas.cli.notes import print_note
from tart_nas.cli.options import (
    DeviceOption,
    QuietOption,
    SeedOption,
    each_of,
    holds_labels,
    predictor_file,
    predictor_or_file,
    progress_bar,
)

if TYPE_CHECKING:
    from tart_nas.architecture import Architecture

__all__ = ["fit", "pretrain", "update"]

_ALSO_JUDGED = 10_000  # networks of a split whose ranges it is given: so many show the rare ones

SettingsOption = Annotated[
    list[str],
    typer.Option("--set", metavar="NAME=VALUE", help="A setting of the kind, its value as JSON; any number of them."),
]


def _each_holds_labels(values: list[Path]) -> list[Path]:
    for value in values:
        holds_labels(value)
    return values


def fit(
    data: Annotated[
        list[Path],
        typer.Argument(
            callback=_each_holds_labels,
            help="Labelled architectures: a JSON list (docs/predictors.md), or the labels.json of `tart-nas measure`. "
            "Of several files together, the mean of a network's labels.",
        ),
    ],
    out: Annotated[Path, typer.Option(help="The predictor's file (.safetensors).", dir_okay=False)],
    kind: Annotated[Kind, typer.Option(help="What is fitted; docs/predictors.md describes the kinds.")] = "ensemble",
    settings: SettingsOption = [],  # noqa: B006  (typer reads it)
    init: Annotated[
        Path | None,
        typer.Option(
            callback=predictor_file, help="Start from the weights of this predictor, such as `pretrain` makes."
        ),
    ] = None,
    also_judge: Annotated[
        list[str],
        typer.Option(
            metavar="SPLIT",
            callback=each_of(SAMPLED_SPLITS),
            help="Splits of DeepNets-1M whose networks it shall judge too, though the labels may be of smaller ones.",
        ),
    ] = [],  # noqa: B006
    folds: Annotated[int, typer.Option(min=0, help="Folds of the cross-validation; 0 leaves it out.")] = 5,
    seed: SeedOption = 0,
    device: DeviceOption = None,
    quiet: QuietOption = False,
) -> None:
    """Fit a predictor to labelled architectures.

    It is cross-validated first; its Kendall tau is printed.
    """
    from tart_nas.measurements import read_labelled_data
    from tart_nas.measurements.comparability import cautions
    from tart_nas.predictors import LabelledData, Predictor, fit_and_validate

    chosen = _settings(settings, kind)
    start = None if init is None else Predictor.load(init)
    parts = [read_labelled_data(file) for file in data]
    labelled = parts[0] if len(parts) == 1 else LabelledData.joined(parts)  # without auxiliary values
    for caution in cautions(parts, labelled.targets):
        print_note(f"{caution}.")
    judged = _networks_of(also_judge, seed)

    def report(fold: int, taus: Mapping[str, float]) -> None:
        print(f"fold {fold + 1} of {folds}: Kendall tau {_told(taus, 4)}", flush=True)

    with progress_bar(f"fitting {kind}", quiet) as progress:
        predictor, validations = fit_and_validate(
            labelled,
            lambda: Predictor(kind, **chosen).to(device),  # a new one for each fold and one for all labels
            folds=folds,
            seed=seed,
            progress=progress,
            report=report,
            init=start,
            extend_scope=judged,
        )
    for name, validation in validations.items():
        of = "" if len(validations) == 1 else f" of {name}"
        print(f"{folds}-fold cross-validated Kendall tau{of} {validation.tau:.4f} (spread {validation.spread:.4f})")
    if also_judge:
        predictor.notes["also_judges"] = also_judge
    predictor.save(out)
    print(f"{predictor.identity}, fitted to all {predictor.metadata['training']['n']} labels, written to {out}")


def update(
    predictor: Annotated[
        str,
        typer.Argument(
            metavar="NAME|FILE", callback=predictor_or_file, help="A bundled predictor's name or a fitted one's file."
        ),
    ],
    data: Annotated[
        list[Path],
        typer.Argument(
            callback=_each_holds_labels,
            help="Labelled architectures, as for `fit`; of several files together, the mean of a network's labels.",
        ),
    ],
    out: Annotated[Path, typer.Option(help="The new predictor's file (.safetensors).", dir_okay=False)],
    target: Annotated[str | None, typer.Option(help="Whose labels; default the predictor's first target.")] = None,
    folds: Annotated[int, typer.Option(min=0, help="Folds of the cross-validation; 0 leaves it out.")] = 5,
    seed: SeedOption = 0,
    device: DeviceOption = None,
) -> None:
    """Update a fitted predictor with labels of your own.

    They may be few, and in another unit than those that it was fitted to. The Kendall tau of the update is printed
    beside that of the predictor as it was.
    """
    from tart_nas.measurements import read_labelled_data
    from tart_nas.measurements.comparability import cautions
    from tart_nas.predictors import LabelledData, Predictor, update_and_validate
    from tart_nas.predictors.update_validation import learned_target

    parts = [read_labelled_data(file) for file in data]
    labelled = LabelledData.joined(parts)
    base = Predictor.open(predictor).to(device)
    if base.is_fitted:  # else it is refused below
        for caution in cautions(parts, [learned_target(base, labelled, target)]):
            print_note(f"{caution}.")

    def report(fold: int, taus: Mapping[str, float]) -> None:
        print(f"fold {fold + 1} of {folds}: Kendall tau {_told(taus, 4)}", flush=True)

    updated, validations = update_and_validate(base, labelled, target=target, folds=folds, seed=seed, report=report)
    for way, validation in validations.items():
        print(f"{folds}-fold cross-validated Kendall tau, {way}: {validation.tau:.4f} (spread {validation.spread:.4f})")
    updated.save(out)
    n = updated.metadata["training"]["updated"]["n"]
    print(f"{updated.identity}, {base.identity} updated with {n} labels, written to {out}")


def _told(taus: Mapping[str, float], digits: int) -> str:
    """The taus of one target, or of several with their names."""
    if len(taus) == 1:
        return f"{next(iter(taus.values())):.{digits}f}"
    return ", ".join(f"{name} {tau:.{digits}f}" for name, tau in taus.items())


def _networks_of(splits: list[str], seed: int) -> "list[Architecture]":
    """Networks of some splits of DeepNets-1M."""
    from tart_nas.search_spaces import DeepNets1MSpace

    spaces = [DeepNets1MSpace(split) for split in splits]  # which checks all names before it draws
    return [architecture for space in spaces for architecture in space.sample(_ALSO_JUDGED, seed)]


def pretrain(
    out: Annotated[Path, typer.Option(help="The predictor's file (.safetensors).", dir_okay=False)],
    space: Annotated[Space, typer.Option(help="What the architectures are sampled from.")] = "darts",
    split: Annotated[SampledSplit, typer.Option(help="Of deepnets1m: whose sampling rules.")] = "search",
    # 4: `tart_nas.predictors.targets.MIN_LABELS`.
    n: Annotated[int, typer.Option(min=4, help="How many architectures to learn from.")] = 10_000,
    kind: Annotated[PretrainedKind, typer.Option(help="The transformer that is taught.")] = "tart-cell",
    settings: SettingsOption = [],  # noqa: B006  (typer reads it)
    seed: SeedOption = 0,
    device: DeviceOption = None,
    quiet: QuietOption = False,
) -> None:
    """Pretrain a transformer without labels.

    It learns to tell size, depth and paths of architectures; `fit --init` starts from it.
    """
    from tart_nas.predictors.pretraining import pretrained
    from tart_nas.search_spaces import DartsSpace, DeepNets1MSpace

    chosen = _settings(settings, kind)
    source = DartsSpace() if space == "darts" else DeepNets1MSpace(split)
    with progress_bar(f"pretraining {kind}", quiet) as progress:
        predictor = pretrained(source.sample(n, seed), kind, seed=seed, progress=progress, device=device, **chosen)
    predictor.save(out)
    print(f"{predictor.identity}, pretrained on {n:,} architectures to tell {', '.join(predictor.targets)}: {out}")


def _settings(given: list[str], kind: str) -> dict[str, Any]:
    """NAME=VALUE pairs as keyword arguments of a kind.

    Raises:
        SettingError: if one is no such pair, its value is not JSON, or the kind does not take it.
    """
    from tart_nas.errors import SettingError
    from tart_nas.predictors.models.regressor import regressor_class

    settings: dict[str, Any] = {}
    for pair in given:
        name, separator, value = pair.partition("=")
        try:
            settings[name] = json.loads(value)
        except ValueError:
            separator = ""  # a value that is not JSON and a missing "=" are one message
        if not separator or not name:
            raise SettingError(f"`--set` takes NAME=VALUE with VALUE as JSON, such as epochs=50, but got {pair!r}.")
    # Refused here what the kind does not have: a call gives them beside arguments of its own, such as the seed.
    regressor_class(kind).make(settings)
    return settings
