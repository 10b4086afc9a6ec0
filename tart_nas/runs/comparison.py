"""Several runs beside each other: the settings that differ, the best network and the gain of each."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from optuna.storages import BaseStorage

from tart_nas.errors import SettingError
from tart_nas.runs.folder import RunFolder
from tart_nas.runs.result import SearchResult
from tart_nas.runs.setting_names import settings_in_words
from tart_nas.runs.storage import masked, storage_address

__all__ = ["Comparison"]

# What accuracies depend on, by the beginnings of the settings' names in words: runs that differ in these are not
# compared by accuracy.
_SIZES = ("data set", "image size", "trained", "training images", "batch size", "epochs", "learning rate")


@dataclass(frozen=True)
class Comparison:
    """Two or more runs, finished or not.

    Args:
        results: of the runs, in the order in which they are shown.

    Raises:
        SettingError: if there are fewer than two, or one is there twice.
    """

    results: tuple[SearchResult, ...]

    def __post_init__(self) -> None:
        folders = [Path(result.folder).resolve() for result in self.results]
        if len(folders) < 2:
            raise SettingError(f"A comparison needs at least two runs, but got {len(folders)}.")
        if twice := [folder for folder in folders if folders.count(folder) > 1]:
            raise SettingError(f"A comparison needs different runs, but got {twice[0]} twice.")

    @classmethod
    def load(cls, folders: Sequence[Path | str], storage: str | Path | BaseStorage | None = None) -> "Comparison":
        """Reads runs, finished or not, from their folders.

        Args:
            folders: of the runs.
            storage: of the runs whose study is on that server, as in :meth:`SearchResult.load`; the others have theirs
                in files.

        Raises:
            TartError: if there are fewer than two, one is there twice, one is no run folder, one has its study on
                another server, or none has it in ``storage``.
        """
        address = storage_address(storage)
        places = [RunFolder(Path(folder)).read_place()[0] for folder in folders]
        if address is not None and masked(address) not in places:
            raise SettingError(f"`storage` must be that of a run, but none has its study in {masked(address)}.")
        return cls(
            tuple(
                SearchResult.load(folder, address if place == masked(address) else None, unfinished=True)
                for folder, place in zip(folders, places, strict=True)
            )
        )

    @property
    def names(self) -> list[str]:
        """What the runs are called: their folders."""
        return [str(result.folder) for result in self.results]

    def settings(self) -> tuple[dict[str, list[str]], dict[str, str]]:
        """The settings that differ, by name: one value for each run; and those that all runs share."""
        named = []
        for result in self.results:
            settings = settings_in_words(result.settings)
            predictor = result.facts.predictor.name  # two of one name may still differ
            identity = settings["predictor"]
            settings["predictor"] = predictor if predictor == identity else f"{predictor} ({identity})"
            named.append(settings)
        names = list(dict.fromkeys(name for settings in named for name in settings))
        values = {name: [settings.get(name, "–") for settings in named] for name in names}
        differing = {name: row for name, row in values.items() if len(set(row)) > 1}
        return differing, {name: row[0] for name, row in values.items() if name not in differing}

    @property
    def is_alike(self) -> bool:
        """Whether all trained and tested alike, so that accuracies can be compared and not only gains."""
        differing, _ = self.settings()
        return not any(name.startswith(_SIZES) for name in differing)

    def to_dict(self) -> dict[str, Any]:
        """The comparison as JSON values; accuracies are fractions of 1."""
        differing, same = self.settings()
        return {
            "settings_that_differ": {name: dict(zip(self.names, row, strict=True)) for name, row in differing.items()},
            "settings_in_common": same,
            "is_alike": self.is_alike,
            "runs": [{"folder": str(result.folder), **result.to_dict()} for result in self.results],
        }


def mean_test_accuracy(result: SearchResult, is_random: bool) -> float | None:
    """Of the picked or the random networks, in [0, 1]; None where none was tested."""
    side = result.random if is_random else result.top
    tested = [p.test_accuracy for p in side if p.test_accuracy is not None]
    return float(np.mean(tested)) if tested else None
