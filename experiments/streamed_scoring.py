"""Very many candidates ranked in shards, here or on a local cluster of Ray's: how fast, and in how much memory.

``python -m tart_nas.experiments.streamed_scoring --candidates 10000000 --engine ray --preselect`` does what
``tart-nas score --sample 10000000 --engine ray --preselect`` does with the DARTS space, and prints a line when 10 %,
50 % and all of the candidates are scored: the seconds so far, candidates per second, and the peaks of memory so far, of
this process and of the largest worker. ``--compare`` scores every candidate exactly too, and tells how many of the best
by the predictor the preselection has found.
"""

import argparse
import sys
import time
from contextlib import nullcontext, suppress
from functools import partial
from importlib import import_module
from pathlib import Path
from typing import Any

import torch
from rich.console import Console

from tart_nas.choices import CLUSTER_ENGINES
from tart_nas.cluster import chosen_cluster
from tart_nas.experiments.memory import peak_memory
from tart_nas.experiments.runner import command
from tart_nas.experiments.tables import table
from tart_nas.predictors import Predictor
from tart_nas.runs import default_predictor
from tart_nas.runs.streaming import Scored, best_of_space
from tart_nas.search_spaces import DartsSpace

_SHARES = (0.1, 0.5, 1.0)


class Progress:
    """Notes time and memory when each of the shares of n candidates is scored.

    Args:
        n: candidates.
        on_cluster: whether there are workers, whose memory is looked at after each shard.
    """

    def __init__(self, n: int, on_cluster: bool) -> None:
        self._n, self._on_cluster = n, on_cluster
        self._start, self._done, self._workers = time.perf_counter(), 0, 0.0
        self.rows: list[tuple[str, ...]] = []

    def advance(self, count: int) -> None:
        """So many more are scored."""
        self._done += count
        if self._on_cluster:
            self._workers = max(self._workers, largest_worker())
        while len(self.rows) < len(_SHARES) and self._done >= _SHARES[len(self.rows)] * self._n:
            seconds = time.perf_counter() - self._start
            share = f"{_SHARES[len(self.rows)]:.0%}"
            speed, workers = f"{self._done / seconds:,.0f}", f"{self._workers:,.0f}" if self._on_cluster else ""
            self.rows.append((share, f"{seconds:,.1f}", speed, f"{peak_memory() / 2**20:,.0f}", workers))


def largest_worker() -> float:
    """Peak resident memory of the workers of the cluster that this process has started, of the largest one, in MB."""
    psutil: Any = import_module("psutil")  # which importing Ray makes importable
    peaks = [0]
    for process in psutil.Process().children(recursive=True):
        with suppress(psutil.Error, OSError):  # it has just ended
            if "".join(process.cmdline()[:1]).startswith("ray::"):
                status = Path(f"/proc/{process.pid}/status").read_text()
                peaks += [int(line.split()[1]) for line in status.splitlines() if line.startswith("VmHWM:")]
    return max(peaks) / 1024


def run(arguments: argparse.Namespace, console: Console) -> None:
    """Prints the table."""
    torch.set_num_threads(1)  # one for each task on a cluster too
    space, n, top = DartsSpace(), arguments.candidates, arguments.top
    name = arguments.predictor or default_predictor(space)
    predictor = Predictor.open(name).to("cpu")
    best_of_space(space, 100, predictor, preselect=arguments.preselect)  # the first call loads code
    cluster, before = chosen_cluster(arguments.engine, None), peak_memory()
    with cluster or nullcontext() as entered:
        progress = Progress(n, entered is not None)
        processor = time.process_time()
        options: dict[str, Any] = {"k": top, "cluster": entered, "advance": progress.advance}
        best, scored = best_of_space(space, n, predictor, preselect=arguments.preselect, **options)
        processor = time.process_time() - processor
    columns = ("scored", "seconds", "candidates/s", "MB of this process", "MB of the largest worker")
    console.print(table(columns, progress.rows, f"{name}: {n:,} candidates, {arguments.engine}"))
    console.print(
        f"{scored:,} judged. This process had {before / 2**20:,.0f} MB before; processor time {processor:,.1f} s."
    )
    if arguments.compare:
        exact, _ = best_of_space(space, n, predictor, k=top)
        console.print(f"{found(best, exact)} of the {top} best by the predictor were found.")


def found(best: list[Scored], exact: list[Scored]) -> int:
    """How many of one ranking's networks are in the other."""
    return len({network for _, network in best} & {network for _, network in exact})


main = partial(
    command,
    __doc__,
    {
        "--candidates": 100_000,
        "--top": 10,
        "--engine": {"choices": CLUSTER_ENGINES, "default": "process"},
        "--preselect": (False, "exact scores of those alone that can be among the best"),
        "--predictor": (str, "a predictor's file; default: the pretrained one of the space"),
        "--compare": (False, "rank all exactly too, in this process"),
    },
    run,
)


if __name__ == "__main__":
    sys.exit(main())
