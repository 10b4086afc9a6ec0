"""The report of a run: one self-contained HTML file for people, and the same numbers as JSON."""

import io
from html import escape
from importlib.resources import files
from string import Template
from typing import Any

from matplotlib.figure import Figure

from tart_nas.files import replacing
from tart_nas.graphs import draw_cells, save_figure
from tart_nas.runs.folder import RunFolder, write_json
from tart_nas.runs.result import SearchResult, TrainedPick

__all__ = ["write_report"]


def write_report(result: SearchResult, folder: RunFolder) -> None:
    """Writes ``report.html``, ``report.png`` and, last, ``report.json``: when that is there, the run has finished."""
    figure = result.plot()
    page = Template(files("tart_nas.runs").joinpath("report.html").read_text()).substitute(
        summary=_summary(result),
        figure=_svg(figure),
        rows="\n".join(_row(pick) for pick in result.picks),
        best=_best(result),
        judged=_settings_list(result, trained=False),
        trained=_settings_list(result, trained=True),
        folder=escape(str(result.folder)),
    )
    with replacing(folder.report) as temporary:
        temporary.write_text(page, encoding="utf-8")
    save_figure(figure, folder.picture)
    write_json(folder.report_data, result.to_dict())


def _summary(result: SearchResult) -> str:
    n, seconds = len(result.scores), result.scoring_seconds
    text = f"{n:,} candidates were scored in {seconds:.1f} s ({n / seconds:,.0f} a second). "
    trained = [p for p in result.picks if p.failure is None]
    text += f"{len(trained)} of {len(result.picks)} picked networks were trained on {escape(result.images)}. "
    gain = result.gain()
    if gain is not None:
        text += escape(gain.sentence())
    return text


def _row(p: TrainedPick) -> str:
    if p.failure is not None:
        outcome = f'<td colspan="2" class="failed">failed: {escape(p.failure)}</td>'
    else:
        outcome = f"<td>{_percent(p.validation_accuracy)}</td><td>{_percent(p.test_accuracy)}</td>"
    kind = "random" if p.pick.is_random else "top"
    return (
        f'<tr class="{kind}"><th>{escape(p.pick.name)}</th><td>{p.pick.rank:,}</td><td>{p.pick.predicted:.3f}</td>'
        f"<td>{p.pick.parameters:,}</td>{outcome}</tr>"
    )


def _percent(value: float | None) -> str:
    return "" if value is None else f"{100 * value:.2f} %"


def _best(result: SearchResult) -> str:
    trained = [p for p in result.top if p.failure is None]
    if not trained:
        return "<p>None of the picked networks could be trained.</p>"
    best = result.best
    return (
        f"<p>{escape(best.pick.name)}, chosen by validation accuracy ({_percent(best.validation_accuracy)}); "
        f"test accuracy {_percent(best.test_accuracy)}.</p>{_svg(draw_cells(best.pick.architecture.genotype))}"
        f"<pre>{escape(repr(best.pick.architecture.genotype))}</pre>"
    )


def _settings_list(result: SearchResult, trained: bool) -> str:
    """What the predictor judged, or what was trained: the two differ by the training budget."""
    settings = result.settings
    architectures = [p.pick.trained if trained else p.pick.architecture for p in result.picks]
    values: dict[str, Any] = {
        "cells": _range([a.n_cells for a in architectures]),
        "channels": _range([a.C for a in architectures]),
    }
    if trained:
        recipe = settings.recipe.to_dict()
        values |= {"training images": settings.budget.train_images or "all", **recipe}
    else:
        values |= {"predictor": settings.predictor}
    return "".join(f"<dt>{escape(str(key))}</dt><dd>{escape(str(value))}</dd>" for key, value in values.items())


def _range(values: list[int]) -> str:
    low, high = min(values), max(values)
    return str(low) if low == high else f"{low} to {high}"


def _svg(figure: Figure) -> str:
    """The figure as an inline SVG element."""
    buffer = io.StringIO()
    figure.savefig(buffer, format="svg", metadata={"Date": None})
    text = buffer.getvalue()
    return text[text.index("<svg") :]
