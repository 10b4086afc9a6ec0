"""Commands on a disk that is full at a random moment: one line, exit status 2, and the same command goes on with room.

The disk is a file system in memory (tmpfs) of a given size, where the system lets this process mount one, as it lets
root. Elsewhere it is a limit on the size of every file (``RLIMIT_FSIZE``): what still fits is written and the rest is
refused, but many small files never meet it.
"""

import random
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tests.campaigns.commands import COMMANDS, leftovers, make_inputs
from tests.campaigns.processes import Launcher

__all__ = ["complaints", "fill_at_random"]

_PAGE = 4096  # bytes: what a file in memory takes is a multiple
_ROOM = 1 << 30  # bytes, more than any of the commands writes
_TRACES = ("Traceback", "Exception ignored", "Segmentation fault")


def fill_at_random(
    folder: Path, launcher: Launcher, seed: int, count: int, names: list[str] | None = None
) -> dict[str, Any]:
    """Gives each command ``count`` times with a full disk, and then with room.

    Args:
        folder: empty, for everything that is written.
        launcher: begins commands.
        seed: of the sizes.
        count: how many sizes for each command, spread over what it writes.
        names: of the commands, by default all.

    Returns:
        What the disk was, how often each command found it full, and what went wrong, in words.
    """
    rng, inputs, disk = random.Random(seed), folder / "inputs", folder / "disk"
    make_inputs(inputs, names or COMMANDS, launcher)
    disk.mkdir()
    is_real = _mounts(disk)
    met: dict[str, int] = {}
    faults: list[str] = []
    for name in names or list(COMMANDS):
        written, right = COMMANDS[name], folder / f"right-{name}"
        right.mkdir()
        status, text = launcher.run(written.command(right, inputs))
        if status != 0:
            faults.append(f"{name}: undisturbed it ends with {status}: {text[-500:]}")
            continue
        expected = written.outcome(right)
        sizes = [path.stat().st_size for path in right.rglob("*") if path.is_file()]
        most = sum(sizes) if is_real else max(sizes)
        met[name] = 0
        for place in range(count):
            size = int(most ** rng.uniform(place / count, (place + 1) / count))  # small files are many
            with _disk(disk, size, is_real) as (out, limit, make_room):
                status, text = launcher.run(written.command(out, inputs), limit)
                met[name] += status == 2
                if problem := complaints(status, text):
                    faults.append(f"{name}: {size} bytes {problem}")
                make_room()
                if status == 0 and written.file:  # it is whole, and `export` and others write over it
                    continue
                again, text = launcher.run(written.command(out, inputs))
                if again != 0 and not (status == 0 and "already" in text):
                    faults.append(f"{name}: with room again, after {size} bytes, it ends with {again}: {text[-500:]}")
                elif written.outcome(out) != expected:
                    faults.append(f"{name}: another result after {size} bytes")
                faults += [f"{name}: {left} is left after {size} bytes" for left in leftovers(out)]
        if is_real and not met[name]:
            faults.append(f"{name}: no disk was full")
    return {"disk": "tmpfs" if is_real else "limit of file size", "full": met, "faults": faults}


def complaints(status: int | None, text: str) -> str:
    """What is wrong with how a command ended, nothing if it ended well, or with one line and exit status 2."""
    errors = sum(line.startswith("error: ") for line in text.splitlines())
    is_right = status in (0, 2) and errors == (status == 2) and not any(trace in text for trace in _TRACES)
    return "" if is_right else f"end it with {status}: {text[-700:]}"


@contextmanager
def _disk(folder: Path, size: int, is_real: bool) -> Iterator[tuple[Path, int | None, Callable[[], object]]]:
    """A folder on a small disk; how large a file a command may write there; and what makes room."""
    if not is_real:
        out = folder / str(size)
        out.mkdir(exist_ok=True)
        yield out, size, lambda: None
        return
    _mount(folder, f"size={size // _PAGE * _PAGE + _PAGE}")
    try:
        (folder / "filler").write_bytes(bytes(_PAGE))  # since there is no tmpfs of no size
        (folder / "out").mkdir()
        yield folder / "out", None, lambda: _mount(folder, f"remount,size={_ROOM}")
    finally:
        subprocess.run(["umount", folder], check=True)


def _mount(folder: Path, options: str) -> None:
    subprocess.run(["mount", "-t", "tmpfs", "-o", options, "tmpfs", folder], check=True, capture_output=True)


def _mounts(folder: Path) -> bool:
    """Whether this process may mount a file system."""
    try:
        _mount(folder, f"size={_PAGE}")
        subprocess.run(["umount", folder], check=True)
    except (OSError, subprocess.CalledProcessError):
        return False
    return True
