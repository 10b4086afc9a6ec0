"""How fast the ``cell`` predictor scores candidates, from nothing to a ranking, and in how much memory.

``python -m tart_nas.experiments.cell_scoring_speed --candidates 100000`` prints a table: candidates of the DARTS space
are sampled as tokens, checked against the predictor's scope and scored; the best ten become architectures. With
``--objects`` they are sampled as architectures before the clock starts, and what is measured is making tokens of them
and scoring. ``--space deepnets1m`` is that for the ``search`` split's rules and its predictor. ``--device cuda`` scores
on a GPU. A tenth of the candidates are scored before, since the first call also loads code.
"""

import argparse
import sys
from collections.abc import Callable
from functools import partial

import numpy as np
import torch
from rich.console import Console

from tart_nas.experiments.memory import peak_memory
from tart_nas.experiments.runner import command
from tart_nas.experiments.tables import table
from tart_nas.experiments.timing import timings
from tart_nas.predictors import Predictor
from tart_nas.runs import default_predictor
from tart_nas.search_spaces import DartsSpace, DeepNets1MSpace
from tart_nas.strategies import top_k
from tart_nas.tokens import CellTokens


def works(
    predictor: Predictor, space: DartsSpace | DeepNets1MSpace, n: int, objects: bool
) -> dict[str, Callable[[], object]]:
    """What is timed, with n candidates."""
    if objects or isinstance(space, DeepNets1MSpace):
        candidates = space.sample(n, seed=0)
        return {
            "tokens alone": lambda: CellTokens.encode(candidates),
            "architectures to scores": lambda: predictor.predict(candidates),
        }

    def ranked() -> object:
        tokens = space.sample_tokens(n, seed=0)
        return tokens.take(np.array(top_k(predictor.predict(tokens), 10))).architectures()

    return {"sampled as tokens": lambda: space.sample_tokens(n, seed=0), "sampled, scored, ranked": ranked}


def run(arguments: argparse.Namespace, console: Console) -> None:
    """Prints the table and the peak of memory."""
    torch.set_num_threads(arguments.threads)
    space = DartsSpace() if arguments.space == "darts" else DeepNets1MSpace("search")
    name, n = arguments.predictor or default_predictor(space), arguments.candidates
    predictor = Predictor.open(name).to(arguments.device)
    for work in works(predictor, space, max(100, n // 10), arguments.objects).values():
        work()
    # After the objects were made, whose memory is not that of scoring.
    made, before = works(predictor, space, n, arguments.objects), peak_memory()
    found = timings(made, arguments.rounds, warm=False)
    on_gpu = arguments.device.startswith("cuda")
    where = torch.cuda.get_device_name() if on_gpu else f"{arguments.threads} threads"
    rows = [(step, f"{t.seconds:.1f}", f"{n / t.seconds:,.0f}") for step, t in found.items()]
    console.print(table(("", "seconds", "candidates/s"), rows, f"{name}: {n:,} candidates, {where}"))
    console.print(f"Peak memory {peak_memory() / 2**20:,.0f} MB, of which {before / 2**20:,.0f} MB before scoring.")
    if on_gpu:
        console.print(f"Peak memory of the GPU {torch.cuda.max_memory_allocated() / 2**20:,.0f} MB.")


main = partial(
    command,
    __doc__,
    {
        "--candidates": 100_000,
        "--threads": (torch.get_num_threads(), "threads of torch"),
        "--space": {"choices": ("darts", "deepnets1m"), "default": "darts"},
        "--predictor": (str, "a predictor's file; default: the pretrained one of the space"),
        "--objects": (False, "begin with architectures"),
        "--device": "cpu",
        "--rounds": (1, "the median of these counts"),
    },
    run,
)


if __name__ == "__main__":
    sys.exit(main())
