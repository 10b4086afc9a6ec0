"""What one can do with a run, as commands to copy: with its own folder, data set and study."""

import shlex
from dataclasses import dataclass

from tart_nas.runs.folder import RunFolder
from tart_nas.runs.result import SearchResult
from tart_nas.runs.settings import GIVEN_IMAGES
from tart_nas.search_spaces import TrialArchitecture
from tart_nas.user_code import is_reference

__all__ = ["Step", "next_steps", "study_address"]


@dataclass(frozen=True)
class Step:
    """A command and what it does.

    Args:
        text: what it does, for people.
        command: for a POSIX shell, in the directory where the search ran.
    """

    text: str
    command: str


def next_steps(result: SearchResult) -> list[Step]:
    """The commands that go on from a run: those on its best network only where one was trained."""
    folder = str(result.folder)
    steps: list[Step] = []
    if result.has_best:
        settings = result.settings
        dataset = ["--dataset", settings.dataset]
        if settings.dataset == "folder" and settings.budget.image_size is not None:  # else of the usual 224 pixels
            dataset += ["--image-size", str(settings.budget.image_size)]
        data_dir = result.facts.data_dir
        dataset += [] if data_dir is None else ["--data-dir", data_dir]
        name, predictor = result.best.pick.name, result.facts.predictor
        architecture = result.best.pick.architecture
        own: list[str] = []
        full = "at its own size, by the protocol of DARTS (600 epochs)"
        if isinstance(architecture, TrialArchitecture):
            own = ["--space", _function(architecture.space)]
            full = "by the protocol of DARTS (600 epochs)"
            drawing, cells = "Draw the graph of the best network", []
            picture = f"{folder}-graph.svg"
        else:
            explain = ["--explain", predictor.name] if predictor.explains_cells else []
            drawn = ", with what each operation adds to the prediction" if explain else ""
            drawing, cells = f"Draw the cells of the best network{drawn}", ["--cells", *explain]
            picture = f"{folder}-cells.svg"
        if settings.dataset != GIVEN_IMAGES:  # which no command can name
            steps.append(
                Step(
                    f"Train the best network, {name}, in full: {full}.",
                    _command("tart-nas", "retrain", folder, *own, *dataset, "--out", f"{folder}-retrained"),
                )
            )
        steps += [
            Step(
                "Write the best network, as this search trained it, to a file that runs without TART-NAS.",
                _command("tart-nas", "export", folder, *own, "--out", f"{folder}-best.onnx"),
            ),
            Step(f"{drawing}.", _command("tart-nas", "draw", folder, *cells, "--out", picture)),
        ]
    report = _command("tart-nas", "report", folder)
    return [
        *steps,
        Step("See all trials of the study in the browser.", _command("optuna-dashboard", study_address(result))),
        Step("Write this page again.", report),
        Step("Compare this run with another one.", f"{report} OTHER --out comparison.html"),
    ]


def study_address(result: SearchResult) -> str:
    """The address of the run's study, its password left out."""
    return result.facts.storage or f"sqlite:///{RunFolder(result.folder).study}"


def _function(name: str) -> str:
    """What a command takes to build networks of a user's own space: of a script's or a local function a place to fill.

    A script is ``__main__`` only while it runs, and what was made inside of another function has no name at all.
    """
    return name if is_reference(name) and not name.startswith("__main__:") else "MODULE:FUNCTION"


def _command(*arguments: str) -> str:
    return shlex.join(arguments)
