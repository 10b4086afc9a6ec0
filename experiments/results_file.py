"""What an experiment has measured so far: a JSON file that it goes on with."""

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from filelock import FileLock

from tart_nas.errors import RunFolderError, reason
from tart_nas.files import replacing

__all__ = ["Key", "ResultsFile", "read_results"]

Key = tuple[str, ...]
"""The place of a result: names, from the outermost object to the innermost."""

_NUMBERS = re.compile(r"\[\n[^\[\]{}\"]*\]")  # a list of numbers, which takes one line; no string has a line break


class ResultsFile:
    """Results with the setting that they were measured in, written anew after each.

    Args:
        path: the file; it need not exist.
        setting: JSON values that decide what is measured.

    Attributes:
        results: JSON values.

    Raises:
        RunFolderError: if the file is something else, or its results are of another setting.
    """

    def __init__(self, path: Path, setting: Mapping[str, Any]) -> None:
        self._path, self._setting = path, json.loads(json.dumps(setting))
        self.results: dict[str, Any] = {}
        self._read()

    def __contains__(self, key: Key) -> bool:
        place: Any = self.results
        for name in key:
            if name not in place:
                return False
            place = place[name]
        return True

    def add(self, key: Key, value: Any, about: Mapping[str, Any] | None = None) -> None:
        """Adds a result and writes the file, whole or not at all.

        Args:
            key: its place.
            value: a JSON value.
            about: further JSON values that are told but do not decide, such as the machine.
        """
        self._path.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(self._path.with_name(f".{self._path.name}.lock")):
            self._read()  # another process may have written meanwhile
            place = self.results
            for name in key[:-1]:
                place = place.setdefault(name, {})
            place[key[-1]] = value
            content = {**(about or {}), "setting": self._setting, "results": self.results}
            text = json.dumps(content, indent=1, allow_nan=False)
            with replacing(self._path) as temporary:
                temporary.write_text(_NUMBERS.sub(lambda found: " ".join(found[0].split()), text) + "\n")

    def _read(self) -> None:
        if not self._path.exists():
            return
        self.results, difference = read_results(self._path, self._setting)
        if difference is not None:
            raise RunFolderError(f"{difference} Take another file, or delete it.")


def read_results(path: Path, setting: Mapping[str, Any]) -> tuple[dict[str, Any], str | None]:
    """The results in a file, and how the setting that they were measured in differs from this one; None if it does not.

    Raises:
        RunFolderError: if the file is something else.
    """
    try:
        content = json.loads(path.read_text())
        known, results = dict(content["setting"]), dict(content["results"])
    except (OSError, ValueError, KeyError, TypeError, RecursionError) as error:
        raise RunFolderError(f"{path} is no file of results: {reason(error)}.") from None
    setting = json.loads(json.dumps(setting))
    for name in sorted(known.keys() | setting.keys()):
        if known.get(name) != setting.get(name):
            was, now = known.get(name), setting.get(name)
            return results, f"The results in {path} are of another setting: {name} was {was!r} and is {now!r}."
    return results, None
