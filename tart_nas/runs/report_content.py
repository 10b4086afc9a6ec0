"""What a report page of one run shows, as plain values: the template puts them in their places."""

import json
from functools import lru_cache
from typing import Any

from markupsafe import Markup

from tart_nas.architecture import Architecture
from tart_nas.drawing import draw_cells, draw_graph
from tart_nas.drawing.cells import CELL_COLOURS
from tart_nas.errors import TartError
from tart_nas.genotype import Genotype
from tart_nas.graphs import ComputationalGraph
from tart_nas.runs.budgets import predicted_value, size_of_cells
from tart_nas.runs.figures import PALETTE, result_panels
from tart_nas.runs.folder import RunFolder
from tart_nas.runs.front_figures import front_panels
from tart_nas.runs.goals_content import GOAL_ALTS, goals_content
from tart_nas.runs.inline_svg import inline_svg
from tart_nas.runs.next_steps import next_steps, study_address
from tart_nas.runs.result import SearchResult
from tart_nas.runs.setting_names import recipe_in_words
from tart_nas.runs.trained_pick import TrainedPick
from tart_nas.search_spaces import TrialArchitecture

__all__ = ["gain_in_points", "points", "report_content", "subject"]

_ALT = {
    "scores": "Histogram of all scores, with those of the trained networks marked.",
    "curves": "Validation accuracy of each trained network after each epoch.",
    "measured": "Measured accuracy of each trained network against its prediction.",
    "best": "Best validation accuracy after each trained network.",
    **GOAL_ALTS,
}


def report_content(result: SearchResult) -> dict[str, Any]:
    """The values of the template ``report.html``."""
    panels = {**result_panels(result), **front_panels(result)}
    return {
        "title": f"{result.folder} · TART-NAS search",
        "heading": str(result.folder),
        "subject": subject(result),
        "resume": result.provenance.command,
        "tiles": _tiles(result),
        "gain": " ".join(filter(None, (_gain_sentence(result), result.predicted_gain_sentence()))),
        "agreements": [agreement.sentence() for agreement in result.agreements()],
        "in_rounds": result.settings.rounds > 1,
        "prediction_unit": result.facts.predictor.unit,
        "rows": [_row(result, p) for p in result.picks],
        "table_note": _table_note(result),
        **goals_content(result),
        "panels": [inline_svg(figure, name, _ALT[name], PALETTE) for name, figure in panels.items()],
        "best": _best(result),
        "strings": [(p.pick.name, str(p.pick.architecture)) for p in result.picks if _of_cells(p)],
        "suggestions": [(p.pick.name, str(p.pick.architecture)) for p in result.picks if not _of_cells(p)],
        "predicted": _predicted(result),
        "measured": _measured(result),
        "run": _run(result),
        "curves": _curves(result),
        "steps": next_steps(result),
        **_unfinished(result),
    }


def subject(result: SearchResult) -> str:
    """What was searched and on what networks were trained, in a line."""
    space = dict(result.settings.space)
    name = space.get("name", "")
    text = {"darts": "DARTS space", "deepnets1m": f"DeepNets-1M, {space.get('split')}", "given": "given candidates"}
    text["trial"] = f"networks of {space.get('build')}"
    text["generated"] = f"networks of a generator, {space.get('space')}"
    made = result.provenance.made
    begun = "" if made is None else f" · begun {_when(made)}"
    return f"{text.get(name, name)} · {result.images}{begun} · {'finished' if result.is_finished else 'not finished'}"


def gain_in_points(result: SearchResult) -> tuple[str, str] | None:
    """The difference and its interval, in points of per cent; None where there is none."""
    gain = result.gain()
    if gain is None:
        return None
    return points(gain.difference), f"points, 95 % interval {points(gain.low)} to {points(gain.high)}"


def points(fraction: float) -> str:
    """A difference of accuracies in points of per cent: ``+1.2``."""
    return f"{100 * fraction:+.1f}".replace("-", "−")  # the sign U+2212, as wide as the plus


