"""How fast candidates of a user's own space are made, on one core: networks of ResNet-18's size.

``python -m tart_nas.experiments.own_space_speed`` samples residual networks with 1 to 3 basic blocks in each of four
stages (ResNet-18 has 2), and prints processor time for each candidate and candidates a second: to build a network
without weights, to build and trace it, and to make the features that ``gp-graph`` reads, too. Beside them stands what a
user would do without ``TrialSpace``: build the network with its weights, and trace it. All take turns.
"""

import argparse
import sys
from functools import partial
from itertools import count

import torch
from optuna.trial import BaseTrial, FixedTrial
from rich.console import Console
from torch import nn

from tart_nas.experiments.runner import command
from tart_nas.experiments.tables import table
from tart_nas.experiments.timing import timings
from tart_nas.graphs import ComputationalGraph
from tart_nas.predictors.graph_features import LabelledNodes
from tart_nas.search_spaces import TrialSpace
from tart_nas.search_spaces.trial_building import built
from tart_nas.trials import Choose

GOAL = 30.0  # candidates a second, with all that a predictor needs


def small_resnet(trial: BaseTrial) -> nn.Module:
    """A residual network around ResNet-18."""
    from torchvision.models.resnet import BasicBlock, ResNet

    blocks = [trial.suggest_int(f"blocks{i}", 1, 3) for i in range(1, 5)]
    network: nn.Module = ResNet(BasicBlock, blocks, num_classes=10)
    return network


def run(arguments: argparse.Namespace, console: Console) -> None:
    """Prints the table."""
    torch.set_num_threads(1)
    n = arguments.candidates
    values = [dict(a.values) for a in TrialSpace(small_resnet).sample(n, seed=0)]
    seeds = count(1)

    def sampled() -> list[ComputationalGraph]:
        # A new space has no candidates that it keeps.
        return [a.graph for a in TrialSpace(small_resnet).sample(n, next(seeds))]

    def known(own: dict[str, int]) -> Choose:
        return lambda name, distribution: own[name]

    works = {
        "with weights, built and traced": lambda: [
            ComputationalGraph.from_module(small_resnet(FixedTrial(own)), 32) for own in values
        ],
        "TrialSpace: built": lambda: [built(small_resnet, known(own), on_meta=True) for own in values],
        "TrialSpace: built and traced": sampled,
        "TrialSpace: built, traced, features": lambda: LabelledNodes.of(sampled()),
    }
    times = {name: t.processor / n for name, t in timings(works, arguments.rounds).items()}
    rows = [(name, f"{1000 * t:.1f}", f"{1 / t:.1f}") for name, t in times.items()]
    console.print(
        table(("", "ms of processor time", "candidates/s"), rows, f"{n} candidates; the goal is {GOAL:.0f}/s")
    )


OPTIONS = {"--candidates": 40, "--rounds": 5}
main = partial(command, __doc__, OPTIONS, run)


if __name__ == "__main__":
    sys.exit(main())
