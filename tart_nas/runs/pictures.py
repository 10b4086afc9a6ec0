"""The cells of each trial as a picture that optuna-dashboard shows beside it."""

import tempfile
from contextlib import suppress
from pathlib import Path

import optuna
from optuna.artifacts import FileSystemArtifactStore, get_all_artifact_meta, upload_artifact
from optuna.exceptions import UpdateFinishedTrialError

from tart_nas.architecture import Architecture
from tart_nas.runs.folder import RunFolder
from tart_nas.runs.study import trials
from tart_nas.trials.optuna_internals import storage_of

__all__ = ["attach_pictures"]


def attach_pictures(study: optuna.Study, folder: RunFolder) -> None:
    """Draws the cells, or the graphs, of all trials that have no picture yet and have not ended, as artifacts.

    ``optuna-dashboard STORAGE --artifact-dir RUN/artifacts`` shows them.
    """
    storage = storage_of(study)
    without = [
        (pick, trial)
        for pick, trial in trials(study)
        if not trial.state.is_finished() and not get_all_artifact_meta(trial, storage=storage)
    ]
    if not without:
        return
    from tart_nas.drawing import draw_cells, draw_graph  # here, since importing matplotlib takes a second

    folder.artifacts.mkdir(exist_ok=True)
    store = FileSystemArtifactStore(folder.artifacts)
    with tempfile.TemporaryDirectory() as made:
        for pick, trial in without:
            path = Path(made) / f"{pick.name}-cells.svg"
            if isinstance(pick.architecture, Architecture):
                draw_cells(pick.architecture.genotype, path)
            else:
                path = Path(made) / f"{pick.name}-graph.svg"
                draw_graph(pick.architecture.graph, path)
            with suppress(UpdateFinishedTrialError):  # a worker was quicker
                upload_artifact(artifact_store=store, file_path=str(path), study_or_trial=trial, storage=storage)
