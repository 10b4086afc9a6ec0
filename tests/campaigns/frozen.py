"""Workers that stand still for longer than their heartbeat, and searches that are killed meanwhile, on each storage."""

import json
import os
import random
import signal
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from tests.campaigns.commands import COMMANDS, leftovers
from tests.campaigns.processes import Launcher, finish
from tests.forks import ForkedProcess

__all__ = ["STORAGES", "freeze_at_random"]

_WORKERS = 3  # beside the search
_SILENCE = 6 * 0.5  # seconds after which a worker is taken for dead: six heartbeats of the command
STORAGES = ("sqlite", "journal", "postgres", "grpc")
"""Where the study may lie."""


def freeze_at_random(
    folder: Path, launcher: Launcher, seed: int, count: int, names: list[str] | None = None
) -> dict[str, Any]:
    """Searches with workers of which one after the other is stopped, for longer than their silence is borne.

    Args:
        folder: empty, for everything that is written.
        launcher: begins commands.
        seed: of the moments.
        count: how many searches on each storage; each second one is killed once and given again.
        names: of the storages, by default all.

    Returns:
        How many searches, stops and kills there were on each storage, and what went wrong, in words.
    """
    written = COMMANDS["search-active-workers"]
    right, inputs = folder / "right", folder / "inputs"
    status, text = launcher.run(written.command(right, inputs))
    if status != 0:
        return {"faults": [f"undisturbed the search ends with {status}: {text[-500:]}"]}
    results: dict[str, Any] = {"faults": []}
    for storage in names or STORAGES:
        rng, counts = random.Random(f"{seed} {storage}"), Counter({"searches": 0, "stops": 0, "kills": 0})
        with _address(storage, folder) as address:
            for number in range(count):
                counts["searches"] += 1
                out = folder / f"{storage}-{number}"
                command = [*written.command(out, inputs), *(["--storage", address] if address else [])]
                faults = _disturb(command, out, launcher, rng, counts, is_killed=number % 2 == 1)
                if not faults and written.outcome(out) != written.outcome(right):
                    faults.append("another result than undisturbed")
                picks = json.loads((out / "report.json").read_text())["picks"] if not faults else []
                faults += [f"{pick['name']} is {pick['state']}" for pick in picks if pick["state"] != "trained"]
                faults += [f"{left} is left" for left in leftovers(out)] if not faults else []
                results["faults"] += [f"{storage}, search {number}: {fault}" for fault in faults]
        results[storage] = dict(counts)
    return results


def _disturb(
    command: list[str], out: Path, launcher: Launcher, rng: random.Random, counts: Counter[str], *, is_killed: bool
) -> list[str]:
    """Runs a search to its end, while its workers and more that join it are stopped and go on."""
    search = launcher.begin(command)
    joined: list[ForkedProcess] = []
    storage = command[command.index("--storage") :] if "--storage" in command else []
    try:
        while search.poll() is None:
            if len(joined) < _WORKERS - 1 and (out / "config.json").exists():
                of_worker = ["search", "--worker", "--out", str(out), "--device", "cpu", "--quiet", *storage]
                joined.append(launcher.begin(of_worker))
            with suppress(TimeoutError):
                search.wait(rng.uniform(0.2, 2.0))
            living = [worker for worker in joined if worker.poll() is None]
            if living and search.poll() is None:
                victim = rng.choice(living)
                os.kill(victim.pid, signal.SIGSTOP)
                counts["stops"] += 1
                time.sleep(_SILENCE * rng.uniform(1.5, 3))
                os.kill(victim.pid, signal.SIGCONT)
            if is_killed and search.poll() is None and rng.random() < 0.3:
                search.kill()
                search.wait()
                counts["kills"] += 1
                is_killed = False
                search = launcher.begin(command)
        status, text = finish(search)
        faults = [] if status == 0 and "Traceback" not in text else [f"the search ends with {status}: {text[-500:]}"]
        for worker in joined:
            status, text = finish(worker)
            if status != 0 or "Traceback" in text:
                faults.append(f"a worker ends with {status}: {text[-500:]}")
        return faults
    finally:
        for process in (search, *joined):
            process.kill()


@contextmanager
def _address(storage: str, folder: Path) -> Iterator[str | None]:
    """The address of a storage that is there inside, None for the run folder's own file."""
    from tests.runs.servers import Postgres, start_proxy

    if storage == "sqlite":
        yield None
    elif storage == "journal":
        yield f"journal://{folder / 'journal.log'}"
    elif storage == "postgres":
        server = Postgres()
        try:
            yield server.address
        finally:
            server.close()
    else:
        proxy, address = start_proxy(f"sqlite:///{folder / 'proxy.sqlite3'}")
        try:
            yield address
        finally:
            proxy.kill()
            proxy.wait()
