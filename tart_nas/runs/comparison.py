"""Several runs beside each other: the settings that differ, the best network and the gain of each."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np
from optuna.storages import BaseStorage

from tart_nas.errors import SettingError
from tart_nas.runs.folder import RunFolder
from tart_nas.runs.result import SearchResult
from tart_nas.runs.setting_names import settings_in_words
from tart_nas.runs.settings import GIVEN_IMAGES, SearchSettings
from tart_nas.runs.storage import masked, storage_address

__all__ = ["Comparison"]

_SHOWN = 8  # digits of a hash of images, which tell two data sets apart


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
        """The settings that differ, by name: one value for each run; and those that all runs share.

        Images that differ under settings that do not are shown among the former.
        """
        named = []
        for result in self.results:
            settings = settings_in_words(result.settings)
            predictor = result.facts.predictor.name  # two of one name may still differ
            identity = settings["predictor"]
            settings["predictor"] = predictor if predictor == identity else f"{predictor} ({identity})"
            named.append(settings)
        names = list(dict.fromkeys(name for settings in named for name in settings))
        values = {name: [settings.get(name, "–") for settings in named] for name in names}
        if not self._has_same_images:
            values["images"] = [_images_in_words(result) for result in self.results]
        differing = {name: row for name, row in values.items() if len(set(row)) > 1}
        return differing, {name: row[0] for name, row in values.items() if name not in differing}

    @property
    def is_alike(self) -> bool:
        """Whether all trained and tested alike, so that accuracies can be compared and not only gains.

        Seeds may differ: what they draw is chance, and no difference that one would look for.
        """
        first, *others = (_training(result.settings) for result in self.results)
        return self._has_same_images and all(other == first for other in others)

    @property
    def _has_same_images(self) -> bool:
        return all(_same_images(one, other) for one, other in combinations(self.results, 2))

    def to_dict(self) -> dict[str, Any]:
        """The comparison as JSON values; accuracies are fractions of 1."""
        differing, same = self.settings()
        return {
            "settings_that_differ": {name: dict(zip(self.names, row, strict=True)) for name, row in differing.items()},
            "settings_in_common": same,
            "is_alike": self.is_alike,
            "runs": [{"folder": str(result.folder), **result.to_dict()} for result in self.results],
        }


def _training(settings: SearchSettings) -> tuple[Any, ...]:
    """All settings but the seed that decide what accuracy a network reaches; equal where these are."""
    start = settings.init and {name: value for name, value in settings.init.items() if name != "ghn"}  # has their hash
    # A training of the user's own does not read the recipe.
    how = settings.recipe if settings.train is None else settings.train
    return settings.dataset, settings.budget, start, how


def _same_images(one: SearchResult, other: SearchResult) -> bool:
    """Whether two runs of one data set's name used the same images, as far as that is known.

    The hashes are of the images in their order, which the seed draws: they tell only runs of one seed apart. Images
    of a user's own that other seeds drew must come from the same place.
    """
    if one.settings.dataset != other.settings.dataset:
        return False
    if one.settings.seed == other.settings.seed and (names := one.fingerprints.keys() & other.fingerprints.keys()):
        return all(one.fingerprints[name] == other.fingerprints[name] for name in names)
    is_own = one.settings.dataset in ("folder", GIVEN_IMAGES)
    return not is_own or (one.images, one.facts.classes) == (other.images, other.facts.classes)


def _images_in_words(result: SearchResult) -> str:
    hashes = [result.fingerprints[name][:_SHOWN] for name in sorted(result.fingerprints)]
    return f"{result.images} ({', '.join(hashes)})" if hashes else result.images


def mean_test_accuracy(result: SearchResult, is_random: bool) -> float | None:
    """Of the picked or the random networks, in [0, 1]; None where none was tested."""
    side = result.random if is_random else result.top
    tested = [p.test_accuracy for p in side if p.test_accuracy is not None]
    return float(np.mean(tested)) if tested else None
