"""How fast the DARTS network trains on CIFAR-10, against the plain way, and what the engine costs beside the network.

``python -m tart_nas.experiments.training_speed --data-dir CIFAR10`` trains the DARTS network (16 channels, 8 cells,
batches of 96) both ways in turns, on the CPU or on the GPU of the machine, and prints images/s, their ratio (medians
of several rounds), and the share of an epoch that is neither forward nor backward pass nor step. The plain way is that
of a usual script: torchvision's data set of PIL images, its transforms, a DataLoader with 2 workers, float32, NCHW.

``--accuracy`` instead trains both ways with three seeds, and prints the accuracies: they agree within noise.

On a busy machine wall-clock times say little. ``--processor-time`` counts the processor time of all processes of each
way, data loading included, with one thread.
"""

import argparse
import resource
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path
from statistics import mean, median, stdev

import torch
from PIL import Image
from rich.console import Console
from torch import Tensor, nn
from torch.nn.functional import cross_entropy
from torch.utils.data import DataLoader, Dataset
from torchvision import transforms

from tart_nas.devices import resolve_device
from tart_nas.experiments.runner import command
from tart_nas.experiments.tables import table
from tart_nas.images import ImageData, load_images
from tart_nas.networks import build_network
from tart_nas.published import DARTS
from tart_nas.training import TrainingRecipe, evaluate, train

RECIPE = TrainingRecipe(epochs=1, cutout=16, batch_size=96)


class PlainImages(Dataset[tuple[Tensor, int]]):
    """The images as torchvision's CIFAR10 keeps and transforms them: an array, a PIL image at each access.

    Args:
        images: of which the training images are taken.
        recipe: whose augmentation torchvision's transforms are set to.
    """

    def __init__(self, images: ImageData, recipe: TrainingRecipe) -> None:
        self.pixels = images.train.images.permute(0, 2, 3, 1).contiguous().numpy()
        self.labels = images.train.labels.tolist()
        self.transform: Callable[[Image.Image], Tensor] = transforms.Compose(
            [
                transforms.RandomCrop(images.image_size, padding=recipe.crop),
                transforms.RandomHorizontalFlip(),
                transforms.ToTensor(),
                transforms.Normalize(images.mean, images.std),
                lambda image: cut_out(image, recipe.cutout),
            ]
        )

    def __len__(self) -> int:
        return len(self.labels)

    def __getitem__(self, index: int) -> tuple[Tensor, int]:
        return self.transform(Image.fromarray(self.pixels[index])), self.labels[index]


def cut_out(image: Tensor, length: int) -> Tensor:
    """As in DARTS' published code: (C, H, W) to the same, changed in place."""
    height, width = image.shape[1:]
    y, x = (int(torch.randint(size, ())) for size in (height, width))
    half = length // 2
    image[:, max(0, y - half) : y + half, max(0, x - half) : x + half] = 0
    return image


def train_plainly(network: nn.Module, images: ImageData, recipe: TrainingRecipe, device: torch.device) -> float:
    """Trains as a usual script does; returns the seconds."""
    loader = DataLoader(
        PlainImages(images, recipe), recipe.batch_size, shuffle=True, num_workers=2, pin_memory=device.type == "cuda"
    )
    # In the layout and precision that a script has without further thought: that is what is compared.
    network.to(device).train()
    optimizer = torch.optim.SGD(
        network.parameters(), recipe.lr, momentum=recipe.momentum, weight_decay=recipe.weight_decay
    )
    # Over steps, as ours decays.
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, recipe.epochs * len(loader))
    start = time.perf_counter()
    for _ in range(recipe.epochs):
        for inputs, labels in loader:
            loss = cross_entropy(network(inputs.to(device)), labels.to(device))
            optimizer.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            nn.utils.clip_grad_norm_(network.parameters(), recipe.gradient_clip)
            optimizer.step()
            schedule.step()
    # The last steps may still be running on the GPU.
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    return time.perf_counter() - start


def compare_speed(images: ImageData, arguments: argparse.Namespace, console: Console) -> None:
    """Prints images/s of both ways and the engine's overhead."""
    device = resolve_device(None)
    few = load_images(arguments.dataset, arguments.data_dir, train_images=96, validation_images=10)
    plain, ours, overhead = [], [], []
    network, reference = made_network(arguments), made_network(arguments)
    train(network, few, RECIPE, compile=None)  # neither way pays for what happens once
    train_plainly(reference, few, RECIPE, device)
    # Ten images, since validation is no part of what is compared.
    validated = replace(images, validation=few.validation)
    for _ in range(arguments.rounds):
        start = processor_seconds()
        seconds = train_plainly(reference, images, RECIPE, device)
        plain.append(processor_seconds() - start if arguments.processor_time else seconds)
        with passes_timed(network) as passes:
            start = processor_seconds()
            result = train(network, validated, RECIPE, compile=None)
            own = processor_seconds() - start
        seconds = len(images.train) / result.images_per_second
        ours.append(own if arguments.processor_time else seconds)
        overhead.append(1 - sum(passes.values()) / seconds)
    # Of each round by itself: what slows one round down slows both ways.
    ratios = {"plain": 1.0, "tart_nas": median(p / o for p, o in zip(plain, ours, strict=True))}
    rates = {name: len(images.train) / median(spent) for name, spent in (("plain", plain), ("tart_nas", ours))}
    rows = [(name, f"{rate:,.1f}", f"{ratios[name]:.2f}") for name, rate in rates.items()]
    what = "images per processor second, one thread" if arguments.processor_time else "images/s"
    title = f"{device.type}, medians of {arguments.rounds} rounds"
    console.print(table(("", what, "times the plain way"), rows, title))
    if device.type == "cpu":
        console.print(f"engine's overhead: {median(overhead):.1%} of an epoch is not forward, backward or step")


