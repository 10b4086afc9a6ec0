"""How long regularized evolution on a predictor alone takes, and what it finds that a random sample does not.

``python -m tart_nas.experiments.evolution_speed`` evaluates as many architectures of the DARTS space by evolution as by
random sampling, with the bundled predictor and with a Gaussian process fitted to its scores of 200.
"""

import argparse
import os
import time

from rich.console import Console
from rich.table import Table

from tart_nas.predictors import Predictor
from tart_nas.search_spaces import DartsSpace
from tart_nas.strategies import evolve


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--evaluations", type=int, default=100_000)
    n = parser.parse_args().evaluations
    space = DartsSpace()
    bundled = Predictor.from_pretrained("darts-cifar10")
    fitted = space.sample(200, seed=1)
    process = Predictor("gp").fit(fitted, bundled.predict(fitted))
    table = Table("predictor", "evolution (s)", "of it processor", "best score", "random (s)", "best score")
    for name, predictor in (("darts-cifar10", bundled), ("Gaussian process", process)):
        start, own = time.perf_counter(), time.process_time()
        found, scores = evolve(space, predictor.predict, n, seed=0)
        took, own = time.perf_counter() - start, time.process_time() - own
        assert len({space.canonical(architecture) for architecture in found}) == n
        start = time.perf_counter()
        sampled = predictor.predict(space.sample(n, seed=2)).max()
        random_took = time.perf_counter() - start
        table.add_row(name, f"{took:.1f}", f"{own:.1f}", f"{scores.max():.3f}", f"{random_took:.1f}", f"{sampled:.3f}")
    Console(width=120).print(table)
    print(f"{n:,} evaluations; {os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}")


if __name__ == "__main__":
    main()
