"""The report of a run: one self-contained HTML file for people, and the same numbers as JSON."""

import time
from functools import partial
from pathlib import Path

import optuna
from optuna.trial import TrialState

from tart_nas.files import replacing
from tart_nas.runs.candidates import ScoredCandidates
from tart_nas.runs.comparison import Comparison
from tart_nas.runs.folder import RunFolder, write_json
from tart_nas.runs.pages import render
from tart_nas.runs.result import SearchResult
from tart_nas.runs.settings import SearchSettings
from tart_nas.trials import RetryWhileUnreachable

__all__ = ["UnfinishedReport", "write_comparison", "write_page", "write_picture", "write_report"]

_SHARE = 0.05  # of a search's time that its unfinished reports may take


def write_report(result: SearchResult, folder: RunFolder) -> None:
    """Writes ``report.html``, ``report.png`` and, last, ``report.json``: when that is there, the run has finished."""
    with folder.reporting():
        write_page(result, folder.report)
        write_picture(result, folder.picture)
        write_json(folder.report_data, result.to_dict())


def write_page(result: SearchResult, path: Path) -> None:
    """Writes the page of a run, finished or not."""
    from matplotlib import style  # which takes a second to import

    from tart_nas.runs.report_content import report_content

    with style.context("default"):  # a style that the user has set would bring colours that are not the page's
        page = render("report.html", report_content(result))
    _write(path, page)


def write_picture(result: SearchResult, path: Path) -> None:
    """Writes the figure of a run, PNG."""
    from tart_nas.drawing import save_figure  # likewise
    from tart_nas.runs.figures import result_figure

    save_figure(result_figure(result), path)


def write_comparison(comparison: Comparison, path: Path) -> None:
    """Writes the page of several runs."""
    from matplotlib import style  # likewise

    from tart_nas.runs.comparison_content import comparison_content

    with style.context("default"):  # likewise
        page = render("comparison.html", comparison_content(comparison))
    _write(path, page)


class UnfinishedReport:
    """Keeps ``report.html`` of a running search up to date: whoever looks sees what is trained so far.

    Args:
        settings: of the run.
        folder: of the run.
        scored: its candidates.
        study: of the run.
        retrying: repeats what fails while the storage is away.
    """

    def __init__(
        self,
        settings: SearchSettings,
        folder: RunFolder,
        scored: ScoredCandidates,
        study: optuna.Study,
        retrying: RetryWhileUnreachable,
    ) -> None:
        self._folder, self._study, self._retrying = folder, study, retrying
        self._result = partial(SearchResult.of_study, settings, folder, scored, study)
        self._finished = self._count()
        self._next = 0.0  # on the clock of time.monotonic

    def renew(self) -> None:
        """Writes the page, if a network was trained since, and if that does not slow down the search."""
        finished, start = self._count(), time.monotonic()
        if finished == self._finished or start < self._next:
            return
        with self._folder.reporting():
            write_page(self._retrying(self._result), self._folder.report)
        end = time.monotonic()
        self._finished, self._next = finished, end + (end - start) / _SHARE

    def _count(self) -> int:
        states = (TrialState.COMPLETE, TrialState.FAIL)
        return len(self._retrying(lambda: self._study.get_trials(deepcopy=False, states=states)))


def _write(path: Path, page: str) -> None:
    with replacing(path) as temporary:
        temporary.write_text(page, encoding="utf-8")
