"""Commands that are killed at random moments and given again must end as if nobody had disturbed them."""

import os
import random
import shutil
import signal
import time
from pathlib import Path
from typing import Any

from tests.campaigns.commands import COMMANDS, leftovers, make_inputs
from tests.campaigns.processes import begin, finish

__all__ = ["kill_at_random"]

_SIGNALS = (signal.SIGKILL, signal.SIGTERM, signal.SIGINT)
_IN_A_ROW = 4  # kills before a command may end: more would seldom let it come further than the fewer before


def kill_at_random(folder: Path, seed: int, count: int, names: list[str] | None = None) -> dict[str, Any]:
    """Kills commands ``count`` times in all, and gives each again until it ends.

    Args:
        folder: empty, for everything that is written.
        seed: of the commands, the moments and the signals.
        count: how many kills.
        names: of the commands, by default all.

    Returns:
        The number of kills by command and signal, and what went wrong, in words.
    """
    rng, inputs = random.Random(seed), folder / "inputs"
    make_inputs(inputs)
    chosen = names or list(COMMANDS)
    undisturbed: dict[str, Any] = {}
    kills: dict[str, int] = {}
    faults: list[str] = []
    runs = 0
    while sum(kills.values()) < count:
        name = chosen[runs % len(chosen)]
        runs += 1
        written, out, log = COMMANDS[name], folder / f"{runs}-{name}", folder / "log"
        if name not in undisturbed:
            start = time.monotonic()
            right = folder / f"right-{name}"
            status = finish(begin(written.command(right, inputs), log))
            if status != 0:
                faults.append(f"{name}: undisturbed it ends with {status}: {log.read_text()[-500:]}")
                chosen.remove(name)
                continue
            undisturbed[name] = written.outcome(right), time.monotonic() - start
        right_outcome, seconds = undisturbed[name]
        seen: dict[Path, int] = {}
        for _ in range(min(_IN_A_ROW, count - sum(kills.values()))):
            process = begin(written.command(out, inputs), log)
            process.join(rng.uniform(0, seconds))
            number = rng.choice(_SIGNALS)
            if process.exitcode is None:
                assert process.pid is not None
                os.kill(process.pid, number)
                kills[f"{name} {number.name}"] = kills.get(f"{name} {number.name}", 0) + 1
            status = finish(process)
            if status not in (0, 130, -number) or "Traceback" in log.read_text(errors="replace"):
                faults.append(f"{name}: {number.name} ends it with {status}: {log.read_text()[-500:]}")
            for path, time_of_writing in seen.items():
                if not path.exists() or path.stat().st_mtime_ns != time_of_writing:
                    faults.append(f"{name}: {path.name} was made once more after {number.name}")
            seen = {path: path.stat().st_mtime_ns for path in out.glob(written.finished)}
            if status == 0:
                break
        if status != 0:  # `data generate` refuses to make once more what is there
            status = finish(begin(written.command(out, inputs), log))
        if status == 2 and "already" in log.read_text():  # killed when all was written, and before it ended
            status = 0
        if status != 0:
            faults.append(f"{name}: given again it ends with {status}: {log.read_text()[-500:]}")
            continue
        if written.outcome(out) != right_outcome:
            faults.append(f"{name}: another result than undisturbed, in {out}")
            continue
        faults += [f"{name}: {left} is left" for left in leftovers(out)]
        faults += [
            f"{name}: {path.name} was made once more"
            for path, time_of_writing in seen.items()
            if path.stat().st_mtime_ns != time_of_writing
        ]
        shutil.rmtree(out)
    return {"kills": dict(sorted(kills.items())), "faults": faults}
