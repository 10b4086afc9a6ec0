"""Getting a file from a server: over broken connections, checked, and never in the way of what is there."""

import hashlib
import http.client
import os
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from filelock import FileLock

from tart_nas.errors import TartError

__all__ = ["Progress", "fetch", "md5_of"]

Progress = Callable[[str, int, int | None], None]
"""Called with a file's name, the bytes that are there and all bytes, None if their number is unknown."""

_BLOCK = 1 << 20  # bytes
_TIMEOUT = 60  # seconds without a byte


def fetch(
    url: str, path: Path, *, md5: str | None, progress: Progress | None, advice: str, error: type[TartError]
) -> None:
    """Downloads a file. A download that broke off leaves ``<name>.part``, from which the next call goes on.

    Of several processes that want the same file one downloads it, and the others wait for it.

    Args:
        url: where it is.
        path: where to.
        md5: its checksum, None if it is not known.
        progress: told what has come.
        advice: what to do when the server cannot be reached: a sentence.
        error: the class of the errors.

    Raises:
        TartError: of class ``error``, if the server cannot be reached, the connection breaks off, or the checksum is
            wrong.
        OSError: if the file cannot be written.
    """
    lock = path.with_name(f".{path.name}.lock")
    with FileLock(lock):
        if not path.exists():  # else another process was quicker
            part = path.with_name(f"{path.name}.part")
            _continue(url, part, path.name, progress or (lambda *_: None), advice, error)
            # Of what lies on the disk: an earlier call has written a part of it.
            if md5 is not None and (digest := md5_of(part)) != md5:
                part.unlink()
                raise error(f"{url} has the md5 {digest}, not {md5}: what came is deleted; try again.")
            os.replace(part, path)
        lock.unlink(missing_ok=True)  # whoever waits for it finds the file


def _continue(url: str, part: Path, name: str, report: Progress, advice: str, error: type[TartError]) -> None:
    """Appends to a part what is missing of a file."""
    done = part.stat().st_size if part.exists() else 0
    with _faults_of_network(url, advice, error):
        response = _opened(url, done)
    if response is None:
        return
    with response, part.open("ab" if response.status == 206 else "wb") as output:
        if response.status != 206:  # the server sends all
            done = 0
        length = response.length
        total = None if length is None else done + length
        report(name, done, total)
        while True:
            with _faults_of_network(url, advice, error):
                block = response.read(_BLOCK)
            if not block:
                break
            output.write(block)
            done += len(block)
            report(name, done, total)
    if total is not None and done < total:
        raise error(f"{url} broke off after {done:,} of {total:,} bytes: the same command goes on.")


@contextmanager
def _faults_of_network(url: str, advice: str, error: type[TartError]) -> Iterator[None]:
    """What fails inside is the network's: nothing of the disk is read or written there."""
    try:
        yield
    except urllib.error.HTTPError as fault:
        raise error(f"{url}: the server answers {fault.code} {fault.reason}. {advice}") from None
    except (OSError, http.client.HTTPException) as fault:
        why = getattr(fault, "reason", None) or fault or type(fault).__name__
        raise error(f"Cannot get {url}: {why}. {advice}") from None


def md5_of(path: Path) -> str:
    """The checksum of a file, as hexadecimal digits."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, lambda: hashlib.md5(usedforsecurity=False)).hexdigest()


def _opened(url: str, done: int) -> Any:
    """The response from byte ``done`` on, None if there are no more."""
    request = urllib.request.Request(url, headers={"Range": f"bytes={done}-"} if done else {})
    try:
        return urllib.request.urlopen(request, timeout=_TIMEOUT)
    except urllib.error.HTTPError as error:
        if error.code == 416 and done:
            return None
        raise
