"""How many trials a second the study of a search takes, by storage: what bounds a search on a large cluster.

``python -m tart_nas.experiments.storage_speed`` writes ``storage_speed.json``. One process does for each trial what a
search with ``--engine ray`` does: it enqueues the pick, claims it, and writes the device, a report for each epoch, the
curve, the end of the trial and the network's files. Nothing is trained. SQLite and a journal file are measured in a
temporary folder; ``--storage`` adds servers. The storages take turns, since other programs make a machine slow for a
while. The processor time is that of this process, which the search pays; what a server computes is not in it.
"""

import argparse
import os
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from itertools import count
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import torch
from rich.console import Console
from rich.table import Table

from tart_nas.errors import SettingError
from tart_nas.experiments.runner import Plan, experiment
from tart_nas.experiments.tables import table
from tart_nas.experiments.timing import timings
from tart_nas.images import load_images
from tart_nas.published import DARTS
from tart_nas.runs.folder import RunFolder
from tart_nas.runs.pick_outcome import PickOutcome
from tart_nas.runs.queue import run_queue
from tart_nas.runs.settings import SearchSettings
from tart_nas.runs.storage import open_study
from tart_nas.runs.study import Pick, plan
from tart_nas.runs.training import Trainer
from tart_nas.search_spaces import DartsSpace
from tart_nas.trials import RetryWhileUnreachable

_WEIGHTS = 400_000  # bytes: of a network of some 100,000 parameters, as the default budget has them
_PICK = Pick("top-1", 1, 95.0, replace(DARTS, n_cells=8, C=32), replace(DARTS, n_cells=5, C=8), 100_000)


def trials(folder: Path, address: str, epochs: int, n: int) -> Callable[[], None]:
    """Puts n trials through a study, more each time that it is called."""
    settings = SearchSettings({"name": "darts"}, "none", candidates=n, top_k=1, random=0, dataset="digits")
    images = load_images("digits", train_images=100)
    retrying = RetryWhileUnreachable(0)
    study = open_study(address, f"speed {folder.name}", folder / "study.sqlite3")
    quiet = Console(quiet=True)
    trainer = Trainer(study, RunFolder(folder), settings, images, torch.device("cpu"), quiet, retrying)
    queue = run_queue(study, 10.0, retrying, is_main=True)
    curve = [{"epoch": epoch, "validation_accuracy": epoch / 1000, "seconds": 1.0} for epoch in range(1, epochs + 1)]
    outcome = PickOutcome("cpu", curve, {"weights.safetensors": bytes(_WEIGHTS), "network.json": b"{}"})
    numbers = count()

    def work() -> None:
        plan(study, [replace(_PICK, name=f"top-{next(numbers)}") for _ in range(n)], DartsSpace())
        for _ in range(n):
            with queue.claimed() as claim:
                assert claim is not None
                trainer.record(claim, outcome)

    return work


def measured(servers: dict[str, str], n: int, epochs: int, rounds: int) -> dict[str, Any]:
    """Trials per second and processor time of each storage."""
    with TemporaryDirectory() as temporary:
        folder = Path(temporary)
        addresses = {
            "SQLite": f"sqlite:///{folder / 'study.sqlite3'}",
            "journal": f"journal:///{folder / 'study.log'}",
            **servers,
        }
        works = {}
        for place, (name, address) in enumerate(addresses.items()):
            (folder / str(place)).mkdir()
            works[name] = trials(folder / str(place), address, epochs, n)
        found = timings(works, rounds)
    return {
        name: {"trials_per_second": n / time.seconds, "processor_ms_per_trial": 1000 * time.processor / n}
        for name, time in found.items()
    }


def tables(results: dict[str, Any]) -> Iterator[Table]:
    """A row for each storage."""
    speeds = results.get("storages", {})
    rows = [(n, f"{s['trials_per_second']:.1f}", f"{s['processor_ms_per_trial']:.0f}") for n, s in speeds.items()]
    yield table(("storage", "trials/s", "processor ms/trial"), rows)


def plan_of(arguments: argparse.Namespace) -> Plan:
    servers = dict(map(_named, arguments.storage))
    setting = {"trials": arguments.trials, "epochs": arguments.epochs, "rounds": arguments.rounds}
    job = partial(measured, servers, *setting.values())
    return Plan(setting, [(("storages",), job)], tables, about={"load": os.getloadavg()})


def _named(server: str) -> tuple[str, str]:
    name, _, address = server.partition("=")
    if "://" in name or "://" not in address:
        raise SettingError(
            f"--storage takes NAME=ADDRESS, such as PostgreSQL=postgresql+psycopg://..., not {server!r}."
        )
    return name, address


main = partial(
    experiment,
    plan_of,
    {
        "--trials": (20, "of each round"),
        "--epochs": (4, "reports of each trial"),
        "--rounds": (5, "the median of these counts"),
        "--storage": {
            "action": "append",
            "default": [],
            "metavar": "NAME=ADDRESS",
            "help": "a server, and how its row is called; any number of them",
        },
    },
)


if __name__ == "__main__":
    sys.exit(main())
