"""How fast candidates of NNI's DARTS space are judged, and how soon an NNI experiment has its first trained trial.

``python -m tart_nas.experiments.nni_speed`` draws, converts and scores candidates as TartTopK does, and, in the same
run, builds them as torch models, which is what NNI's own loop does with each. With ``--launch``, a real experiment on
the local training service is started in a folder of its own, and timed until its first trial is trained; it is stopped
afterwards.
"""

import argparse
import os
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from statistics import median
from typing import Any

import numpy as np
from rich.console import Console
from rich.table import Table

from tart_nas.strategies.nni_plugin import SampleScorer, TartTopK
from tart_nas.strategies.nni_plugin.sampling import SampleDrawer

JUDGED_AT = {"n_cells": 8, "C": 32}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--candidates", type=int, default=10_000)
    parser.add_argument("--models", type=int, default=40, help="torch models that are built")
    parser.add_argument("--repeats", type=int, default=5, help="of each measurement; the median counts")
    parser.add_argument("--launch", action="store_true", help="also time a real experiment")
    parser.add_argument("--trial", action="store_true", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.trial:
        _experiment()
        return
    console = Console(highlight=False)
    table = Table("NNI's DARTS space, 8 cells", "candidates/s", title=f"{os.cpu_count()} cores")
    for column in table.columns[1:]:
        column.justify = "right"
    for name, rate in _rates(arguments.candidates, arguments.models, arguments.repeats).items():
        table.add_row(name, f"{rate:,.0f}")
    console.print(table)
    if arguments.launch:
        seconds = [_launch() for _ in range(3)]
        console.print(f"From launch to the first trained trial: {median(seconds):.1f} s (median of 3).")


def _rates(candidates: int, models: int, repeats: int) -> dict[str, float]:
    from nni.nas.hub.pytorch import DARTS
    from nni.nas.space import SimplifiedModelSpace

    space = SimplifiedModelSpace.from_model(DARTS(width=16, num_cells=8, dataset="cifar"))
    drawer, scorer = SampleDrawer(space), SampleScorer(space, judged_at=JUDGED_AT)
    samples = drawer.draw(candidates, np.random.default_rng(0))
    scorer(samples[:100])  # the first call also loads code

    def draw() -> None:
        drawer.draw(candidates, np.random.default_rng(1))

    def convert() -> None:
        for sample in samples:
            scorer.convert(sample)

    def judge() -> None:
        scorer(drawer.draw(candidates, np.random.default_rng(1)))

    def build() -> None:
        for _ in range(models):
            space.random().executable_model()

    def random() -> None:
        for _ in range(models):
            space.random()

    return {
        "drawn": candidates / _seconds(draw, repeats),
        "converted to architectures": candidates / _seconds(convert, repeats),
        "drawn, converted and scored": candidates / _seconds(judge, repeats),
        "NNI: drawn": models / _seconds(random, repeats),
        "NNI: drawn and built as torch models": models / _seconds(build, repeats),
    }


def _seconds(work: Callable[[], Any], repeats: int) -> float:
    seconds = []
    for _ in range(repeats):
        start = time.perf_counter()
        work()
        seconds.append(time.perf_counter() - start)
    return median(seconds)


def _launch() -> float:
    """Seconds from the start of Python to the first trained trial of an experiment."""
    with tempfile.TemporaryDirectory() as folder:
        start = time.perf_counter()
        command = [sys.executable, "-m", "tart_nas.experiments.nni_speed", "--trial"]
        environment = {**os.environ, "HOME": folder}  # NNI's list of experiments lies there
        with subprocess.Popen(command, cwd=folder, env=environment, stdout=subprocess.PIPE, text=True) as process:
            assert process.stdout is not None
            for line in process.stdout:
                if line.startswith("first trial"):
                    seconds = time.perf_counter() - start
            if process.wait():
                raise SystemExit("The experiment failed.")
    return seconds


def count_parameters(model: Any) -> None:
    """What the trials of :func:`_launch` do."""
    import nni

    nni.report_final_result(float(sum(parameter.numel() for parameter in model.parameters())))


def _experiment() -> None:
    from nni.nas.evaluator import FunctionalEvaluator
    from nni.nas.experiment import NasExperiment, NasExperimentConfig
    from nni.nas.hub.pytorch import DARTS

    from tart_nas.experiments import nni_speed  # by this name the trials find the function

    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    config = NasExperimentConfig("ts", "simplified", "local", trial_concurrency=1, max_trial_number=1)
    config.experiment_working_directory = "experiments"
    config.training_service.use_active_gpu = False
    strategy = TartTopK(k=1, candidates=10_000, judged_at=JUDGED_AT)
    evaluator = FunctionalEvaluator(nni_speed.count_parameters)
    experiment = NasExperiment(DARTS(width=16, num_cells=8, dataset="cifar"), evaluator, strategy, config)
    experiment.start(port)
    assert strategy.picks[0].status == "trained"
    print("first trial", flush=True)
    experiment.stop()


if __name__ == "__main__":
    main()
