"""How fast a split of DeepNets-1M is generated and read, on one core, and how much memory generating takes.

``python -m tart_nas.experiments.deepnets1m_speed`` generates a split end to end (drawn, checked, made a graph with all
distances, written), reads it, and prints networks per second, medians of several rounds. With ``--meta
deepnets1m_eval_meta.json`` it also makes graphs of the architectures in a meta file, those of val and test. The
reference is the data set's own generator, which builds each network in PyTorch and walks its autograd graph, distances
included: 11 networks/s for val and 7 for search; and its loader, some 450 networks/s.

Memory is the peak of a process that generates a small split and of one that generates a large one: what differs grows
with the number of networks, and gives an estimate for a million.
"""

import argparse
import json
import sys
import tempfile
from collections.abc import Callable
from functools import partial
from itertools import count
from pathlib import Path

import torch
from rich.console import Console

from tart_nas.architecture import Architecture
from tart_nas.deepnets1m import DeepNets1M, generate
from tart_nas.experiments.memory import printed_apart
from tart_nas.experiments.runner import command
from tart_nas.experiments.tables import table
from tart_nas.experiments.timing import timings
from tart_nas.graphs import ComputationalGraph

# Networks that the reference makes or reads in a second.
MADE, MADE_SEARCH, READ = 11.0, 7.0, 450.0
_MILLION = 1_000_000

Work = tuple[Callable[[], object], int, float]
"""What is timed, its number of networks, and the rate of the reference."""


def read(folder: Path, virtual_edges: int) -> None:
    """Reads all graphs once, with a data set that is opened anew, so that nothing is kept of the round before."""
    dataset = DeepNets1M(folder, "val", virtual_edges)
    for index in range(len(dataset)):
        _ = dataset[index].graph


def splits(n: int, folder: Path) -> dict[str, Work]:
    """Splits of n networks, generated and read."""
    generate("val", n, folder / "read", seed=0)
    seeds = count()  # each round generates another split, in a folder of its own

    def made(split: str) -> None:
        seed = next(seeds)
        generate(split, n, folder / str(seed), seed)

    return {
        "generating val": (partial(made, "val"), n, MADE),
        "generating search": (partial(made, "search"), n, MADE_SEARCH),
        "reading val": (partial(read, folder / "read", 1), n, READ),
        "reading val with virtual edges": (partial(read, folder / "read", 50), n, READ),
    }


def graphs(meta: Path) -> dict[str, Work]:
    """Graphs of the architectures in a meta file."""
    nets = [net for split in ("val", "test") for net in json.loads(meta.read_text())[split]["nets"]]
    architectures, build = list(map(Architecture.from_dict, nets)), ComputationalGraph.from_architecture
    return {
        "graphs without distances": (lambda: [build(a) for a in architectures], len(nets), MADE),
        "graphs with distances": (lambda: [build(a).distances for a in architectures], len(nets), MADE),
    }


def run(arguments: argparse.Namespace, console: Console) -> None:
    """Prints the rates and the memory."""
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as folder:
        works = splits(arguments.networks, Path(folder)) | (graphs(arguments.meta) if arguments.meta else {})
        found = timings({name: work for name, (work, _, _) in works.items()}, arguments.rounds, warm=False)
    rates = {name: (n / found[name].seconds, reference) for name, (_, n, reference) in works.items()}
    rows = [(name, f"{rate:,.0f}", f"{rate / reference:,.1f}") for name, (rate, reference) in rates.items()]
    console.print(table(("one core", "networks/s", "times the reference"), rows))
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


OPTIONS = {
    "--networks": (1000, "of each round"),
    "--rounds": 5,
    "--meta": (Path, "a meta file of DeepNets-1M"),
    "--memory-networks": (20_000, "0 leaves the memory out"),
}
main = partial(command, __doc__, OPTIONS, run)


if __name__ == "__main__":
    sys.exit(main())
