"""Commands that are killed at random moments and given again must end as if nobody had disturbed them."""

import random
import shutil
import signal
from collections import Counter
from pathlib import Path
from typing import Any

from tests.campaigns.commands import COMMANDS, Written, leftovers, make_inputs
from tests.campaigns.processes import PATIENCE, Launcher, finish, wait_until_used

__all__ = ["KILLED", "kill_at_random"]

KILLED = ("search", "search-active-workers", "retrain", "measure", "data-generate", "ghn-train", "generate")
"""The commands that take long enough to be killed, and train or make many files."""

_SIGNALS = (signal.SIGKILL, signal.SIGTERM, signal.SIGINT)
_IN_A_ROW = 4  # kills before a command may end: more would seldom let it come further than the fewer before


def kill_at_random(
    folder: Path, launcher: Launcher, seed: int, count: int, names: list[str] | None = None
) -> dict[str, Any]:
    """Kills commands ``count`` times in all, and gives each again until it ends.

    Args:
        folder: empty, for everything that is written.
        launcher: begins commands.
        seed: of the commands, the moments and the signals.
        count: how many kills.
        names: of the commands, by default :data:`KILLED`.

    Returns:
        The number of kills by command and signal, and what went wrong, in words.
    """
    rng, inputs = random.Random(seed), folder / "inputs"
    chosen = list(names or KILLED)
    make_inputs(inputs, chosen, launcher)
    kills: Counter[str] = Counter()
    undisturbed: dict[str, tuple[Any, float]] = {}
    faults: list[str] = []
    runs = 0
    while kills.total() < count and chosen:
        name = chosen[runs % len(chosen)]
        runs += 1
        written = COMMANDS[name]
        if name not in undisturbed:
            right = folder / f"right-{name}"
            process = launcher.begin(written.command(right, inputs))
            used = wait_until_used(process, PATIENCE)
            status, text = finish(process)
            if status != 0:
                faults.append(f"{name}: undisturbed it ends with {status}: {text[-500:]}")
                chosen.remove(name)
                continue
            undisturbed[name] = written.outcome(right), used
        out = folder / f"{runs}-{name}"
        command = written.command(out, inputs)
        at_most = min(_IN_A_ROW, count - kills.total())
        found = _disturb(name, written, command, out, launcher, undisturbed[name], rng, kills, at_most)
        faults += [f"{name}: {fault}" for fault in found]
        if not found:
            shutil.rmtree(out)
    return {"kills": dict(sorted(kills.items())), "faults": faults}


def _disturb(
    name: str,
    written: Written,
    command: list[str],
    out: Path,
    launcher: Launcher,
    undisturbed: tuple[Any, float],
    rng: random.Random,
    kills: Counter[str],
    at_most: int,
) -> list[str]:
    """Kills one command a few times, and gives it to its end; what went wrong."""
    right, seconds = undisturbed
    faults: list[str] = []
    finished: dict[Path, int] = {}
    status: int | None = None
    for _ in range(at_most):
        process = launcher.begin(command)
        number = rng.choice(_SIGNALS)
        moment = rng.uniform(0, seconds)
        wait_until_used(process, moment)
        if process.poll() is None:
            process.send_signal(number)
            kills[f"{name} {number.name}"] += 1
        status, text = _ended(*finish(process))
        if status not in (0, 130, -number) or "Traceback" in text:
            faults.append(f"{number.name} after {moment:.1f} s of the processor ends it with {status}: {text[-500:]}")
        faults += _made_again(finished, number.name)
        finished = {path: path.stat().st_mtime_ns for path in out.glob(written.finished)}
        if status == 0:
            break
    if status != 0:
        status, text = _ended(*launcher.run(command))
        if status != 0:
            return [*faults, f"given again it ends with {status}: {text[-500:]}"]
    faults += _made_again(finished, "the last call")
    if written.outcome(out) != right:
        faults.append(f"another result than undisturbed, in {out}")
    return [*faults, *(f"{left} is left" for left in leftovers(out))]


def _ended(status: int | None, text: str) -> tuple[int | None, str]:
    """How a command ended; one that finds its work done, as `data generate` does, has ended well."""
    return (0, text) if status == 2 and "holds the split" in text and "already" in text else (status, text)


def _made_again(finished: dict[Path, int], after: str) -> list[str]:
    return [
        f"{path.name} was made once more after {after}"
        for path, time_of_writing in finished.items()
        if not path.exists() or path.stat().st_mtime_ns != time_of_writing
    ]
