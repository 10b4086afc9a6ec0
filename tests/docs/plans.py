"""How the blocks of each page are run: with small budgets, on small files."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from shutil import copyfile, copytree

import numpy as np
from PIL import Image

import tart_nas
from tart_nas.search_spaces import DartsSpace, DeepNets1MSpace
from tart_nas.strategies.nni_plugin.migration.database import read_experiment
from tests.docs.pages import ROOT
from tests.labels import darts_labels, nasbench301_entries

__all__ = ["INPUTS", "PLANS", "Plan"]

SHORT = "--image-size 16 --train-images 100 --epochs 1"
TINY = f"{SHORT} --cells 2 --channels 4"  # of networks of the DARTS space; attention of others needs 8 channels


@dataclass(frozen=True)
class Plan:
    """What is done with a page.

    Args:
        runs: how many of its blocks are run.
        skipped: how many are not, by their marker.
        small: substitutions in the blocks that are run, each of which must be found.
        inputs: files and folders of :data:`INPUTS` that the page takes for granted.
    """

    runs: int
    skipped: Mapping[str, int] = field(default_factory=dict)
    small: Mapping[str, str] = field(default_factory=dict)
    inputs: tuple[str, ...] = ()


PLANS = {
    "README.md": Plan(
        runs=2,
        skipped={"Needs the network": 1},
        small={
            "sample(1000, seed=0)": "sample(50, seed=0)",
            "candidates=1000, top_k=2, random=2,": "candidates=50, top_k=1, random=1, dataset='digits', "
            "budget=tn.TrainingBudget(n_cells=2, C=4, train_images=50), "
            "recipe=tn.TrainingRecipe(epochs=1, batch_size=16),",
        },
    ),
    "CONTRIBUTING.md": Plan(runs=1),
    "docs/architecture.md": Plan(runs=0),
    "docs/benchmarks.md": Plan(runs=0),
    "docs/changelog.md": Plan(runs=0),
    "docs/concepts.md": Plan(runs=0),
    "docs/contributing.md": Plan(runs=0),
    "docs/deepnets1m.md": Plan(
        runs=2,
        skipped={"Needs the network": 1},
        small={
            "--n 10000": "--n 40",
            "--out runs/deepnets1m": "--out runs/deepnets1m --top-k 1 --cells 2 --train-images 50 --epochs 1",
        },
    ),
    "docs/detection.md": Plan(
        runs=3,
        skipped={"Needs the network": 1},
        small={
            "--images 170": "--images 6 --size 64",
            "--min-size 96 --max-size 96": "--min-size 64 --max-size 64 --epochs 1",
            "--cells 4 --channels 8 --epochs 5": "--cells 2 --channels 4 --epochs 1 --dataset digits --train-images 50",
            "--initial-weights runs/classifier": "--initial-weights runs/classifier --epochs 1",
            "--init ghn2-cifar10-small": "--init ghn2-cifar10-small --epochs 1",
            "DARTS --cells 4 --channels 8": "DARTS --cells 2 --channels 4",
            "--min-size 96": "--min-size 64",
        },
    ),
    "docs/faq.md": Plan(runs=0),
    "docs/generation.md": Plan(
        runs=5,
        small={
            "--epochs 5": "--epochs 1 --train-images 20 --cells 2 --channels 4",
            "2000, seed=0": "60, seed=0, population=30",
            "n_trials=20": "n_trials=3",
            "calls=5000": "calls=200, first=100, rounds=1, strings=256",
            "sample(1000, seed=0, better": "sample(20, seed=0, better",
            "--candidates 10000 --top-k 3": f"--candidates 20 --top-k 1 {TINY}",
        },
    ),
    "docs/hypernetworks.md": Plan(
        runs=8,
        skipped={"Needs the network": 2, "Takes hours": 1},
        small={
            "n_cells=8, C=16": "n_cells=2, C=4",
            "--arch 0 --arch 1": "--arch 0 --channels 8 --image-size 16",
            "--out my-ghn": "--out my-ghn --epochs 1 --steps-per-epoch 1 --meta-batch 1 --max-network-nodes 60",
            "--out mine.json": "--out mine.json --test-images 10",
            '"search").sample(100': '"search").sample(12',
            "--shots 100 --epochs 50": "--shots 2 --epochs 1 --cells 2 --channels 4",
        },
        inputs=("DATA", "ghn2.pt"),
    ),
    "docs/images.md": Plan(
        runs=6,
        small={
            "--image-size 32": "--image-size 16 --candidates 20 --top-k 1 --epochs 1",
            "candidates=100, top_k=3": "candidates=20, top_k=2, budget=tn.TrainingBudget(C=8)",
            "candidates=100, top_k=1": "candidates=20, top_k=1, recipe=tn.TrainingRecipe(epochs=1, batch_size=16)",
            "train_images=2500": "train_images=100",
            "--epochs 50": "--epochs 1 --cells 2 --channels 8",
            "n_cells=5, C=8": "n_cells=2, C=4",
            "epochs=10": "epochs=1",
            "n_trials=20": "n_trials=2",
        },
        inputs=("PHOTOS",),
    ),
    "docs/index.md": Plan(runs=0),
    "docs/latency.md": Plan(
        runs=9,
        small={
            "params=1000000 --limit latency_ms=50 --objective latency --top-k 4": "params=1e9 --objective latency "
            f"--candidates 4 --top-k 1 --channels 8 {SHORT}",
            "tn.DartsSpace(n_cells=5, C=8)": "tn.DartsSpace(n_cells=2, C=4)",
            "candidates=1000,\n    top_k=3": "candidates=8,\n    top_k=1,\n    dataset='digits'",
            "darts --networks 300": "darts --networks 5 --cells 2 --channels 4 --image-size 16",
            "mobilenet_v3 --networks 300": "mobilenet_v3 --networks 6",
            "--kind gp ": "--kind gp --folds 0 ",
            "--kind gp-graph": "--kind gp-graph --folds 0",
            "--latency-predictor mobile": "--candidates 6 --predictor params --top-k 1 --random 0 --dataset digits "
            "--image-size 8 --train-images 40 --epochs 1 --latency-predictor mobile",
            "--latency-predictor latency": f"--candidates 4 --top-k 1 {TINY} --latency-predictor latency",
            "sample(200, seed=0)": "sample(20, seed=0)",
            "[100]": "[10]",
            "train_images=1000": "train_images=50",
            "n_trials=20": "n_trials=2",
        },
    ),
    "docs/machines.md": Plan(
        runs=2,
        skipped={"Needs a database": 1, "Needs a GPU": 1},
        small={
            "--top-k 2 --random 2": f"--candidates 50 --top-k 1 --random 1 --cells 2 {SHORT}",
            "--epochs 4 --channels 8": f"{SHORT} --channels 8 --at-most 1 --validation-images 50 --test-images 50",
        },
        inputs=("NETWORKS.json",),
    ),
    "docs/nni.md": Plan(  # tests/strategies/nni_plugin runs those that need NNI, where it is installed
        runs=2,
        skipped={"Needs NNI": 7},
        inputs=("nni-experiments/classic", "nni-experiments/nas", "search_space.json"),
    ),
    "docs/optuna.md": Plan(
        runs=8,
        small={"train_images=1000": "train_images=100", "n_cells=2, C=4": "n_cells=1, C=4"},
        skipped={"Needs Lightning": 1, "Needs Dask": 1},  # test_other_tools.py runs these
    ),
    "docs/own-labels.md": Plan(
        runs=6,
        small={
            "sample(60, seed=0)": "sample(8, seed=0)",
            "--budget small --out labels": f"--budget small --cells 2 --channels 4 {SHORT} "
            "--validation-images 50 --test-images 50 --out labels",
            "--kind gp": "--kind gp --folds 2",
            "--out updated": "--folds 2 --out updated",
            "--out runs/mine": f"--candidates 50 --top-k 1 {TINY} --out runs/mine",
        },
    ),
    "docs/own-space.md": Plan(
        runs=8,
        small={
            "--epochs 100 --out runs/own-retrained": "--dataset digits --image-size 8 --train-images 50 --epochs 1 "
            "--out runs/own-retrained",
            "--rounds 3 --candidates 200 --top-k 4": "--rounds 1 --candidates 6 --top-k 1 --dataset digits "
            "--image-size 8 --train-images 50 --epochs 1 --predictor params",
            "candidates=100, top_k=4, rounds=2,": "candidates=8, top_k=1, random=4, rounds=2, dataset='digits', "
            "budget=tn.TrainingBudget(image_size=8, train_images=50), "
            "recipe=tn.TrainingRecipe(epochs=1, batch_size=16),",
            "candidates=100, top_k=2, random=2,": "candidates=20, top_k=1, random=1, dataset='digits', "
            "budget=tn.TrainingBudget(n_cells=2, train_images=50), recipe=tn.TrainingRecipe(epochs=1, batch_size=16),",
        },
    ),
    "docs/predictors.md": Plan(
        runs=8,
        skipped={"Takes hours": 2, "Needs a GPU": 1, "Needs the network": 1},
        small={"sample(100, seed=0)": "sample(40, seed=0)", "--also-judge search": "--also-judge search --folds 2"},
        inputs=("experiments", "LABELS.json", "ARCHITECTURES.json", "NETWORKS.json"),
    ),
    "docs/ray.md": Plan(runs=0, skipped={"Needs Ray": 6, "Takes hours": 1}),  # tests/runs/ray runs these
    "docs/safety.md": Plan(runs=0),
    "docs/searching.md": Plan(
        runs=6,
        small={
            "--candidates 20000 --top-k 3 --random 3": "--candidates 50 --top-k 1 --random 1 --cells 2 --channels 4",
            "--train-images 2500 --epochs 4": "--train-images 50 --epochs 1",
            "--rounds 3 --top-k 4": f"--rounds 2 --top-k 2 --candidates 50 {SHORT} --cells 2",
            "--candidates 100000": f"--candidates 100 --top-k 1 {TINY}",
            "--epochs 20": "--epochs 1 --train-images 50 --cells 2 --channels 8",
        },
        inputs=("CIFAR10", "runs/first"),
    ),
    "docs/start.md": Plan(
        runs=4,
        skipped={"Needs the network": 1},
        small={
            "sample(1000, seed=0)": "sample(50, seed=0)",
            "--candidates 10000 --top-k 3 --random 3": f"--candidates 20 --top-k 1 --random 1 --cells 2 {SHORT}",
            "candidates=10_000, top_k=3, random=3,": "candidates=20, top_k=1, random=1, "
            "budget=tn.TrainingBudget(n_cells=2, C=8, image_size=16, train_images=100), "
            "recipe=tn.TrainingRecipe(epochs=1, batch_size=32, lr=0.05, crop=2),",
            "--epochs 20": "--epochs 1 --train-images 50 --cells 2 --channels 8",
        },
    ),
    "docs/training.md": Plan(
        runs=3,
        skipped={"Needs a GPU": 1},
        small={
            "--epochs 50": "--epochs 1 --train-images 50 --cells 2 --channels 8",
            "--out runs/darts ": "--out runs/darts --epochs 1 --cells 2 --channels 4 ",
            "--out runs/best ": "--out runs/best --epochs 1 --cells 2 --channels 4 ",
            "--batch-statistics": "--batch-statistics --dataset digits --train-images 50 --epochs 1 --channels 8",
            "--shots 100": "--shots 5 --epochs 1 --cells 2 --channels 4",
            "--protocol imagenet": "--protocol imagenet --image-size 64 --epochs 1",
            "--n 300": "--n 3",
            "--train-images 2500 --epochs 4": "--train-images 50 --epochs 1 --at-most 1",
            "--batch-size 32": "--batch-size 32 --validation-images 50 --test-images 50",
        },
        inputs=("CIFAR10", "DATA", "IMAGENET", "runs/search"),
    ),
}


def _write_classes(folder: Path, splits: tuple[str, ...], classes: tuple[str, ...], size: int) -> None:
    """A folder of images of noise for each class of each split: 12 of each."""
    rng = np.random.default_rng(0)
    for place in [folder / split / name for split in splits for name in classes]:
        place.mkdir(parents=True)
        for number in range(12):
            Image.fromarray(rng.integers(0, 256, (size, size, 3), dtype=np.uint8)).save(place / f"{number}.png")


def _cifar10(folder: Path) -> None:
    names = ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")
    _write_classes(folder, ("train", "test"), names, 32)


def _architectures(space: tart_nas.search_spaces.ArchitectureSource) -> Callable[[Path], None]:
    def write(path: Path) -> None:
        path.write_text(json.dumps([architecture.to_dict() for architecture in space.sample(5, seed=0)]))

    return write


def _nni_experiment(name: str) -> Callable[[Path], None]:
    """The folder of a recorded experiment of NNI."""

    def copy(folder: Path) -> None:
        (folder / "db").mkdir(parents=True)
        copyfile(ROOT / f"tests/data/nni/{name}.sqlite", folder / "db/nni.sqlite")

    return copy


def _search_space(path: Path) -> None:
    experiment = read_experiment(ROOT / "tests/data/nni/classic.sqlite")
    path.write_text(json.dumps(experiment.search_space))


def _run(folder: Path) -> None:
    tart_nas.search(
        DartsSpace(),
        candidates=20,
        top_k=1,
        dataset="digits",
        out=folder,
        budget=tart_nas.TrainingBudget(n_cells=2, C=4, train_images=50),
        recipe=tart_nas.TrainingRecipe(epochs=1, batch_size=16),
        progress=False,
    )


INPUTS: dict[str, Callable[[Path], object]] = {
    "ARCHITECTURES.json": _architectures(DartsSpace()),
    "CIFAR10": _cifar10,
    "DATA": lambda folder: copytree(ROOT / "tests/data/deepnets1m", folder),
    "IMAGENET": lambda folder: _write_classes(folder, ("train", "val"), ("cat", "dog"), 80),
    "LABELS.json": lambda path: path.write_text(json.dumps(nasbench301_entries(darts_labels())[:60])),
    "PHOTOS": lambda folder: _write_classes(folder, ("train", "val"), ("cat", "dog"), 80),
    "NETWORKS.json": _architectures(DeepNets1MSpace("val")),
    "ghn2.pt": lambda path: copyfile(ROOT / "tests/data/ghn/checkpoints/ghn2_tiny.pt", path),
    "experiments": lambda folder: folder.symlink_to(ROOT / "experiments"),
    "nni-experiments/classic": _nni_experiment("classic"),
    "nni-experiments/nas": _nni_experiment("nas"),
    "search_space.json": _search_space,
    "runs/first": _run,
    "runs/search": _run,
}
"""What makes each file or folder that pages name in their commands, at the path that is given."""