def _when(iso: str) -> str:
    return iso.replace("T", " ").replace("+00:00", " UTC")


def _percent(value: float | None) -> str:
    return "–" if value is None else f"{100 * value:.2f}"


def _seconds(value: float) -> str:
    if value != value:  # NaN: a study that was lost does not tell
        return "an unknown time"
    if value < 60:
        return f"{value:.1f} s"
    minutes, seconds = divmod(round(value), 60)  # rounded first: 119.7 s are two minutes, not one and 60 s
    return f"{minutes} min {seconds} s"


def _tiles(result: SearchResult) -> list[dict[str, str]]:
    n, trained = len(result.scores), [p for p in result.picks if p.validation_accuracy is not None]
    best = {"name": "Best network", "value": "none", "note": "no picked network is trained", "kind": ""}
    if result.has_best:
        p = result.best
        tested = p.test_accuracy is not None
        best["value"] = f"{_percent(p.test_accuracy if tested else p.validation_accuracy)} %"
        validation = f"; validation {_percent(p.validation_accuracy)} %" if tested else ""
        best["note"] = f"{'test' if tested else 'validation'} accuracy of {p.pick.name}{validation}"
    tiles = [best]
    if (gain := result.gain()) is not None and (written := gain_in_points(result)) is not None:
        shown = "" if gain.is_shown else ": no difference shown"
        kind = "shown" if gain.is_shown and gain.difference > 0 else ""
        tiles.append({"name": "Picked minus random", "value": written[0], "note": written[1] + shown, "kind": kind})
    seconds = result.scoring_seconds
    speed = f" ({n / seconds:,.0f} a second)" if seconds > 0 else ""
    asked = result.settings.candidates
    speed += f"; all that could be of the {asked:,} asked for" if n < asked else ""
    tiles.append({"name": "Candidates scored", "value": f"{n:,}", "note": f"in {_seconds(seconds)}{speed}", "kind": ""})
    spent = sum(p.seconds or 0.0 for p in result.picks)
    took = f"in {_seconds(spent)}" if spent else ""
    value = f"{len(trained)} of {result.planned}"
    return [*tiles, {"name": "Networks trained", "value": value, "note": took, "kind": ""}]


def _gain_sentence(result: SearchResult) -> str:
    if (gain := result.gain()) is not None:
        return gain.sentence()
    if result.settings.random == 0:
        return "No random networks were trained beside the picked ones (--random): this run cannot tell what they gain."
    if result.settings.train is not None:
        return "A training of your own has no test here: this run cannot tell what the picked networks gain."
    if result.is_finished:
        return "One side has no trained network: this run cannot tell what the picked ones gain."
    return ""


def _row(result: SearchResult, p: TrainedPick) -> dict[str, Any]:
    macs = _multiply_accumulates(result, p)
    row = {
        "name": p.pick.name,
        "side": "random" if p.pick.is_random else "top",
        "best": result.has_best and p is result.best,
        "rank": f"{p.pick.rank:,}",
        "predicted": f"{p.pick.predicted:.3f}",
        "expected": "–" if p.pick.expected is None else f"{100 * p.pick.expected:.2f}",
        "parameters": f"{p.pick.parameters:,}",
        "flops": "–" if macs is None else _with_prefix(macs),
        "seconds": f"{p.seconds:.1f}" if p.seconds else "–",
        "validation": _percent(p.validation_accuracy),
        "test": _percent(p.test_accuracy),
        "instead": "",
        "failed": p.state == "failed",
    }
    if p.state == "failed":
        row["instead"] = f"failed: {p.failure}"
    elif p.state == "running":
        row["instead"] = f"training, {len(p.curve)} of {result.settings.recipe.epochs} epochs done"
    elif p.state == "waiting":
        row["instead"] = "waiting"
    return row


