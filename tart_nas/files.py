"""Writing a file so that it is there whole or not at all."""

import os
import re
import socket
import time
import zlib
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from secrets import token_hex

from tart_nas.errors import RunFolderError, TartError, first_line

__all__ = ["remove_leftovers", "replacing", "writing_into"]


def _namespace() -> str:
    """What tells those apart whose process ids mean the same: the machine since it was started, and the container."""
    parts = [socket.gethostname()]
    # Where there is no Linux, there are no containers that share the host's name. A host's name alone is not enough:
    # containers and cloned machines may have the same one.
    with suppress(OSError):
        parts.append(str(os.stat("/proc/self/ns/pid").st_ino))
        parts.append(Path("/proc/sys/kernel/random/boot_id").read_text().strip())
    return _digest(" ".join(parts))


def _digest(text: str) -> str:
    return f"{zlib.crc32(text.encode()):08x}"


_NAMESPACE = _namespace()
_HOST = _digest(socket.gethostname())  # which versions before 0.2.0 wrote
# ``.NAME.NAMESPACE-PROCESS-TOKEN.tmp.SUFFIX``; before 0.2.0 with the host in place of the namespace and without a
# token, and in 0.1.0 without the host; with what SQLite appends to a file's name.
_TEMPORARY = re.compile(r"\..+\.(?:([0-9a-f]{8})-)?(\d+)(-[0-9a-f]{8})?\.tmp(\.\w+)?(-journal|-wal|-shm)?")
_OLD = 24 * 60 * 60  # seconds: nobody who writes a file leaves it alone for a day, and clocks differ by less

_UMASK = os.umask(0o022)  # there is no other way to ask for it
os.umask(_UMASK)
_MODE = 0o666 & ~_UMASK  # safetensors makes files that nobody else may read, and workers may be another user's


@contextmanager
def replacing(path: Path | str) -> Iterator[Path]:
    """Gives a temporary path beside ``path``; what is written there replaces ``path`` when the block ends well.

    If the block raises (a full disk, an interrupt), the temporary file goes and ``path`` stays as it was. A kill at any
    moment leaves ``path`` either old or new; the temporary file that it leaves is removed by the next call that writes
    into the folder, from another machine or container when it is a day old.

    Raises:
        OSError: if the folder or the file cannot be made or written, also in place of what safetensors raises then.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    remove_leftovers(path.parent)
    temporary = path.with_name(f".{path.name}.{_NAMESPACE}-{os.getpid()}-{token_hex(4)}.tmp{path.suffix}")
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
    """Removes the temporary files in a folder whose process has ended; those of processes that live stay.

    Of a process of another machine or container that cannot be told: its files go when they are a day old.
    """
    with suppress(OSError):  # what cannot be removed is in nobody's way
        for path in folder.iterdir():
            if (match := _TEMPORARY.fullmatch(path.name)) and _is_left(path, match):
                path.unlink(missing_ok=True)


def _is_left(path: Path, match: re.Match[str]) -> bool:
    """Whether nobody writes a temporary file any more, as far as can be told."""
    namespace, process, token = match.groups()[:3]
    # An earlier version's process is looked for as it looked itself: in the host of its name.
    if namespace in ((_NAMESPACE,) if token is not None else (None, _HOST)):
        return not _lives(int(process))
    try:
        return time.time() - path.stat().st_mtime > _OLD
    except FileNotFoundError:  # its process, or another one that writes into the folder, was quicker
        return False


def _lives(process: int) -> bool:
    """Whether a process of this machine or container has not ended, as far as can be told."""
    if os.name == "nt":  # where signal 0 is no question
        return True
    try:
        os.kill(process, 0)
    except (ProcessLookupError, OverflowError):
        return False
    except PermissionError:  # another user's
        return True
    return True
