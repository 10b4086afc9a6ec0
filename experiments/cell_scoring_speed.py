"""How fast the ``cell`` predictor scores candidates, from nothing to a ranking, and in how much memory.

``python -m tart_nas.experiments.cell_scoring_speed --candidates 100000`` prints a table: candidates of the DARTS space
are sampled as tokens, checked against the predictor's scope and scored; the best ten become architectures. With
``--objects`` they are sampled as architectures before the clock starts, and what is measured is making tokens of them
and scoring. ``--space deepnets1m`` is that for the ``search`` split's rules and its predictor. ``--device cuda`` scores
on a GPU; then the whole is done once before, with a tenth of the candidates, since the first call also loads code.
"""

import argparse
import resource
import time
from collections.abc import Callable

import numpy as np
import torch
from rich.console import Console
from rich.table import Table

from tart_nas.predictors import Predictor
from tart_nas.runs import default_predictor
from tart_nas.search_spaces import DartsSpace, DeepNets1MSpace
from tart_nas.strategies import top_k
from tart_nas.tokens import CellTokens


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--candidates", type=int, default=100_000)
    parser.add_argument("--threads", type=int, default=torch.get_num_threads(), help="threads of torch")
    parser.add_argument("--space", choices=("darts", "deepnets1m"), default="darts")
    parser.add_argument("--predictor", help="a predictor's file; default: the pretrained one of the space")
    parser.add_argument("--objects", action="store_true", help="begin with architectures")
    parser.add_argument("--device", default="cpu")
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    space = DartsSpace() if arguments.space == "darts" else DeepNets1MSpace("search")
    name = arguments.predictor or default_predictor(space)
    predictor = Predictor.open(name).to(arguments.device)
    n = arguments.candidates
    if arguments.objects or isinstance(space, DeepNets1MSpace):
        predictor.predict(space.sample(1000, seed=1))
        candidates = space.sample(n, seed=0)
        before = _peak_memory()
        steps: dict[str, Callable[[], object]] = {
            "tokens alone": lambda: CellTokens.encode(candidates),
            "architectures to scores": lambda: predictor.predict(candidates),
        }
    else:
        ranked(predictor, space, max(1000, n // 10 if arguments.device != "cpu" else 0))
        before = _peak_memory()
        steps = {
            "sampled as tokens": lambda: space.sample_tokens(n, seed=0),
            "sampled, scored, ranked": lambda: ranked(predictor, space, n),
        }
    where = torch.cuda.get_device_name() if arguments.device.startswith("cuda") else f"{arguments.threads} threads"
    table = Table(title=f"{name}: {n:,} candidates, {where}")
    for column in ("", "seconds", "candidates/s"):
        table.add_column(column, justify="right" if column else "left")
    for step, work in steps.items():
        seconds = _seconds(work)
        table.add_row(step, f"{seconds:.1f}", f"{n / seconds:,.0f}")
    console = Console()
    console.print(table)
    console.print(f"Peak memory {_peak_memory():,.0f} MB, of which {before:,.0f} MB before scoring.")
    if arguments.device.startswith("cuda"):
        console.print(f"Peak memory of the GPU {torch.cuda.max_memory_allocated() / 1024**2:,.0f} MB.")


def ranked(predictor: Predictor, space: DartsSpace, n: int) -> object:
    """The best ten of n candidates."""
    tokens = space.sample_tokens(n, seed=0)
    return tokens.take(np.array(top_k(predictor.predict(tokens), 10))).architectures()


def _seconds(work: Callable[[], object]) -> float:
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def _peak_memory() -> float:
    """Peak resident memory of this process so far, in MB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


if __name__ == "__main__":
    main()