def _multiply_accumulates(result: SearchResult, p: TrainedPick) -> int | None:
    """Of the trained network, for one image; None where the network cannot be built, so that its training failed."""
    if p.pick.multiply_accumulates is not None or not isinstance(p.pick.trained, Architecture):
        return p.pick.multiply_accumulates
    size = result.facts.image_size or 32
    try:  # runs of version 0.1.0 did not count them
        return ComputationalGraph.from_architecture(p.pick.trained, image_size=size).macs
    except TartError:
        return None


def _with_prefix(count: int) -> str:
    """``2.45 M``: three digits and the prefix of the unit."""
    for prefix, size in (("G", 1e9), ("M", 1e6), ("k", 1e3)):
        if count >= 0.9995 * size:  # which three digits round up to the next prefix
            return f"{count / size:.3g} {prefix}"
    return str(count)


def _table_note(result: SearchResult) -> str:
    text = "FLOPs are multiply-accumulates for one image; seconds are those of training and validation. "
    if result.settings.rounds > 1:
        text += "Expected is the validation accuracy that earlier rounds let expect. "
    text += "The best network is the picked one with the highest validation accuracy. "
    if result.settings.train is not None:
        return f"{text}Validation is what {result.settings.train} returned."
    if result.is_finished:
        return text + "The test images were read once, after all networks were trained."
    return text + "The test images are read once, after all networks are trained."


def _best(result: SearchResult) -> dict[str, Any] | None:
    if not result.has_best:
        return None
    best = result.best
    judged, trained = best.pick.architecture, best.pick.trained
    if isinstance(judged, TrialArchitecture) or isinstance(trained, TrialArchitecture):
        assert isinstance(judged, TrialArchitecture)  # both are
        text = f"{best.pick.name}, rank {best.pick.rank:,}: what was suggested, and the graph of what was built of it."
        made = inline_svg(draw_graph(judged.graph), "graph", "The computational graph.", {})
        suggested = json.dumps(dict(judged.values), indent=1)
        return {"text": text, "svg": made, "heading": "Graph", "form": "suggestions", "genotype": suggested}
    text = (
        f"{best.pick.name}, rank {best.pick.rank:,}. Its own size is {judged.n_cells} cells and {judged.C} channels; "
        f"trained were {trained.n_cells} cells and {trained.C} channels."
    )
    cells, genotype = _cells(judged.genotype), repr(judged.genotype)
    return {"text": text, "svg": cells, "heading": "Cells", "form": "a genotype", "genotype": genotype}


def _of_cells(p: TrainedPick) -> bool:
    return isinstance(p.pick.architecture, Architecture)


@lru_cache(maxsize=4)  # the pages of a search that runs show the same best network again and again
def _cells(genotype: Genotype) -> Markup:
    return inline_svg(draw_cells(genotype), "cells", "The normal and the reduction cell.", CELL_COLOURS)


def _predicted(result: SearchResult) -> list[tuple[str, str]]:
    predictor = result.facts.predictor
    items = [("predictor", predictor.name), ("kind", predictor.kind), ("predicted value", predicted_value(result))]
    items += size_of_cells([p.pick.architecture for p in result.picks], predictor.size)
    words = {"image_size": "image size of its labels (pixels)", "train_images": "training images of its labels"}
    items += [(words.get(name, f"{name} of its labels"), f"{value:,}") for name, value in predictor.labels.items()]
    scores = result.scores
    items += [
        ("scores", f"mean {scores.mean():.3f}, standard deviation {scores.std():.3f}"),
        ("", f"lowest {scores.min():.3f}, highest {scores.max():.3f}"),
    ]
    return [*items, ("identity", result.settings.predictor)]


