"""The folder of one training: one process at a time, and the same settings in every call on it."""

import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from tart_nas.checks import differences
from tart_nas.devices import is_out_of_memory
from tart_nas.errors import (
    CheckpointError,
    InsufficientMemoryError,
    RunFolderError,
    TartError,
    first_line,
    reason,
)
from tart_nas.files import writing_into
from tart_nas.runs.folder import write_json

__all__ = ["CHECKPOINT", "RESULT", "SETTINGS", "held", "keep_settings", "out_of_memory_told"]

SETTINGS, CHECKPOINT, RESULT = "settings.json", "training.safetensors", "result.json"
"""The files of the folder."""


@contextmanager
def held(folder: Path, rank: int = 0) -> Iterator[None]:
    """Holds the folder for this process; it is made if it is missing.

    Args:
        folder: the folder.
        rank: of the process among those that train together, each of which has a lock of its own.

    Raises:
        RunFolderError: if another training has it, or it cannot be made.
    """
    with writing_into(folder):
        folder.mkdir(parents=True, exist_ok=True)
        lock = FileLock(folder / f".lock{rank or ''}")  # the system frees it when the process ends
        try:
            lock.acquire(timeout=0)
        except Timeout:
            raise RunFolderError(
                f"Another training is running in {folder}: wait for it, or use another folder."
            ) from None
    try:
        yield
    finally:
        lock.release()


def keep_settings(
    folder: Path, wanted: Mapping[str, Any], complete_recipe: Callable[[Mapping[str, Any]], Mapping[str, Any]]
) -> None:
    """Writes what is trained into a folder without a training, or makes sure that the folder is of the same one.

    A folder in which no epoch has ended yet takes other settings: what was wrong with the first ones may have been
    found out only when the network was built.

    Args:
        folder: it is held.
        wanted: JSON values that decide the result; those of ``recipe`` are named one by one where they differ.
        complete_recipe: gives a recipe that the version before wrote the settings that there are now.

    Raises:
        RunFolderError: if the folder is of another training, or of none.
        CheckpointError: if its settings cannot be read.
    """
    path = folder / SETTINGS
    found = sorted(p.name for p in folder.iterdir() if p.name[0] != ".")
    if not path.exists():
        if found:
            raise RunFolderError(f"{folder} is no folder of a training (it holds {found[0]}): use a new one.")
        write_json(path, wanted)
        return
    try:
        made = json.loads(path.read_text())
        recipe: Mapping[str, Any] = dict(made.pop("recipe"))
        # As detect's has, of which retrain knows nothing. A recipe of the version before lacks some, and has no others.
        foreign = sorted(recipe.keys() - wanted["recipe"].keys())
        recipe = recipe if foreign else complete_recipe(recipe)
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise CheckpointError(f"{path} is not the settings of a training: {reason(error)}.") from None
    if found == [SETTINGS]:
        write_json(path, wanted)
        return
    if foreign:
        raise RunFolderError(
            f"{folder} is of another kind of training, with {foreign[0]!r} in its recipe: use a new folder."
        )
    if changed := differences(recipe, wanted["recipe"]):
        raise RunFolderError(f"{folder} was made with another recipe ({changed}): use a new folder.")
    others = {name: value for name, value in wanted.items() if name != "recipe"}
    if differing := [name for name in {**made, **others} if _deciding(made.get(name)) != _deciding(others.get(name))]:
        names = ", ".join(name.replace("_", " ") for name in differing)
        raise RunFolderError(f"{folder} was made with another {names}: use a new folder.")


def _deciding(setting: Any) -> Any:
    """A setting without what decides nothing of a network: what it was called, by which one may give it again."""
    return {k: v for k, v in setting.items() if k != "about"} if isinstance(setting, Mapping) else setting


@contextmanager
def out_of_memory_told() -> Iterator[None]:
    """What says inside that memory did not suffice becomes one error."""
    try:
        yield
    except (RuntimeError, MemoryError) as error:
        if isinstance(error, TartError) or not is_out_of_memory(error):
            raise
        raise InsufficientMemoryError(f"The network does not fit into memory: {first_line(error)}") from error
