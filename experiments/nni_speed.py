"""How fast candidates of NNI's DARTS space are judged, and how soon an NNI experiment has its first trained trial.

``python -m tart_nas.experiments.nni_speed`` draws, converts and scores candidates as TartTopK does, and, in the same
run, builds them as torch models, which is what NNI's own loop does with each. With ``--launch``, a real experiment on
the local training service is started in a folder of its own, and timed until its first trial is trained; it is stopped
afterwards.
"""

import argparse
import math
import os
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from functools import partial
from statistics import median
from typing import Any

import numpy as np
from rich.console import Console

from tart_nas.errors import NniError
from tart_nas.experiments.runner import command
from tart_nas.experiments.tables import table
from tart_nas.experiments.timing import timings

JUDGED_AT = {"n_cells": 8, "C": 32}  # the size of the labels of darts-cifar10


def works(candidates: int, models: int) -> dict[str, tuple[int, Callable[[], object]]]:
    """What is timed, with how many candidates."""
    from nni.nas.hub.pytorch import DARTS
    from nni.nas.space import SimplifiedModelSpace

    from tart_nas.strategies.nni_plugin import SampleScorer
    from tart_nas.strategies.nni_plugin.sampling import SampleDrawer

    space = SimplifiedModelSpace.from_model(DARTS(width=16, num_cells=8, dataset="cifar"))
    drawer, scorer = SampleDrawer(space), SampleScorer(space, judged_at=JUDGED_AT)
    samples = drawer.draw(candidates, np.random.default_rng(0))
    scorer(samples[:100])  # the first call also loads code

    def drawn() -> Any:
        return drawer.draw(candidates, np.random.default_rng(1))

    return {
        "drawn": (candidates, drawn),
        "converted to architectures": (candidates, lambda: [scorer.convert(sample) for sample in samples]),
        "drawn, converted and scored": (candidates, lambda: scorer(drawn())),
        "NNI: drawn": (models, lambda: [space.random() for _ in range(models)]),
        "NNI: drawn and built as torch models": (
            models,
            lambda: [space.random().executable_model() for _ in range(models)],
        ),
    }


def seconds_to_the_first_trial() -> float:
    """Seconds from the start of Python to the first trained trial of an experiment."""
    with tempfile.TemporaryDirectory() as folder:
        start, seconds = time.perf_counter(), math.nan
        arguments = [sys.executable, "-m", "tart_nas.experiments.nni_speed", "--trial"]
        environment = {**os.environ, "HOME": folder}  # NNI's list of experiments lies there
        with subprocess.Popen(arguments, cwd=folder, env=environment, stdout=subprocess.PIPE, text=True) as process:
            assert process.stdout is not None
            for line in process.stdout:
                if line.startswith("first trial"):
                    seconds = time.perf_counter() - start
        if process.returncode or math.isnan(seconds):
            raise NniError("The experiment that was timed has failed.")
    return seconds


def count_parameters(model: Any) -> None:
    """What the trials of the timed experiment do."""
    import nni

    nni.report_final_result(float(sum(parameter.numel() for parameter in model.parameters())))


def run_experiment() -> None:
    """The experiment that is timed, in a process of its own."""
    from nni.nas.evaluator import FunctionalEvaluator
    from nni.nas.experiment import NasExperiment, NasExperimentConfig
    from nni.nas.hub.pytorch import DARTS

    from tart_nas.experiments import nni_speed  # by this name the trials find the function
    from tart_nas.strategies.nni_plugin import TartTopK

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


def run(arguments: argparse.Namespace, console: Console) -> None:
    """Prints the rates, and the seconds to the first trial."""
    if arguments.trial:
        run_experiment()
        return
    made = works(arguments.candidates, arguments.models)
    found = timings({name: work for name, (_, work) in made.items()}, arguments.repeats)
    rows = [(name, f"{n / found[name].seconds:,.0f}") for name, (n, _) in made.items()]
    console.print(table(("NNI's DARTS space, 8 cells", "candidates/s"), rows, f"{os.cpu_count()} cores"))
    if arguments.launch:
        seconds = [seconds_to_the_first_trial() for _ in range(3)]
        console.print(f"From launch to the first trained trial: {median(seconds):.1f} s (median of 3).")


OPTIONS = {
    "--candidates": 10_000,
    "--models": (40, "torch models that are built"),
    "--repeats": (5, "of each measurement; the median counts"),
    "--launch": (False, "also time a real experiment"),
    "--trial": (False, argparse.SUPPRESS),
}
main = partial(command, __doc__, OPTIONS, run)


if __name__ == "__main__":
    sys.exit(main())
