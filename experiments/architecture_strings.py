"""How much a network changes with one symbol of its string, and how fast strings are made and read.

``python -m tart_nas.experiments.architecture_strings`` takes networks of the DARTS space and of splits of DeepNets-1M,
changes one symbol of each string, and tells by how many parts the networks differ: edges, as
:func:`tart_nas.strategies.cell_distance` counts them, concatenated nodes and settings. For comparison it tells the same
of one mutation of the space, and of two random networks. A replaced symbol is drawn uniformly from the alphabet.

The speeds are those of one core: medians of rounds in which all that is timed takes turns, by processor time.
"""

import argparse
import sys
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import Any

import numpy as np
from rich.console import Console

from tart_nas.architecture import Architecture
from tart_nas.experiments.runner import command
from tart_nas.experiments.tables import table
from tart_nas.experiments.timing import timings
from tart_nas.search_spaces import DartsSpace, DeepNets1MSpace, canonical_genotype
from tart_nas.strategies import cell_distance
from tart_nas.strings import Language, canonical_string, decode, encode, split
from tart_nas.symbols import DEFAULTS

SPACES: dict[str, DartsSpace | DeepNets1MSpace] = {
    "darts": DartsSpace(),
    **{split: DeepNets1MSpace(split) for split in ("search", "val", "deep", "dense")},
}
SEED = 0

Change = Callable[[Architecture, int], Architecture]


def difference(first: Architecture, second: Architecture) -> int:
    """By how many edges, concatenated nodes and settings two networks differ."""
    a, b = (canonical_genotype(architecture.genotype) for architecture in (first, second))
    concatenated = len({*a.normal_concat} ^ {*b.normal_concat}) + len({*a.reduce_concat} ^ {*b.reduce_concat})
    settings: int = sum(getattr(first, name) != getattr(second, name) for name in DEFAULTS)
    return cell_distance(first, second) + concatenated + settings


def changes(language: Language, sample: list[Architecture]) -> dict[str, Change]:
    """What is done with a network, given its place in the sample."""
    rng = np.random.default_rng(SEED)

    def replaced(architecture: Architecture, place: int) -> Architecture:
        symbols = language.symbols(architecture)
        where = int(rng.integers(len(symbols)))
        # Never the same symbol, which would change nothing.
        others = [symbol for symbol in language.alphabet if symbol != symbols[where]]
        symbols[where] = others[rng.integers(len(others))]
        return language.architecture(symbols)

    def deleted(architecture: Architecture, place: int) -> Architecture:
        symbols = language.symbols(architecture)
        del symbols[int(rng.integers(len(symbols)))]
        return language.architecture(symbols)

    def inserted(architecture: Architecture, place: int) -> Architecture:
        symbols = language.symbols(architecture)
        symbols.insert(int(rng.integers(len(symbols) + 1)), language.alphabet[rng.integers(len(language.alphabet))])
        return language.architecture(symbols)

    return {
        "one symbol replaced": replaced,
        "one symbol deleted": deleted,
        "one symbol inserted": inserted,
        "one mutation of the space": lambda architecture, place: language.space.mutate(architecture, rng),
        "another random network": lambda architecture, place: sample[place - 1],
    }


def locality(n: int) -> Iterator[tuple[str, ...]]:
    """The rows of the table of n networks of each space."""
    for name, space in SPACES.items():
        language, sample = Language(space), space.sample(n, SEED)
        for change, apply in changes(language, sample).items():
            apart = np.array([difference(a, apply(a, place)) for place, a in enumerate(sample)])
            quantiles = [f"{np.quantile(apart, share):.0f}" for share in (0.5, 0.9)]
            yield f"{name}: {change}", *quantiles, f"{apart.mean():.2f}", f"{100 * (apart == 0).mean():.1f} %"


def speeds(n: int, rounds: int) -> Iterator[tuple[str, ...]]:
    """The rows of the table of the speeds."""
    for name, space in SPACES.items():
        sample = space.sample(n, SEED)
        texts = [encode(architecture) for architecture in sample]
        symbols = [split(text) for text in texts]
        works = {
            "encode": partial(_each, encode, sample),
            "decode symbols": partial(_each, decode, symbols),
            "decode text": partial(_each, decode, texts),
            "decode symbols by the space's rules": partial(_each, partial(decode, space=space), symbols),
            "canonical string": partial(_each, canonical_string, sample),
        }
        for work, time in timings(works, rounds).items():
            yield f"{name}: {work}", f"{n / time.processor:,.0f}"


def _each(work: Callable[[Any], object], values: Sequence[Any]) -> None:
    for value in values:
        work(value)


def run(arguments: argparse.Namespace, console: Console) -> None:
    """Prints both tables."""
    console.print(table(("parts that differ", "median", "90 %", "mean", "none"), locality(arguments.networks)))
    console.print(table(("", "a second"), speeds(arguments.networks, arguments.rounds)))


main = partial(
    command,
    __doc__,
    {"--networks": (1000, "of each space"), "--rounds": (5, "of the speeds; medians count")},
    run,
)

if __name__ == "__main__":
    sys.exit(main())
