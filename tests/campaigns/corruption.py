"""Files with random faults are refused in one line or read right: nothing hangs, crashes or takes the memory.

A reader runs in a process of its own, which is forked once and again after a crash or a hang.
"""

import multiprocessing
import random
import resource
import shutil
import signal
import time
from collections.abc import Callable
from functools import partial
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

from tests.campaigns.formats import FORMATS
from tests.campaigns.processes import processor_time

__all__ = ["corrupt_at_random", "corrupted"]

_HANG = 10.0  # seconds of its processor time that a reader may take
_MEMORY = 1 << 30  # bytes that reading may take beyond what the process had
_FORK = multiprocessing.get_context("fork")


def corrupted(data: bytes, rng: random.Random) -> bytes:
    """The bytes with one random fault: a flipped bit, other bytes, a part lost, repeated or exchanged, a digit."""
    place, length = rng.randrange(len(data)), rng.randint(1, 40)
    kind = rng.randrange(7)
    if kind == 0:
        return data[:place] + bytes([data[place] ^ (1 << rng.randrange(8))]) + data[place + 1 :]
    if kind == 1:
        return data[:place] + rng.randbytes(length) + data[place + length :]
    if kind == 2:
        return data[:place]
    if kind == 3:
        return data[:place] + data[place + length :]
    if kind == 4:
        return data[:place] + data[place : place + length] * 2 + data[place + length :]
    if kind == 5:
        other = rng.randrange(len(data))
        return data[:place] + data[other : other + length] + data[place + length :]
    digits = [i for i, byte in enumerate(data) if 48 <= byte <= 57] or [place]
    place = rng.choice(digits)
    return data[:place] + bytes([rng.choice(b"0123456789")]) * rng.choice([1, 1, 12]) + data[place + 1 :]


def corrupt_at_random(folder: Path, seed: int, count: int, names: list[str] | None = None) -> dict[str, Any]:
    """Corrupts each format ``count`` times.

    Args:
        folder: empty, for everything that is written.
        seed: of the faults.
        count: how many for each format.
        names: of the formats, by default all.

    Returns:
        For each format how many files were read right, were refused in a line, were read as something else although
        nothing can tell (``undetectable``, where a format has no checksum), and what went wrong, in words.
    """
    results: dict[str, Any] = {}
    for name in names or list(FORMATS):
        format = FORMATS[name]
        made = folder / name
        made.mkdir(parents=True)
        paths = format.make(made)
        contents = [path.read_bytes() for path in paths]
        right = format.read(made)
        rng = random.Random(f"{seed} {name}")
        counts = {"right": 0, "refused": 0, "undetectable": 0}
        faults: list[str] = []
        reader = _Reader(partial(format.read, made))
        for number in range(count):
            for path, content in zip(paths, contents, strict=True):
                path.write_bytes(content)
            chosen = rng.randrange(len(paths))
            paths[chosen].write_bytes(corrupted(contents[chosen], rng))
            verdict, value = reader.read()
            if verdict == "read" and value == right:
                counts["right"] += 1
            elif verdict == "refused" and "\n" not in value:
                counts["refused"] += 1
            elif verdict == "read" and not format.has_checksum:
                counts["undetectable"] += 1
            else:
                kept = folder / f"fault-{name}-{number}"
                shutil.copytree(made, kept)
                faults.append(
                    f"number {number}: {'read wrong' if verdict == 'read' else f'{verdict}: {value}'} ({kept})"
                )
        reader.close()
        results[name] = {**counts, "faults": faults}
    return results


class _Reader:
    """Reads in another process."""

    def __init__(self, read: Callable[[], Any]) -> None:
        self._read = read
        self._process: BaseProcess | None = None
        self._pipe: Connection | None = None

    def read(self) -> tuple[str, Any]:
        """What became of it: ``read``, ``refused``, ``traceback``, ``crash``, ``hang``; and the value or the reason."""
        if self._process is None:
            self._pipe, theirs = _FORK.Pipe()
            self._process = _FORK.Process(target=_serve, args=(self._read, theirs))
            self._process.start()
            theirs.close()
        assert self._pipe is not None
        self._pipe.send(None)
        begun, deadline = processor_time(self._process.pid), time.monotonic() + 60 * _HANG
        while not self._pipe.poll(0.5):
            if processor_time(self._process.pid) - begun > _HANG or time.monotonic() > deadline:
                self.close()
                return "hang", f"more than {_HANG:g} s"
        try:
            verdict, value = self._pipe.recv()
        except EOFError:
            self._process.join()
            status = self._process.exitcode
            self.close()
            return "crash", f"status {status}"
        return verdict, value

    def close(self) -> None:
        """Ends the process."""
        if self._process is not None and self._pipe is not None:
            self._process.kill()
            self._process.join()
            self._pipe.close()
        self._process = self._pipe = None


def _serve(read: Callable[[], Any], pipe: Connection) -> None:
    import warnings

    from tart_nas.errors import TartError

    warnings.simplefilter("ignore")
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    while True:
        try:
            pipe.recv()
        except EOFError:
            return
        try:
            answer = "read", read()
        except TartError as error:
            answer = "refused", str(error)
        except OSError as error:  # which the command line makes one line of
            answer = "refused", str(error.strerror or error)
        except Exception as error:
            answer = "traceback", f"{type(error).__name__}: {error}"
        if (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) * 1024 > _MEMORY:
            answer = "memory", "more than 1 GB"
        pipe.send(answer)
