"""A journal file of Optuna's whose last line is whole, whatever became of the process that wrote it.

Optuna appends to the file. A disk that is full, or a kill in the middle of a write, leaves half a line at its end,
which readers skip. The next append would make one line of both halves, and from then on nobody could read the file.
Here half a line is cut off before anything is appended, and after an append that fails. The file stays one of Optuna's.
"""

import json
import logging
import os
from io import FileIO
from pathlib import Path
from typing import Any

from optuna.storages.journal import JournalFileBackend, JournalFileSymlinkLock

__all__ = ["WholeLineJournal"]

_log = logging.getLogger(__name__)
_BLOCK = 1 << 16  # bytes that are read at once, from the end, to find the last whole line: a line has some hundred


class WholeLineJournal(JournalFileBackend):
    """Optuna's backend of a journal file, which appends whole lines or nothing.

    Args:
        path: the file; made if there is none.

    Raises:
        OSError: if it cannot be made or read.
    """

    def __init__(self, path: Path | str) -> None:
        self._path = Path(path)
        # Of the kind that Optuna takes where none is given: processes without this class lock the same file.
        self._guard = JournalFileSymlinkLock(str(path))
        super().__init__(str(path), lock_obj=self._guard)

    def append_logs(self, logs: list[dict[str, Any]]) -> None:
        """Appends a line for each entry, all of them or none.

        Raises:
            OSError: if the disk is full, or the file cannot be written.
        """
        left = "".join(json.dumps(entry, separators=(",", ":")) + "\n" for entry in logs).encode()
        self._guard.acquire()
        try:
            # Without a buffer, which would try again to write what it still holds when the file is closed.
            with self._path.open("r+b", buffering=0) as file:
                end = self._whole_end(file)
                file.seek(end)
                try:
                    while left:
                        left = left[file.write(left) :]
                    os.fsync(file.fileno())
                except BaseException:
                    file.truncate(end)
                    raise
        finally:
            self._guard.release()

    def _whole_end(self, file: FileIO) -> int:
        """Where the last whole line ends; what is behind it is cut off."""
        size = file.seek(0, os.SEEK_END)
        end = size
        while end > 0:
            start = max(0, end - _BLOCK)
            file.seek(start)
            if (newline := file.read(end - start).rfind(b"\n")) >= 0:
                end = start + newline + 1
                break
            end = start
        if end < size:
            file.truncate(end)
            _log.warning("%s ended in half a line of %d bytes, which was cut off", self._path, size - end)
        return end
