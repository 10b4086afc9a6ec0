"""How fast a split of DeepNets-1M is generated and read, on one core, and how much memory generating takes.

``python -m tart_nas.experiments.deepnets1m_speed`` generates a split end to end (drawn, checked, made a graph with all
distances, written), reads it, and prints networks per second, medians of several rounds. The reference is the data
set's own generator, 11 networks/s for val and 7 for search, and its loader, some 450 networks/s.

Memory is the peak of a process that generates a small split and of one that generates a large one: what differs grows
with the number of networks, and gives an estimate for a million.
"""

import argparse
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from statistics import median

import torch
from rich.console import Console
from rich.table import Table

from tart_nas.deepnets1m import DeepNets1M, generate

_REFERENCE = {"val": 11.0, "search": 7.0}  # generated networks/s
_REFERENCE_READING = 450.0
_MILLION = 1_000_000


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--networks", type=int, default=1000, help="networks of each round")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--memory-networks", type=int, default=20_000, help="0 leaves the memory out")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    console = Console(highlight=False)
    table = Table("", "networks/s", "times the reference", title=f"{arguments.networks:,} networks, one core")
    with tempfile.TemporaryDirectory() as folder:
        for split, reference in _REFERENCE.items():
            rates = []
            for seed in range(arguments.rounds):
                start = time.perf_counter()
                generate(split, arguments.networks, Path(folder) / f"{split}{seed}", seed)
                rates.append(arguments.networks / (time.perf_counter() - start))
            table.add_row(f"generating {split}", f"{median(rates):,.0f}", f"{median(rates) / reference:,.0f}")
        for name, options in (("", {"virtual_edges": 1}), (" with virtual edges", {"virtual_edges": 50})):
            rates = [
                _reading_rate(Path(folder) / f"val{seed}", options["virtual_edges"]) for seed in range(arguments.rounds)
            ]
            ratio = f"{median(rates) / _REFERENCE_READING:,.1f}"
            table.add_row(f"reading val{name}", f"{median(rates):,.0f}", ratio)
    console.print(table)
    if arguments.memory_networks:
        few, many = arguments.memory_networks // 10, arguments.memory_networks
        low, high = _peak_memory(few), _peak_memory(many)
        growth = (high - low) / (many - few)
        console.print(
            f"peak memory: {low / 1e6:,.0f} MB for {few:,} networks, {high / 1e6:,.0f} MB for {many:,}; "
            f"{growth:,.0f} bytes per network more, so about {(high + growth * (_MILLION - many)) / 1e9:.2f} GB for "
            f"{_MILLION:,}"
        )


def _reading_rate(folder: Path, virtual_edges: int) -> float:
    """Graphs read per second, each once, by a data set that was opened anew."""
    dataset = DeepNets1M(folder, "val", virtual_edges)
    dataset[0]
    start = time.perf_counter()
    for index in range(len(dataset)):
        _ = dataset[index].graph
    return len(dataset) / (time.perf_counter() - start)


def _peak_memory(networks: int) -> float:
    """Bytes that a process takes at most which generates so many networks of train."""
    code = (
        "import resource, sys; from tart_nas.deepnets1m import generate; "
        "generate('train', int(sys.argv[1]), sys.argv[2]); "
        "print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)"
    )
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-c", code, str(networks), folder]
        printed = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    return float(printed) * (1 if sys.platform == "darwin" else 1024)


if __name__ == "__main__":
    main()
