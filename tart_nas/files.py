"""Writing a file so that it is there whole or not at all."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

__all__ = ["replacing"]


@contextmanager
def replacing(path: Path | str) -> Iterator[Path]:
    """Gives a temporary path beside ``path``; what is written there replaces ``path`` when the block ends well.

    If the block raises (a full disk, an interrupt), the temporary file goes and ``path`` stays as it was. A kill at any
    moment leaves ``path`` either old or new.

    Raises:
        OSError: if the folder cannot be made or written.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp{path.suffix}")
    try:
        yield temporary
        with temporary.open("rb") as written:
            os.fsync(written.fileno())
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)
