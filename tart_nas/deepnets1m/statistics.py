"""What a split consists of, as numbers and as a picture."""

from collections import Counter
from collections.abc import Callable
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray

from tart_nas.deepnets1m.dataset import DeepNets1M
from tart_nas.errors import SettingError
from tart_nas.graphs import PRIMITIVES
from tart_nas.layout import parameter_count

__all__ = ["draw_statistics", "split_statistics"]

_MEASURES = {
    "nodes": "nodes",
    "edges": "edges",
    "degree": "average degree",
    "path_length": "average shortest path",
    "depth": "longest shortest path",
    "cells": "cells",
    "channels": "channels",
    "parameters": "parameters (millions)",
}
_COLOUR = "#4878a8"


def split_statistics(
    dataset: DeepNets1M, most: int | None = None, progress: Callable[[int, int], None] | None = None
) -> dict[str, Any]:
    """Measures the networks of a split.

    Args:
        dataset: the split, read with all virtual edges (``virtual_edges=250``), from which path lengths are taken.
        most: measure no more than so many networks, evenly spread over the split.
        progress: called with the number of networks measured and of all to measure.

    Returns:
        ``split``, ``networks`` (how many there are), ``measured`` (how many were measured), and

        - ``measures``: a dict of ``min``, ``mean``, ``std``, ``median``, ``max`` and the measured ``values`` (n,) for
          each of ``nodes``, ``edges``, ``degree`` (2 edges / nodes), ``path_length`` (the mean length of the shortest
          directed paths between connected nodes), ``depth`` (the longest of them), ``cells``, ``channels`` and
          ``parameters`` (with these channels, on CIFAR-10);
        - ``primitives``: primitive to share of all nodes;
        - ``operations``: cell operation to share of all in the genotypes.

    Raises:
        SettingError: if ``most`` is less than 1, or the split is empty.
        DeepNetsError: if a network cannot be read.
    """
    if (most is not None and most < 1) or not len(dataset):
        raise SettingError(f"`most` must be at least 1 and the split not empty, but got {most} and {len(dataset)}.")
    n = len(dataset) if most is None else min(most, len(dataset))
    values: dict[str, list[float]] = {name: [] for name in _MEASURES}
    primitives = np.zeros(len(PRIMITIVES), dtype=np.int64)
    operations: Counter[str] = Counter()
    for i, index in enumerate(np.linspace(0, len(dataset) - 1, n).round().astype(int).tolist()):
        example = dataset[index]
        graph, architecture = example.graph, example.architecture
        paths = graph.distances[graph.distances > 0]
        measured: dict[str, float] = {
            "nodes": graph.num_nodes,
            "edges": graph.num_edges,
            "degree": 2 * graph.num_edges / graph.num_nodes,
            "path_length": float(paths.mean()),
            "depth": int(paths.max()),
        }
        if architecture is not None:
            measured["cells"] = architecture.n_cells
            measured["channels"] = architecture.C
            measured["parameters"] = parameter_count(architecture)
            operations.update(op for op, _ in architecture.genotype.normal + architecture.genotype.reduce)
        for name, value in measured.items():
            values[name].append(value)
        primitives += np.bincount(graph.primitives, minlength=len(PRIMITIVES))
        if progress:
            progress(i + 1, n)
    return {
        "split": dataset.split,
        "networks": len(dataset),
        "measured": n,
        "measures": {name: _summary(np.array(series)) for name, series in values.items()},
        "primitives": dict(zip(PRIMITIVES, (primitives / primitives.sum()).tolist(), strict=True)),
        "operations": {op: count / operations.total() for op, count in operations.most_common()},
    }


def draw_statistics(statistics: dict[str, Any]) -> Figure:
    """A picture of :func:`split_statistics`: a histogram of each measure, and the shares of primitives and operations.

    :func:`tart_nas.drawing.save_figure` writes it.
    """
    figure = Figure(figsize=(13, 8), layout="constrained")
    figure.suptitle(
        f"DeepNets-1M {statistics['split']}: {statistics['measured']:,} of {statistics['networks']:,} networks"
    )
    axes = figure.subplots(3, 4, gridspec_kw={"height_ratios": (1, 1, 1.3)})
    for axis, (name, title) in zip(axes[:2].flat, _MEASURES.items(), strict=True):
        summary = statistics["measures"][name]
        scale = 1e6 if name == "parameters" else 1
        axis.hist(summary["values"] / scale, bins=30, color=_COLOUR)
        axis.axvline(summary["mean"] / scale, color="black", linewidth=1)
        axis.set_title(f"{title}: mean {summary['mean'] / scale:,.4g}", fontsize=9)
    # The last row has two wide pictures in the place of four.
    grid = axes[2, 0].get_gridspec()
    for axis in axes[2]:
        axis.remove()
    for columns, name in ((slice(0, 2), "primitives"), (slice(2, 4), "operations")):
        shares = statistics[name]
        axis = figure.add_subplot(grid[2, columns])
        axis.bar(list(shares), [100 * share for share in shares.values()], color=_COLOUR)
        axis.tick_params(axis="x", labelrotation=60, labelsize=8)
        axis.set_title(f"{name} (% of all)", fontsize=9)
    for axis in figure.axes:
        axis.spines[["top", "right"]].set_visible(False)
    return figure


def _summary(values: NDArray[np.float64]) -> dict[str, Any]:
    if not len(values):
        return dict.fromkeys(("min", "mean", "std", "median", "max"), float("nan")) | {"values": values}
    return {
        "min": float(values.min()),
        "mean": float(values.mean()),
        "std": float(values.std()),
        "median": float(np.median(values)),
        "max": float(values.max()),
        "values": values,
    }
