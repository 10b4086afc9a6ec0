"""Writing a file so that it is there whole or not at all."""

import os
import re
import socket
import zlib
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from tart_nas.errors import RunFolderError, TartError, first_line

__all__ = ["remove_leftovers", "replacing", "writing_into"]

_HOST = f"{zlib.crc32(socket.gethostname().encode()):08x}"  # a folder may be shared: process ids are those of a machine
# ``.NAME.HOST-PROCESS.tmp.SUFFIX``, without the host in version 0.1.0; with what SQLite appends to a file's name.
_TEMPORARY = re.compile(r"\..+\.(?:([0-9a-f]{8})-)?(\d+)\.tmp(\.\w+)?(-journal|-wal|-shm)?")


_UMASK = os.umask(0o022)  # there is no other way to ask for it
os.umask(_UMASK)
_MODE = 0o666 & ~_UMASK  # safetensors makes files that nobody else may read, and workers may be another user's


@contextmanager
def replacing(path: Path | str) -> Iterator[Path]:
    """Gives a temporary path beside ``path``; what is written there replaces ``path`` when the block ends well.

    If the block raises (a full disk, an interrupt), the temporary file goes and ``path`` stays as it was. A kill at any
    moment leaves ``path`` either old or new; the temporary file that it leaves is removed by the next call that writes
    into the folder.

    Raises:
        OSError: if the folder or the file cannot be made or written, also in place of what safetensors raises then.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    remove_leftovers(path.parent)
    temporary = path.with_name(f".{path.name}.{_HOST}-{os.getpid()}.tmp{path.suffix}")
    try:
        yield temporary
        temporary.chmod(temporary.stat().st_mode | _MODE)
        with temporary.open("rb") as written:
            os.fsync(written.fileno())
        os.replace(temporary, path)
    except Exception as error:
        # By name: most who write files need no safetensors. Inside it writes, so that its errors are the system's.
        if type(error).__name__ != "SafetensorError":
            raise
        raise _of_system(error, path) from None
    finally:
        temporary.unlink(missing_ok=True)


def _of_system(error: Exception, path: Path) -> OSError:
    """The error of the system that safetensors tells of in the words of Rust."""
    if (number := re.search(r"\(os error (\d+)\)", str(error))) is None:
        return OSError(first_line(error))
    return OSError(int(number[1]), os.strerror(int(number[1])), str(path))


@contextmanager
def writing_into(folder: Path, noun: str = "folder") -> Iterator[None]:
    """What cannot be written inside, on a disk that is full or that one may not write to, becomes one error.

    Args:
        folder: that is written into.
        noun: what it is, for the message.

    Raises:
        RunFolderError: in place of what the system, SQLAlchemy and Optuna raise.
    """
    try:
        yield
    except TartError:
        raise
    except Exception as error:
        # By name: to import these libraries takes seconds, and most who write files need none of them.
        names = {kind.__name__ for kind in type(error).__mro__}
        if not names & {"OSError", "SQLAlchemyError", "StorageInternalError"}:
            raise
        said = first_line(error.__cause__ or error)
        raise RunFolderError(f"The {noun} {folder} cannot be written: {said}") from error


def remove_leftovers(folder: Path) -> None:
    """Removes the temporary files in a folder whose process has ended; those of processes that live stay."""
    with suppress(OSError):  # what cannot be removed is in nobody's way
        for path in folder.iterdir():
            if (match := _TEMPORARY.fullmatch(path.name)) and match[1] in (None, _HOST) and not _lives(int(match[2])):
                path.unlink(missing_ok=True)


def _lives(process: int) -> bool:
    """Whether a process of this machine has not ended, as far as can be told."""
    if os.name == "nt":  # where signal 0 is no question
        return True
    try:
        os.kill(process, 0)
    except (ProcessLookupError, OverflowError):
        return False
    except PermissionError:  # another user's
        return True
    return True
