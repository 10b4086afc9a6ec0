"""How fast the ``cell`` predictor scores candidates, from architectures to scores, and in how much memory.

``python -m tart_nas.experiments.cell_scoring_speed --candidates 100000`` prints a table. Candidates are sampled before
the clock starts; encoding them and checking that they are within the predictor's scope is part of what is measured.
``--space deepnets1m`` is the same for the ``search`` split's rules and its predictor.
"""

import argparse
import resource
import time

import torch
from rich.console import Console
from rich.table import Table

from tart_nas.predictors import Predictor
from tart_nas.runs import default_predictor
from tart_nas.search_spaces import DartsSpace, DeepNets1MSpace
from tart_nas.tokens import CellTokens


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--candidates", type=int, default=100_000)
    parser.add_argument("--threads", type=int, default=torch.get_num_threads(), help="threads of torch")
    parser.add_argument("--space", choices=("darts", "deepnets1m"), default="darts")
    parser.add_argument("--predictor", help="a predictor's file; default: the pretrained one of the space")
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    space = DartsSpace() if arguments.space == "darts" else DeepNets1MSpace("search")
    name = arguments.predictor or default_predictor(space)
    predictor = Predictor.open(name)
    candidates = space.sample(arguments.candidates, seed=0)
    predictor.predict(candidates[:1000])  # the first call also loads code

    before = _peak_memory()
    encoding = _seconds(lambda: CellTokens.encode(candidates))
    scoring = _seconds(lambda: predictor.predict(candidates))
    table = Table(title=f"{name}: {len(candidates):,} candidates, {arguments.threads} threads")
    for column in ("", "seconds", "candidates/s"):
        table.add_column(column, justify="right" if column else "left")
    table.add_row("tokens alone", f"{encoding:.1f}", f"{len(candidates) / encoding:,.0f}")
    table.add_row("architectures to scores", f"{scoring:.1f}", f"{len(candidates) / scoring:,.0f}")
    console = Console()
    console.print(table)
    console.print(f"Peak memory {_peak_memory():,.0f} MB, of which {before:,.0f} MB before scoring.")


def _seconds(work) -> float:  # type: ignore[no-untyped-def]
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def _peak_memory() -> float:
    """Peak resident memory of this process so far, in MB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


if __name__ == "__main__":
    main()
