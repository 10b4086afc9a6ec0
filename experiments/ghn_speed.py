"""How fast graph hypernetworks predict and are trained, on one core, and how much memory the largest one takes.

``python -m tart_nas.experiments.ghn_speed`` prints processor seconds of one thread, medians of rounds in which all that
is timed takes turns, beside those of the published implementation, which were taken on one thread of a like machine.
Weights are initial ones: the work does not depend on them. A step is one of
:func:`tart_nas.hypernetworks.training.train_ghn` without the preparation of its networks.

``--memory`` also predicts ResNet-50 with a hypernetwork of the size of GHN-3-XL, in a process of its own, and prints
the largest memory of that process beside what the weights take (2.6 GB).
"""

import argparse
import sys
from collections.abc import Callable
from functools import partial
from itertools import islice
from typing import NamedTuple

import torch
from rich.console import Console
from torch import nn
from torchvision.models import resnet50

from tart_nas.choices import GHNPreset
from tart_nas.experiments.memory import peak_memory, printed_apart
from tart_nas.experiments.runner import command
from tart_nas.experiments.tables import table
from tart_nas.experiments.timing import timings
from tart_nas.hypernetworks import GHN, GHNConfig
from tart_nas.hypernetworks.graph_inputs import architecture_inputs
from tart_nas.hypernetworks.training import GHN_PRESETS, SampledNetworks, untrained_ghn
from tart_nas.hypernetworks.training.meta_batch import add_gradients
from tart_nas.hypernetworks.training.networks import MetaBatches, PreparedNetwork, Preparer
from tart_nas.networks import build_network
from tart_nas.search_spaces import DeepNets1MSpace

SEED = 0
CLASSES = 10
META_BATCHES = 4  # of a training; their networks differ in size, so that one says little
XL = GHNConfig(max_shape=(384, 384, 16, 16), num_classes=1000, hypernet="graphormer", hid=384, layers=24, heads=16)
"""The settings of ``ghn3xlm16``, the largest published one."""


class Work(NamedTuple):
    """What is timed.

    Args:
        prepared: makes what is called in each round.
        reference: processor seconds of the published implementation, from the least to the largest of its runs.
        goal: of ours.
        times: how often the work is done in each call.
    """

    prepared: Callable[[], Callable[[], object]]
    reference: tuple[float, float]
    goal: str
    times: int = 1


WORKS = {
    "ResNet-50 by GHN-2, its graph included": Work(lambda: _prediction("ghn2-cifar10"), (0.24, 0.29), "0.12 s"),
    "ResNet-50 by GHN-3-T, its graph included": Work(lambda: _prediction("ghn3-cifar10"), (0.27, 0.27), "0.2 s"),
    "messages between the nodes of 8 networks": Work(lambda: _messages(), (0.5, 0.5), "1.6 times"),
    "a step of ghn2-small": Work(lambda: _steps("ghn2-small", 16, True), (0.48, 0.79), "2 times", META_BATCHES),
    "of a step of ghn2-small the hypernetwork's part": Work(
        lambda: _steps("ghn2-small", 16, False), (0.33, 0.33), "", META_BATCHES
    ),
    "a step of ghn2-cifar10": Work(lambda: _steps("ghn2-cifar10", 32, True), (5.8, 7.9), "1.3 times", META_BATCHES),
    # What the networks' 4.3 s leave of the published implementation's step.
    "of a step of ghn2-cifar10 the hypernetwork's part": Work(
        lambda: _steps("ghn2-cifar10", 32, False), (1.5, 3.6), "2 times", META_BATCHES
    ),
}


def _prediction(preset: GHNPreset) -> Callable[[], object]:
    """ResNet-50's parameters by a hypernetwork; the graph is made anew each time."""
    ghn = untrained_ghn(GHN_PRESETS[preset].config, SEED).eval()
    with torch.device("meta"):  # PyTorch's own initial weights are no part of it
        network = resnet50()
    return lambda: ghn.predict(network)


