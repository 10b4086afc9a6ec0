"""The cards of the bundled predictors and generators, made from the metadata in their files."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from tart_nas import generators
from tart_nas.generators import ArchitectureGenerator
from tart_nas.predictors import Predictor, pretrained

__all__ = ["model_cards_page"]


def _table(rows: Iterable[tuple[str, Any]]) -> list[str]:
    """A table of two columns without a head."""
    return [
        "| | |",
        "|---|---|",
        *(f"| {name} | {str(value).replace('|', chr(92) + '|')} |" for name, value in rows),
        "",
    ]


def _flat(values: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    """The leaves of nested mappings, by the path to them; the members of an ensemble by their kinds."""
    for name, value in values.items():
        if isinstance(value, Mapping):
            yield from _flat(value, f"{prefix}{name}.")
        elif isinstance(value, list) and all(isinstance(item, Mapping) for item in value) and value:
            for number, item in enumerate(value):
                yield from _flat(item, f"{prefix}{name}.{item.get('kind', number)}.")
        else:
            yield f"{prefix}{name}", value


def _span(least: float, most: float) -> str:
    return f"{least:g}" if least == most else f"{least:g} to {most:g}"


def _taus(cross_validation: Mapping[str, Any] | None, targets: Iterable[str]) -> Iterator[tuple[str, str]]:
    """Kendall's tau of each target with the range of its folds."""
    of_each = {"": cross_validation} if cross_validation and "tau" in cross_validation else cross_validation or {}
    for target, found in of_each.items():
        folds = f"{found['folds']} folds: {min(found['taus']):.3f} to {max(found['taus']):.3f}"
        yield f"cross-validated Kendall tau{target and f', {target}'}", f"{found['tau']:.3f} ({folds})"
    if not of_each:
        yield "cross-validated Kendall tau", "not measured when it was fitted; see the [benchmarks](../benchmarks.md)"


def _labels(training: Mapping[str, Any], notes: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """What a predictor was fitted to, and what it was updated with."""
    files = [each["data"] for each in notes["data"].get("of", [notes["data"]])]
    named = ", ".join(f"`{file}`" for file in files)
    if "updated" not in training:
        yield "fitted to", f"{training['n']} labelled architectures, {named}"
        return
    names = {Predictor.open(name).identity: f"`{name}`" for name in pretrained.names()}
    yield "fitted to", f"{training['n']} labelled architectures, as {names.get(notes['updated'], notes['updated'])}"
    yield "updated with", f"{training['updated']['n']} labelled architectures, {named}"


def _card(name: str) -> list[str]:
    """The card of a bundled predictor."""
    metadata = Predictor.open(name).metadata
    training, notes, scope = (metadata[part] for part in ("training", "notes", "scope"))
    size = notes.get("label_size", metadata["trained_at"])  # the former after an update
    targets = {"accuracy" if target == "target" else target: values for target, values in metadata["targets"].items()}
    rows = [
        ("load it with", f'`Predictor.open("{name}")`, `--predictor {name}`'),
        ("kind", f"`{metadata['kind']}`"),
        ("predicts", ", ".join(targets)),
        *_taus(notes.get("cross_validation"), targets),
        *_labels(training, notes),
        *(
            (
                f"labels of {target}, of the first fit" if "updated" in training else f"labels of {target}",
                f"mean {v['mean']:.4g}, deviation {v['scale']:.4g}",
            )
            for target, v in targets.items()
        ),
        (
            "size of the labelled networks",
            ", ".join(f"{k} {v}" for k, v in size.items()) or "their own",
        ),
        ("learned beside the target", ", ".join(training.get("auxiliary_names", [])) or "nothing"),
        ("scope extended to", ", ".join(notes.get("also_judges", [])) or "nothing"),
        ("made by", f"{notes['made_by']}; {training['made_by']}, {training['date'][:10]}, seed {training['seed']}"),
    ]
    lines = [f"## {name}", "", *_table(rows), "### Its scope", ""]
    lines += [f"Operations: {', '.join(f'`{op}`' for op in scope['ops'])}.", ""]
    lines += ["Settings of `Architecture` and numbers of nodes, from the least to the most in the labels:", ""]
    lines += _table((f"`{setting}`", _span(*span)) for setting, span in scope["ranges"].items())
    lines += ["### Its settings", "", *_table((f"`{k}`", f"`{v}`") for k, v in _flat(metadata["settings"]))]
    if isinstance(notes["data"].get("settings"), Mapping):
        lines += ["### How its labels were measured", ""]
        lines += _table((f"`{k}`", f"`{v}`") for k, v in _flat(notes["data"]["settings"]))
    return lines


def model_cards_page() -> str:
    """The page, as Markdown."""
    intro = [
        "# Model cards of the bundled predictors",
        "",
        "Each card is made from the metadata in the predictor's file. [Predictors](../predictors.md) explains the",
        "kinds and the targets. A predictor refuses architectures outside its scope.",
        "",
    ]
    cards = [line for name in pretrained.names() for line in _card(name)]
    return "\n".join(intro + cards + [line for name in generators.pretrained.names() for line in _generator_card(name)])


def _generator_card(name: str) -> list[str]:
    """The card of a bundled generator."""
    generator = ArchitectureGenerator.open(name)
    notes, thresholds = generator.notes, generator.thresholds
    samples = ", ".join(f"{what} {value:.4g}" for what, value in notes["samples"].items())
    rows = [
        ("load it with", f'`ArchitectureGenerator.open("{name}")`, `--generator {name}`'),
        ("what it is", repr(generator).strip("<>")),
        ("space", f"`{generator.space!r}`"),
        ("learned from the scores of", f"`{notes['predictor']}`"),
        ("fitted with", ", ".join(f"{setting} {value}" for setting, value in notes["fitting"].items())),
        ("score that is better than 99.9 % of all scored", f"{thresholds[-1]:.3f}"),
        ("its samples, by the same predictor", samples),
        ("made by", f"`{notes['made_by']}`"),
    ]
    warning = "It exploits the errors of its predictor too: [what another judge says of it](../generation.md)."
    return [f"## {name}", "", *_table(rows), warning, ""]
