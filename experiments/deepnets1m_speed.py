"""How fast a split of DeepNets-1M is generated and read, on one core, and how much memory generating takes.

``python -m tart_nas.experiments.deepnets1m_speed`` generates a split end to end (drawn, checked, made a graph with all
distances, written), reads it, and prints networks per second, medians of several rounds. The reference is the data
set's own generator, 11 networks/s for val and 7 for search, and its loader, some 450 networks/s.

Memory is the peak of a process that generates a small split and of one that generates a large one: what differs grows
with the number of networks, and gives an estimate for a million.
"""

import argparse
import sys
import tempfile
from functools import partial
from itertools import count
from pathlib import Path

import torch
from rich.console import Console

from tart_nas.deepnets1m import DeepNets1M, generate
from tart_nas.experiments.memory import printed_apart
from tart_nas.experiments.runner import command
from tart_nas.experiments.tables import table
from tart_nas.experiments.timing import timings

# What is timed, and what the reference does in a second.
REFERENCE = {
    "generating val": 11.0,
    "generating search": 7.0,
    "reading val": 450.0,
    "reading val with virtual edges": 450.0,
}
_MILLION = 1_000_000


def read(folder: Path, virtual_edges: int) -> None:
    """Reads all graphs once, with a data set that is opened anew, so that nothing is kept of the round before."""
    dataset = DeepNets1M(folder, "val", virtual_edges)
    for index in range(len(dataset)):
        _ = dataset[index].graph


def run(arguments: argparse.Namespace, console: Console) -> None:
    """Prints the rates and the memory."""
    torch.set_num_threads(1)
    n = arguments.networks
    with tempfile.TemporaryDirectory() as folder:
        generate("val", n, Path(folder) / "read", seed=0)
        seeds = count()  # each round generates another split, in a folder of its own

        def made(split: str) -> None:
            seed = next(seeds)
            generate(split, n, Path(folder) / str(seed), seed)

        readers = [partial(read, Path(folder) / "read", edges) for edges in (1, 50)]
        works = [partial(made, "val"), partial(made, "search"), *readers]
        found = timings(dict(zip(REFERENCE, works, strict=True)), arguments.rounds, warm=False)
    rates = {name: n / timing.seconds for name, timing in found.items()}
    rows = [(name, f"{rate:,.0f}", f"{rate / REFERENCE[name]:,.1f}") for name, rate in rates.items()]
    console.print(table(("", "networks/s", "times the reference"), rows, f"{n:,} networks, one core"))
    if many := arguments.memory_networks:
        low, high = memory_of(few := many // 10), memory_of(many)
        growth = (high - low) / (many - few)
        console.print(
            f"peak memory: {low / 1e6:,.0f} MB for {few:,} networks, {high / 1e6:,.0f} MB for {many:,}; "
            f"{growth:,.0f} bytes per network more, so about {(high + growth * (_MILLION - many)) / 1e9:.2f} GB for "
            f"{_MILLION:,}"
        )


def memory_of(networks: int) -> float:
    """Bytes that a process takes at most which generates so many networks of train."""
    program = (
        "import sys; from tart_nas.deepnets1m import generate; from tart_nas.experiments.memory import peak_memory; "
        "generate('train', int(sys.argv[1]), sys.argv[2]); print(peak_memory())"
    )
    with tempfile.TemporaryDirectory() as folder:
        return printed_apart(program, networks, folder)[0]


main = partial(
    command,
    __doc__,
    {"--networks": (1000, "of each round"), "--rounds": 5, "--memory-networks": (20_000, "0 leaves the memory out")},
    run,
)


if __name__ == "__main__":
    sys.exit(main())
