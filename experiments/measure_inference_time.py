"""Measures a property that needs no training: the inference time of 400 networks of a generated DeepNets-1M val split.

``python -m tart_nas.experiments.measure_inference_time`` writes ``experiments/labels/inference-time.json`` and goes on
where the last call stopped. The networks have the rules of val but 8 channels, and classify 8 images of 32x32; one
thread of the CPU computes, and its processor time counts (:mod:`tart_nas.measurements.inference_time`).

So that other programs on the machine harm no network more than another, all are timed in each of 8 rounds, in another
random order each; a network's ``time`` is the smallest of its rounds, each the median of 3 passes, since what others do
to the caches and the clock only ever adds. It prints how stable the ranking is: the rank correlation between the
smallest of the first and of the last rounds.
"""

import argparse
import os
import platform
import sys
import tempfile
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from rich.console import Console
from rich.progress import track
from scipy.stats import kendalltau, spearmanr

from tart_nas.architecture import Architecture
from tart_nas.deepnets1m import DeepNets1M, generate
from tart_nas.errors import RunFolderError
from tart_nas.experiments.runner import command
from tart_nas.measurements import inference_time, read_label_file
from tart_nas.measurements.label_file import write_label_file
from tart_nas.networks import build_network, parameter_count

LABELS = Path(__file__).parent / "labels" / "inference-time.json"
GROUP = "val"
NETWORKS, SEED, CHANNELS = 400, 0, 8
SETTING = {"batch_size": 8, "image_size": 32, "passes": 3, "rounds": 8}


def networks() -> list[Architecture]:
    """The architectures that are timed."""
    with tempfile.TemporaryDirectory() as folder:
        generate("val", NETWORKS, folder, seed=SEED)
        return [architecture.resized(C=CHANNELS) for architecture in DeepNets1M(folder, "val").architectures()]


def measure_round(architectures: list[Architecture], number: int) -> list[tuple[float, float]]:
    """Times every network once: milliseconds of its own and of the reference network beside it."""
    size, batch, passes = (SETTING[name] for name in ("image_size", "batch_size", "passes"))
    times = [(0.0, 0.0)] * len(architectures)
    # Another order in each round, so that no network always comes after the same one.
    order = np.random.default_rng(number).permutation(len(architectures)).tolist()
    for index in track(order, f"round {number}", transient=True):
        network = build_network(architectures[index], 10, size)
        time = inference_time(network, size, batch_size=batch, passes=passes, device="cpu")
        times[index] = (round(time.milliseconds, 4), round(time.reference, 4))
    return times


def reliability(labels: Mapping[int, Mapping[str, Any]]) -> dict[str, float]:
    """How well the first half of the rounds ranks the networks as the second half does; at least two rounds."""
    rounds = np.array([labels[index]["rounds"] for index in sorted(labels)])  # (networks, rounds)
    half = rounds.shape[1] // 2
    halves = rounds[:, :half].min(axis=1), rounds[:, half:].min(axis=1)
    return {
        "kendall": round(float(kendalltau(*halves).statistic), 4),
        "spearman": round(float(spearmanr(*halves).statistic), 4),
        "median_difference": round(float(np.median(np.abs(np.log(halves[0] / halves[1])))), 4),
    }


def run(arguments: argparse.Namespace, console: Console) -> None:
    """Measures the rounds that the file lacks, and prints how stable the ranking is."""
    architectures, out = networks(), arguments.out
    about: dict[str, Any] = {
        "made_by": "python -m tart_nas.experiments.measure_inference_time",
        "networks": f"tart-nas data generate val --n {NETWORKS} --seed {SEED}, with C = {CHANNELS}",
        "time": "milliseconds of processor time of one thread for a batch: the smallest of the rounds",
        "setting": SETTING,
        "machine": {"processor": _processor(), "cores": os.cpu_count(), "torch": torch.__version__},
    }
    labels: dict[int, dict[str, Any]] = {index: {"rounds": [], "references": []} for index in range(NETWORKS)}
    if out.exists():
        known, labels, _ = read_label_file(out, GROUP)
        for name in ("networks", "time", "setting", "machine"):
            if known.get(name) != about[name]:
                raise RunFolderError(f"{out} is of other {name}: {known.get(name)}, not {about[name]}.")
    for number in range(len(labels[0]["rounds"]), SETTING["rounds"]):
        times = measure_round(architectures, number)
        for label, architecture, (milliseconds, reference) in zip(labels.values(), architectures, times, strict=True):
            label["rounds"].append(milliseconds)
            label["references"].append(reference)
            # Noise of a machine only ever adds.
            label |= {"time": min(label["rounds"]), "params": parameter_count(architecture)}
        if number:
            about["reliability"] = reliability(labels)
        write_label_file(out, about, GROUP, labels, {})
        console.print(f"round {number}: {np.mean(times, axis=0)[0]:.2f} ms a network")
    seconds = [label["time"] for label in labels.values()]
    console.print(f"{out}: {NETWORKS} networks, {min(seconds):.2f} to {max(seconds):.2f} ms")
    console.print(f"first against last rounds: {reliability(labels)}")


def _processor() -> str:
    """The processor's name, where Linux tells it."""
    cpu = Path("/proc/cpuinfo")
    lines = cpu.read_text().splitlines() if cpu.exists() else []
    return next((line.split(":")[1].strip() for line in lines if line.startswith("model name")), platform.processor())


main = partial(command, __doc__, {"--out": LABELS}, run)


if __name__ == "__main__":
    sys.exit(main())