@contextmanager
def passes_timed(network: nn.Module) -> Iterator[dict[str, float]]:
    """Inside, the wall-clock seconds of forward, backward and step are added up, on a CPU."""
    spent = {"forward": 0.0, "backward": 0.0, "step": 0.0}

    def wrapped(name: str, function: Callable[..., object]) -> Callable[..., object]:
        def call(*args: object, **options: object) -> object:
            start = time.perf_counter()
            try:
                return function(*args, **options)
            finally:
                spent[name] += time.perf_counter() - start

        return call

    backward, step, forward = Tensor.backward, torch.optim.SGD.step, network.forward
    # In the classes, since the engine makes its optimizer and its losses itself.
    Tensor.backward = wrapped("backward", backward)  # type: ignore[method-assign]
    torch.optim.SGD.step = wrapped("step", step)  # type: ignore[method-assign]
    network.forward = wrapped("forward", forward)
    try:
        yield spent
    finally:
        Tensor.backward, torch.optim.SGD.step = backward, step  # type: ignore[method-assign]
        del network.forward  # of the instance, which hid that of its class


def processor_seconds() -> float:
    """Processor time of this process and its children that ended."""
    children = resource.getrusage(resource.RUSAGE_CHILDREN)
    return time.process_time() + children.ru_utime + children.ru_stime


def compare_accuracy(images: ImageData, arguments: argparse.Namespace, console: Console) -> None:
    """Prints the accuracies of both ways with three seeds."""
    device, recipe = resolve_device(None), replace(RECIPE, epochs=arguments.epochs, lr=0.05)
    accuracies: dict[str, list[float]] = {"plain": [], "tart_nas": []}
    for seed in range(3):
        torch.manual_seed(seed)
        network = made_network(arguments)
        train_plainly(network, images, recipe, device)
        accuracies["plain"].append(100 * evaluate(network, images.validation, images, device=device))
        torch.manual_seed(seed)
        result = train(made_network(arguments), images, recipe, seed=seed, device=device)
        accuracies["tart_nas"].append(100 * result.validation_accuracy)
    rows = [(name, f"{mean(v):.2f}", f"{stdev(v):.2f}", *(f"{a:.2f}" for a in v)) for name, v in accuracies.items()]
    console.print(table(("accuracy, %", "mean", "deviation", "seed 0", "seed 1", "seed 2"), rows))
    # Of the difference of two means of three each.
    error = sum(stdev(values) ** 2 / 3 for values in accuracies.values()) ** 0.5
    difference = mean(accuracies["tart_nas"]) - mean(accuracies["plain"])
    console.print(f"difference {difference:+.2f}, standard error {error:.2f} points")


def made_network(arguments: argparse.Namespace) -> nn.Module:
    return build_network(DARTS.resized(arguments.cells, arguments.channels))


def run(arguments: argparse.Namespace, console: Console) -> None:
    """Compares accuracies or speeds."""
    if arguments.processor_time:
        torch.set_num_threads(1)
    # All that CIFAR-10 leaves beside 5,000 for validation; on a CPU 20 batches of 96, which take long enough.
    count = arguments.images or (45_000 if resolve_device(None).type == "cuda" else 1920)
    images = load_images(
        arguments.dataset, arguments.data_dir, train_images=count, validation_images=arguments.validation
    )
    (compare_accuracy if arguments.accuracy else compare_speed)(images, arguments, console)


OPTIONS = {
    "--dataset": ("cifar10", "or cifar10-sample, for a trial"),
    "--data-dir": (Path, "where CIFAR-10 is; downloaded by default"),
    "--images": (int, "of an epoch; default 1,920, or 45,000 on a GPU"),
    "--validation": (2000, "images that tell the accuracy"),
    "--rounds": 3,
    "--epochs": (8, "of --accuracy"),
    "--accuracy": False,
    "--processor-time": False,
    "--channels": 16,
    "--cells": 8,
}
main = partial(command, __doc__, OPTIONS, run)


if __name__ == "__main__":
    sys.exit(main())
