"""Measures how long networks of torchvision and timm take for an image, and stores the times with the networks' graphs.

``python -m tart_nas.experiments.measure_traced_latency`` writes ``experiments/labels/traced-latency.jsonl.gz``, a file
of labelled graphs (:func:`tart_nas.graphs.load_labelled_graphs`), and goes on where the last call stopped. It takes all
of torchvision's classification models and models of every family of timm, at 96x96 pixels where a network can be made
for that and at its own size elsewhere, as far as they are neither too large nor equal to one before. Weights are
random. Each is timed as ``tart-nas measure`` times: one image, one thread of the CPU, whose processor time counts, the
median of 15 passes behind 3 that do not count, in turns with a small reference network. The first 60 are timed a second
time after all others, and the rank correlation of their two times is printed. It needs timm.
"""

import argparse
import sys
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console
from rich.progress import track
from scipy.stats import kendalltau
from torch import nn
from torchvision import models

from tart_nas.errors import TartError
from tart_nas.experiments.runner import command
from tart_nas.experiments.traced_networks import HEADS_OF_TRAINING, require_timm, timm_names, without_numbers
from tart_nas.graphs import ComputationalGraph, load_labelled_graphs, save_graphs
from tart_nas.measurements import inference_time

__all__ = ["LABELS", "Labelled", "measure", "networks", "reliability"]

LABELS = Path(__file__).parent / "labels" / "traced-latency.jsonl.gz"

Labelled = dict[str, tuple[ComputationalGraph, dict[str, Any]]]
"""By ``library:name`` the graph and its labels: ``network``, that name; ``image_size``; ``milliseconds`` and
``reference``, each a list with a number for each time that it was timed."""

IMAGE_SIZE = 96  # of the quick ones: a fifth of the work of 224, and three positions at a stride of 32
PASSES = 15  # as tart-nas measure
TWICE = 60  # networks, whose times tell how well times repeat
PARAMETERS, MACS = 60e6, 1.6e9  # at most: larger networks take seconds to build, and several to time
_WRITTEN_AFTER = 25  # networks: an interruption loses half a minute, and writing all takes a second


def networks(timm: int) -> list[str]:
    """``library:name`` of all that may be timed, in a random order, so that no family has a moment of its own."""
    names = [f"torchvision:{name}" for name in models.list_models(module=models)]
    names += [f"timm:{name}" for name in timm_names(timm)]
    return [names[row] for row in np.random.default_rng(0).permutation(len(names))]


def measure(name: str, known: Labelled) -> tuple[ComputationalGraph, dict[str, Any]] | None:
    """Times a network once more, or for the first time; None of one that is left out.

    Args:
        name: of :func:`networks`.
        known: what was measured.
    """
    if name in known:
        graph, labels = known[name]
        network = _at(name, labels["image_size"])
    else:
        traced = next(_traced(name), None)
        if traced is None or not _is_wanted(traced[0], known):
            return None
        graph, size = traced
        network = _at(name, size)
        labels = {"network": name, "image_size": size, "milliseconds": [], "reference": []}
    time = inference_time(network, labels["image_size"], batch_size=1, passes=PASSES, device="cpu")
    times = {"milliseconds": time.milliseconds, "reference": time.reference}
    return graph, labels | {key: [*labels[key], round(value, 4)] for key, value in times.items()}


def reliability(known: Labelled) -> float:
    """Kendall's tau between the two times of those that were timed twice, each relative to the reference's."""
    times = [np.divide(labels["milliseconds"], labels["reference"]) for _, labels in known.values()]
    first, last = zip(*(row for row in times if len(row) == 2), strict=True)
    return float(kendalltau(first, last).statistic)


def _is_wanted(graph: ComputationalGraph, known: Labelled) -> bool:
    """Whether a network is not too large, and none of those before is the same but for names."""
    if graph.num_parameters > PARAMETERS or graph.macs > MACS:
        return False
    return not any(
        np.array_equal(graph.nodes, other.nodes) and np.array_equal(graph.edges, other.edges)
        for other, _ in known.values()
    )


def _traced(name: str) -> Iterator[tuple[ComputationalGraph, int]]:
    """The graph of a network, at 96 pixels if that can be, and the size; nothing if it cannot be made or traced."""
    for size in (IMAGE_SIZE, None):
        try:
            network = without_numbers(partial(_at, name, size))
            known = size or int(getattr(network, "default_cfg", {}).get("input_size", (3, 224, 224))[-1])
            yield ComputationalGraph.from_module(network, known), known
        except Exception:  # whatever a network raises that cannot have this size
            continue


def _at(name: str, size: int | None) -> nn.Module:
    """A network for images of a size, or of its own size: some must be told, others take images of any."""
    library, _, model = name.partition(":")
    settings: dict[str, Any] = {"init_weights": False} if model in HEADS_OF_TRAINING else {}
    if library == "torchvision":
        make, keyword = partial(models.get_model, model, weights=None, **settings), "image_size"
    else:
        import timm

        make, keyword = partial(timm.create_model, model), "img_size"
    if size is not None:
        try:
            network: nn.Module = make(**{keyword: size})
            return network
        except TypeError:  # it has no such argument
            pass
    network = make()
    return network


def run(arguments: argparse.Namespace, console: Console) -> None:
    """Measures what the file lacks, and prints how many networks there are."""
    require_timm()
    out: Path = arguments.out
    known: Labelled = {}
    if out.exists():
        known = {labels["network"]: (graph, labels) for graph, labels in load_labelled_graphs(out)}
    for number in range(2):
        names = [*known][:TWICE] if number else networks(arguments.timm)
        missing = [name for name in names if name not in known or len(known[name][1]["milliseconds"]) <= number]
        for count, name in enumerate(track(missing, f"round {number}", transient=True), start=1):
            try:
                measured = measure(name, known)
            except (TartError, RuntimeError) as error:
                console.print(f"{name} is left out: {error}")
                continue
            if measured is not None:
                known[name] = measured
            if known and (count % _WRITTEN_AFTER == 0 or count == len(missing)):
                save_graphs(out, *zip(*known.values(), strict=True))
    times = [labels["milliseconds"][0] for _, labels in known.values()]
    console.print(f"{out}: {len(known)} networks, {min(times):.2f} to {max(times):.2f} ms")
    console.print(f"Kendall's tau between two times of the same networks: {reliability(known):.4f}")


OPTIONS = {"--out": LABELS, "--timm": (500, "so many models of timm at most, of each family up to five")}
main = partial(command, __doc__, OPTIONS, run)


if __name__ == "__main__":
    sys.exit(main())