def _messages() -> Callable[[], object]:
    """Message passing in 8 networks of DeepNets-1M's split val, which are given one after the other."""
    config = GHN_PRESETS["ghn2-cifar10"].config
    layers = untrained_ghn(config, SEED).layers.eval()
    graphs = [
        architecture_inputs(architecture, CLASSES, 32, layers.shape_enc, config)
        for architecture in DeepNets1MSpace("val").sample(8, SEED)
    ]
    vectors = [layers.initial_vectors([graph]).detach() for graph in graphs]

    @torch.no_grad()
    def work() -> None:
        for initial, graph in zip(vectors, graphs, strict=True):
            layers.gnn(initial, [graph])

    return work


def _groups(preset: GHNPreset, image_size: int) -> list[list[PreparedNetwork]]:
    """The first meta-batches of a training."""
    config, recipe = GHN_PRESETS[preset].config, GHN_PRESETS[preset].recipe
    preparer = Preparer(SampledNetworks(1000, SEED), config, recipe, CLASSES, image_size, SEED)
    with MetaBatches(preparer, recipe.meta_batch, recipe.max_nodes, 0, workers=0).running() as groups:
        return list(islice(groups, META_BATCHES))


def _steps(preset: GHNPreset, image_size: int, whole: bool) -> Callable[[], object]:
    """Training steps, or of them the hypernetwork's part: predictions, and gradients through them."""
    recipe = GHN_PRESETS[preset].recipe
    ghn = untrained_ghn(GHN_PRESETS[preset].config, SEED).train()
    groups = _groups(preset, image_size)
    generator = torch.Generator().manual_seed(SEED)
    images = torch.randn(recipe.batch_size, 3, image_size, image_size, generator=generator)
    labels = torch.arange(recipe.batch_size) % CLASSES

    def steps() -> None:
        for group in groups:
            ghn.zero_grad()
            add_gradients(ghn, group, images, labels, recipe, SEED)
            # Without the optimizer, whose share is small: every round does the same work.
            nn.utils.clip_grad_norm_(ghn.parameters(), recipe.gradient_clip)

    def parts() -> None:
        for group in groups:
            ghn.zero_grad()
            networks = [build_network(member.architecture, CLASSES, image_size) for member in group]
            predicted = ghn.predict_many(networks, graphs=[member.inputs for member in group], keep_grads=True)
            values = [value for network in predicted for value in network.values()]
            torch.autograd.backward(values, [torch.ones_like(value) for value in values])

    return steps if whole else parts


def largest_memory() -> None:
    """Predicts with random weights of GHN-3-XL's size, and prints the largest memory of the process in bytes."""
    torch.set_num_threads(1)
    with torch.device("meta"):
        ghn = GHN(XL)
        network = resnet50()
    ghn = ghn.to_empty(device="cpu").eval()  # whatever numbers lie there
    for parameter in ghn.parameters():
        parameter.data.zero_()
    before = peak_memory()
    ghn.predict(network)
    print(sum(parameter.nbytes for parameter in ghn.parameters()), before, peak_memory())


def _memory(console: Console) -> None:
    printed = printed_apart("from tart_nas.experiments.ghn_speed import largest_memory as show; show()")
    weights, before, after = (number / 2**30 for number in printed)
    console.print(
        f"a hypernetwork of {weights:.2f} GiB: {before:.2f} GiB when it is there, at most {after:.2f} GiB when it has "
        f"predicted ResNet-50, {after / weights:.2f} times the weights"
    )


def run(arguments: argparse.Namespace, console: Console) -> None:
    """Prints the table."""
    torch.set_num_threads(1)
    works = {name: work for name, work in WORKS.items() if arguments.only in name}
    rows = []
    for name, time in timings({name: work.prepared() for name, work in works.items()}, arguments.rounds).items():
        seconds, (low, high) = time.processor / works[name].times, works[name].reference
        reference = f"{low:g}" if low == high else f"{low:g} to {high:g}"
        ratio = " to ".join(dict.fromkeys(f"{other / seconds:.2f}" for other in (low, high)))
        rows.append((name, f"{seconds:.3f}", reference, ratio, works[name].goal))
    console.print(table(("processor seconds", "ours", "published implementation", "times as fast", "goal"), rows))
    if arguments.memory:
        _memory(console)


OPTIONS = {
    "--rounds": 5,
    "--only": ("", "time what has this text in its name"),
    "--memory": (False, "how much memory a hypernetwork of GHN-3-XL's size takes"),
}
main = partial(command, __doc__, OPTIONS, run)

if __name__ == "__main__":
    sys.exit(main())
