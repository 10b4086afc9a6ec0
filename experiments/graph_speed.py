"""How fast architectures become computational graphs, on one core.

``python -m tart_nas.experiments.graph_speed deepnets1m_eval_meta.json`` takes the nets of a DeepNets-1M meta file and
prints graphs per second, the median of several rounds over all of them. The reference, the data set's own generator,
builds each network in PyTorch and walks its autograd graph, distances included: 11 val nets per second.
"""

import argparse
import json
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median

import torch
from rich.console import Console
from rich.table import Table

from tart_nas.architecture import Architecture
from tart_nas.graphs import ComputationalGraph

REFERENCE = 11.0  # graphs/s


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("meta", type=Path, help="a meta file of DeepNets-1M")
    parser.add_argument("--splits", nargs="+", default=["val", "test"])
    parser.add_argument("--rounds", type=int, default=9)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    meta = json.loads(arguments.meta.read_text())
    architectures = [Architecture.from_dict(net) for split in arguments.splits for net in meta[split]["nets"]]
    sizes = [ComputationalGraph.from_architecture(a).num_nodes for a in architectures]

    table = Table(title=f"{len(sizes)} architectures of {sum(sizes) / len(sizes):.0f} nodes, {max(sizes)} at most")
    for column in ("", "graphs/s", "times the reference"):
        table.add_column(column, justify="right" if column else "left")
    for name, build in (
        ("without distances", ComputationalGraph.from_architecture),
        ("with distances", lambda a: ComputationalGraph.from_architecture(a).distances),
    ):
        rate = median(_rate(build, architectures) for _ in range(arguments.rounds))
        table.add_row(name, f"{rate:,.0f}", f"{rate / REFERENCE:,.0f}")
    Console().print(table)


def _rate(build: Callable[[Architecture], object], architectures: list[Architecture]) -> float:
    """Architectures per second."""
    start = time.perf_counter()
    for architecture in architectures:
        build(architecture)
    return len(architectures) / (time.perf_counter() - start)


if __name__ == "__main__":
    main()