def _measured(result: SearchResult) -> list[tuple[str, str]]:
    items = [("data set", f"{result.settings.dataset}: {result.images}")]
    items += size_of_cells([p.pick.trained for p in result.picks])
    if result.facts.image_size is not None:
        items.append(("image size (pixels)", f"{result.facts.image_size}×{result.facts.image_size}"))
    counts = result.image_counts
    for name, words in (("train", "training images"), ("validation", "validation images"), ("test", "test images")):
        if name in counts:
            items.append((words, f"{counts[name]:,}"))
        elif name == "train" and result.settings.budget.train_images:
            items.append((words, f"{result.settings.budget.train_images:,}"))
    classes = result.facts.classes
    if classes:
        listed = ", ".join(classes[:20]) + (", ..." if len(classes) > 20 else "")
        items.append(("classes", f"{len(classes)}: {listed}"))
    if result.settings.init is not None:
        items.append(("first weights", f"predicted by {result.settings.init['ghn']}"))
    if result.settings.train is not None:
        return [*items, ("trained by", result.settings.train)]
    return items + list(recipe_in_words(result.settings).items())


def _run(result: SearchResult) -> list[tuple[str, str]]:
    facts, settings, made = result.facts, result.settings, result.provenance
    missing = f"not recorded by the version that made the run ({made.versions.get('tart-nas', 'unknown')})"
    # Those of version 0.1.0 may not know how long they took.
    trained = sum(p.seconds or 0.0 for p in result.picks)
    devices = sorted({p.device for p in result.picks if p.device})
    strategy = settings.strategy + (f", {settings.rounds} rounds" if settings.rounds > 1 else "")
    versions = ", ".join(f"{name} {version}" for name, version in made.versions.items())
    return [
        ("command", made.command or missing),
        ("begun", _when(made.made) if made.made else missing),
        ("finished", _when(result.finished) if result.finished else (missing if result.is_finished else "not yet")),
        ("device", ", ".join(devices) or ("not known yet" if made.command else missing)),
        ("seconds", f"{result.scoring_seconds:.1f} scoring, {trained:.1f} training"),
        ("seed", str(settings.seed)),
        ("strategy", strategy),
        ("smallest distance", f"{settings.min_distance} edges" if settings.min_distance else "none asked for"),
        ("study", f"{facts.study} in {study_address(result)}"),
        ("versions", versions or missing),
    ]


def _curves(result: SearchResult) -> list[dict[str, Any]]:
    epochs = []
    for p in result.picks:
        for number, epoch in enumerate(p.curve, start=1):
            loss, lr, seconds = epoch.get("train_loss"), epoch.get("lr"), epoch.get("seconds")
            numbers = [
                str(int(epoch.get("epoch", number))),
                "–" if loss is None else f"{loss:.4f}",
                _percent(epoch.get("train_accuracy")),
                _percent(epoch["validation_accuracy"]),
                "–" if lr is None else f"{lr:.4g}",
                "–" if seconds is None else f"{seconds:.1f}",
            ]
            epochs.append({"name": p.pick.name, "numbers": numbers})
    return epochs


def _unfinished(result: SearchResult) -> dict[str, str]:
    if result.is_finished:
        return {"unfinished": "", "unfinished_next": ""}
    count = {state: sum(p.state == state for p in result.picks) for state in ("trained", "failed", "running")}
    waiting = result.planned - sum(count.values())
    parts = [f"{count['trained']} of {result.planned} networks are trained"]
    parts += [f"{count['failed']} failed"] if count["failed"] else []
    parts += [f"{count['running']} began"] if count["running"] else []
    parts += [f"{waiting} wait{'s' if waiting == 1 else ''}"] if waiting else []
    text = ", ".join(parts) + ". What stands below is of the networks so far, and is no result yet."
    if RunFolder(result.folder).is_claimed():
        state = "A search was running in the folder when this page was written."
    else:
        state = "No search was running in the folder when this page was written. This goes on with it:"
        if result.provenance.command is None:
            state = "No search was running in the folder when this page was written: its own command goes on with it."
    return {"unfinished": text, "unfinished_next": state}
