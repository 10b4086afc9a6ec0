"""Makes the bundled generator ``darts-cifar10-generator``.

``python -m tart_nas.experiments.bundled_generator --out FILE`` fits a generator of the DARTS space to the scores of the
bundled predictor ``darts-cifar10``: 2,000 random architectures and 18 rounds of 1,000 generated ones. It prints how
long that took, how fast the generator samples, and how good its samples are by the same predictor.
"""

import argparse
import sys
from functools import partial
from pathlib import Path

import numpy as np
from rich.console import Console
from rich.progress import Progress

from tart_nas.experiments.runner import command
from tart_nas.experiments.tables import table
from tart_nas.experiments.timing import timed
from tart_nas.generators import ArchitectureGenerator
from tart_nas.predictors import Predictor
from tart_nas.search_spaces import DartsSpace

PREDICTOR, SEED = "darts-cifar10", 0


def run(arguments: argparse.Namespace, console: Console) -> None:
    """Fits, measures, notes and writes."""
    predictor, space, generator = Predictor.from_pretrained(PREDICTOR), DartsSpace(), ArchitectureGenerator()
    with Progress(transient=True) as bar:
        task = bar.add_task("fitting", total=1.0)
        fitted = timed(
            lambda: generator.fit(
                space,
                predictor,
                seed=SEED,
                calls=arguments.calls,
                first=arguments.first,
                progress=lambda share: bar.advance(task, share),
            )
        )
    n = arguments.samples
    sampled = timed(lambda: generator.sample(n, SEED + 1))
    scores = predictor.predict(generator.sample(n, SEED + 1))
    random = predictor.predict(space.sample(n, SEED + 1))
    generator.notes |= {
        "predictor": f"{PREDICTOR}, {predictor.identity}",
        "made_by": f"python -m tart_nas.experiments.bundled_generator --calls {arguments.calls}",
        "samples": {
            "n": n,
            "mean score": float(scores.mean()),
            "mean score of random ones": float(random.mean()),
            "better than all random ones": float((scores > random.max()).mean()),
            "better than 99.9 % of what was scored": float((scores > generator.thresholds[-1]).mean()),
        },
    }
    generator.save(arguments.out)
    rows = [
        ("fit", f"{fitted.seconds:.1f}", f"{fitted.processor:.1f}"),
        (f"sampling {n:,}", f"{sampled.seconds:.1f}", f"{sampled.processor:.1f}"),
    ]
    console.print(table(("", "seconds", "processor seconds"), rows, repr(generator)))
    told = {name: float(np.round(value, 4)) for name, value in generator.notes["samples"].items()}
    console.print(f"{arguments.out}: {told}")


main = partial(
    command,
    __doc__,
    {
        "--out": ({"type": Path, "required": True}, "the generator's file (.safetensors)"),
        "--calls": (20_000, "architectures that are scored"),
        "--first": (2_000, "random ones of them"),
        "--samples": (10_000, "drawn to measure it"),
    },
    run,
)

if __name__ == "__main__":
    sys.exit(main())
