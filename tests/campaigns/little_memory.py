"""Commands for which memory does not suffice: one line and exit status 2, and the same command goes on with more.

The limit is on the addresses of the process (``RLIMIT_AS``). Where it is met is chance: while a library is loaded,
images are read, a convolution is planned, a picture is drawn.
"""

import random
from pathlib import Path
from typing import Any

from tests.campaigns.commands import COMMANDS, leftovers, make_inputs
from tests.campaigns.full_disk import complaints
from tests.campaigns.processes import Launcher

__all__ = ["LIMITED", "limit_at_random"]

LIMITED = ("search", "search-active-workers", "retrain", "measure")
"""The commands whose networks may be of any size."""

_LEAST, _MOST = 1 << 20, 1 << 28  # bytes beyond what the imported libraries take: nothing can be done; all is well


def limit_at_random(
    folder: Path, launcher: Launcher, seed: int, count: int, names: list[str] | None = None
) -> dict[str, Any]:
    """Gives each command ``count`` times with little memory, and then with enough.

    The results are not compared: with little memory batches are taken in parts, whose gradients are rounded otherwise.

    Args:
        folder: empty, for everything that is written.
        launcher: begins commands.
        seed: of the limits.
        count: how many limits for each command, spread over what it takes.
        names: of the commands, by default :data:`LIMITED`.

    Returns:
        How often each command lacked memory, and what went wrong, in words.
    """
    rng, inputs = random.Random(seed), folder / "inputs"
    chosen = names or LIMITED
    make_inputs(inputs, chosen, launcher)
    met: dict[str, int] = {}
    faults: list[str] = []
    for name in chosen:
        met[name] = 0
        for place in range(count):
            memory = int(_LEAST * (_MOST / _LEAST) ** ((place + rng.random()) / count))
            out = folder / f"{name}-{place}"
            command = COMMANDS[name].command(out, inputs)
            status, text = launcher.run(command, memory=memory)
            met[name] += status == 2
            if problem := complaints(status, text):
                faults.append(f"{name}: {memory} bytes {problem}")
            again, text = (0, "") if status == 0 else launcher.run(command)
            if again != 0:
                faults.append(f"{name}: with memory again, after {memory} bytes, it ends with {again}: {text[-500:]}")
            faults += [f"{name}: {left} is left after {memory} bytes" for left in leftovers(out)]
    return {"lacking": met, "faults": faults}
