"""Commands on a disk that is full at a random moment: one line, exit status 2, and the same command goes on with room.

The disk is a limit on the size of every file (``RLIMIT_FSIZE``): the system writes what still fits and refuses the
rest, as a full disk does. It needs no rights, and no file system of its own.
"""

import random
import resource
import shutil
from functools import partial
from pathlib import Path
from typing import Any

from tests.campaigns.commands import COMMANDS, leftovers
from tests.campaigns.processes import begin, finish

__all__ = ["fill_at_random"]


def fill_at_random(folder: Path, seed: int, count: int, names: list[str] | None = None) -> dict[str, Any]:
    """Gives each command ``count`` times with a limit, and then without one.

    Args:
        folder: empty, for everything that is written.
        seed: of the limits.
        count: how many limits for each command, spread over the sizes of its files.
        names: of the commands, by default all.

    Returns:
        How often each command met its limit, and what went wrong, in words.
    """
    rng = random.Random(seed)
    met: dict[str, int] = {}
    faults: list[str] = []
    for name in names or list(COMMANDS):
        written, log, right = COMMANDS[name], folder / "log", folder / f"right-{name}"
        if (status := finish(begin(written.command(right), log))) != 0:
            faults.append(f"{name}: undisturbed it ends with {status}: {log.read_text()[-500:]}")
            continue
        expected = written.outcome(right)
        largest = max(path.stat().st_size for path in right.rglob("*") if path.is_file())
        met[name] = 0
        for place in range(count):
            out = folder / f"{place}-{name}"
            limit = int(largest ** rng.uniform(place / count, (place + 1) / count))  # small files are many
            status = finish(begin(written.command(out), log, partial(_limit, limit)))
            text = log.read_text(errors="replace")
            if status == 2:
                met[name] += 1
            if status not in (0, 2) or "Traceback" in text or (status == 2 and text.count("error: ") != 1):
                faults.append(f"{name}: a limit of {limit} bytes ends it with {status}: {text[-500:]}")
            if (status := finish(begin(written.command(out), log))) != 0:
                faults.append(f"{name}: with room again, after {limit} bytes, it ends with {status}: {log.read_text()}")
                continue
            if written.outcome(out) != expected:
                faults.append(f"{name}: another result after a limit of {limit} bytes")
            faults += [f"{name}: {left} is left after a limit of {limit} bytes" for left in leftovers(out)]
            shutil.rmtree(out)
    return {"limits met": met, "faults": faults}


def _limit(size: int) -> None:
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, size))
