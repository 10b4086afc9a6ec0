"""``tart-nas report``: the report of a run at any time, and several runs beside each other."""

import json
import shutil
from pathlib import Path
from typing import Annotated

import typer

__all__ = ["report"]


def report(
    runs: Annotated[
        list[Path], typer.Argument(exists=True, help="The folders of runs, finished or not; several are compared.")
    ],
    out: Annotated[
        Path | None,
        typer.Option(help="The page, .html; default report.html in the run's folder, for several comparison.html."),
    ] = None,
    storage: Annotated[
        str | None,
        typer.Option(help="The address of the study, where it is on a server, which is not contacted else, or moved."),
    ] = None,
    as_json: Annotated[
        bool,
        typer.Option(
            "--json",
            help="Print the numbers as JSON, accuracies as fractions of 1, and write a page only where --out says so.",
        ),
    ] = False,
) -> None:
    """Write the report of a run, finished or not, or a comparison of several runs."""
    import optuna

    from tart_nas.errors import SettingError

    optuna.logging.set_verbosity(optuna.logging.WARNING)
    if out is not None and out.suffix != ".html":
        raise SettingError(f"--out must end in .html, but got {out}.")
    width = shutil.get_terminal_size().columns
    if len(runs) == 1:
        _report_run(runs[0], out, storage, as_json, width)
    else:
        _compare(runs, out, storage, as_json, width)


def _report_run(run: Path, out: Path | None, storage: str | None, as_json: bool, width: int) -> None:
    from tart_nas.runs import SearchResult
    from tart_nas.runs.folder import RunFolder
    from tart_nas.runs.report import write_page, write_picture

    folder = RunFolder(run)
    if out is None and not as_json:
        folder.read_settings()  # before a lock makes a file there
        with folder.reporting():
            result = SearchResult.load(run, storage, unfinished=True)
            write_page(result, folder.report)
            write_picture(result, folder.picture)
    else:
        result = SearchResult.load(run, storage, unfinished=True)
        if out is not None:
            write_page(result, out)
    if as_json:
        print(json.dumps(result.to_dict(), indent=1, allow_nan=False))
    else:
        print(result.to_text(width))
        print(f"report: {folder.report if out is None else out}")


def _compare(runs: list[Path], out: Path | None, storage: str | None, as_json: bool, width: int) -> None:
    from tart_nas.runs.comparison import Comparison
    from tart_nas.runs.comparison_text import comparison_text
    from tart_nas.runs.report import write_comparison

    comparison = Comparison.load(runs, storage)
    page = Path("comparison.html") if out is None else out
    # As for one run: whoever asks for JSON gets a page only where --out names one.
    if out is not None or not as_json:
        write_comparison(comparison, page)
    if as_json:
        print(json.dumps(comparison.to_dict(), indent=1, allow_nan=False))
    else:
        print(comparison_text(comparison, width))
        print(f"comparison: {page}")
