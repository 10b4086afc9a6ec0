"""What an experiment has measured so far: a JSON file that it goes on with."""

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tart_nas.errors import RunFolderError, reason
from tart_nas.files import replacing

__all__ = ["ResultsFile"]

_NUMBERS = re.compile(r"\[\n[^\[\]{}\"]*\]")  # a list of numbers, which takes one line; no string has a line break


class ResultsFile:
    """Results with the setting that they were measured in, written anew after each.

    Args:
        path: the file; it need not exist.
        setting: JSON values that decide what is measured.

    Attributes:
        results: JSON values; to be changed in place, then saved.

    Raises:
        RunFolderError: if the file is something else, or its results are of another setting.
    """

    def __init__(self, path: Path, setting: Mapping[str, Any]) -> None:
        self._path, self._setting = path, json.loads(json.dumps(setting))
        self.results: dict[str, Any] = {}
        if not path.exists():
            return
        try:
            content = json.loads(path.read_text())
            known, self.results = dict(content["setting"]), dict(content["results"])
        except (OSError, ValueError, KeyError, TypeError, RecursionError) as error:
            raise RunFolderError(f"{path} is no file of results: {reason(error)}.") from None
        for name in sorted(known.keys() | self._setting.keys()):
            if known.get(name) != self._setting.get(name):
                raise RunFolderError(
                    f"The results in {path} are of another setting: {name} was {known.get(name)!r} and is "
                    f"{self._setting.get(name)!r}. Take another file, or delete it."
                )

    def save(self, about: Mapping[str, Any] | None = None) -> None:
        """Writes the file, whole or not at all.

        Args:
            about: further JSON values that are told but do not decide, such as the machine.
        """
        with replacing(self._path) as temporary:
            content = {**(about or {}), "setting": self._setting, "results": self.results}
            text = json.dumps(content, indent=1, allow_nan=False)
            temporary.write_text(_NUMBERS.sub(lambda found: " ".join(found[0].split()), text) + "\n")
