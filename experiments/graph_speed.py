"""How fast architectures become computational graphs, on one core.

``python -m tart_nas.experiments.graph_speed deepnets1m_eval_meta.json`` takes the nets of a DeepNets-1M meta file and
prints graphs per second, the median of several rounds over all of them. The reference, the data set's own generator,
builds each network in PyTorch and walks its autograd graph, distances included: 11 val nets per second.
"""

import argparse
import json
import sys
from functools import partial
from pathlib import Path

import torch
from rich.console import Console

from tart_nas.architecture import Architecture
from tart_nas.experiments.runner import command
from tart_nas.experiments.tables import table
from tart_nas.experiments.timing import timings
from tart_nas.graphs import ComputationalGraph

REFERENCE = 11.0  # graphs/s


def run(arguments: argparse.Namespace, console: Console) -> None:
    """Prints the table."""
    torch.set_num_threads(1)
    meta = json.loads(arguments.meta.read_text())
    architectures = [Architecture.from_dict(net) for split in arguments.splits for net in meta[split]["nets"]]
    build = ComputationalGraph.from_architecture
    sizes = [build(architecture).num_nodes for architecture in architectures]
    works = {
        "without distances": lambda: [build(architecture) for architecture in architectures],
        "with distances": lambda: [build(architecture).distances for architecture in architectures],
    }
    rates = {name: len(sizes) / t.seconds for name, t in timings(works, arguments.rounds, warm=False).items()}
    rows = [(name, f"{rate:,.0f}", f"{rate / REFERENCE:,.0f}") for name, rate in rates.items()]
    title = f"{len(sizes)} architectures of {sum(sizes) / len(sizes):.0f} nodes, {max(sizes)} at most"
    console.print(table(("", "graphs/s", "times the reference"), rows, title))


OPTIONS = {"meta": (Path, "a meta file of DeepNets-1M"), "--splits": ["val", "test"], "--rounds": 9}
main = partial(command, __doc__, OPTIONS, run)


if __name__ == "__main__":
    sys.exit(main())
