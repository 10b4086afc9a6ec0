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
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from statistics import mean, median, stdev

import torch
from PIL import Image
from rich.console import Console
from rich.table import Table
from torch import Tensor, nn
from torch.nn.functional import cross_entropy
from torch.utils.data import DataLoader, Dataset
from torchvision import transforms

from tart_nas.devices import resolve_device
from tart_nas.images import ImageData, load_images
from tart_nas.networks import build_network
from tart_nas.published import DARTS
from tart_nas.training import TrainingRecipe, train

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
        steps = [
            transforms.RandomCrop(images.image_size, padding=recipe.crop),
            transforms.RandomHorizontalFlip(),
            transforms.ToTensor(),
            transforms.Normalize(images.mean, images.std),
        ]
        if recipe.cutout:
            steps.append(Cutout(recipe.cutout))
        self.transform: Callable[[Image.Image], Tensor] = transforms.Compose(steps)

    def __len__(self) -> int:
        return len(self.labels)

    def __getitem__(self, index: int) -> tuple[Tensor, int]:
        return self.transform(Image.fromarray(self.pixels[index])), self.labels[index]


class Cutout:
    """As in DARTS' published code, for one image."""

    def __init__(self, length: int) -> None:
        self.length = length

    def __call__(self, image: Tensor) -> Tensor:
        """(C, H, W) to the same, changed in place."""
        height, width = image.shape[1:]
        y, x = (int(torch.randint(size, ())) for size in (height, width))
        half = self.length // 2
        image[:, max(0, y - half) : y + half, max(0, x - half) : x + half] = 0
        return image


def train_plainly(network: nn.Module, images: ImageData, recipe: TrainingRecipe, device: torch.device) -> float:
    """Trains as a usual script does; returns the seconds."""
    loader = DataLoader(
        PlainImages(images, recipe), recipe.batch_size, shuffle=True, num_workers=2, pin_memory=device.type == "cuda"
    )
    network.to(device).train()
    optimizer = torch.optim.SGD(
        network.parameters(), recipe.lr, momentum=recipe.momentum, weight_decay=recipe.weight_decay
    )
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
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    return time.perf_counter() - start


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data-dir", type=Path, help="where CIFAR-10 is; downloaded by default")
    parser.add_argument("--images", type=int, default=None, help="of an epoch; default 1,920, or 45,000 on a GPU")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--epochs", type=int, default=8, help="of --accuracy")
    parser.add_argument("--accuracy", action="store_true")
    parser.add_argument("--processor-time", action="store_true")
    parser.add_argument("--channels", type=int, default=16)
    parser.add_argument("--cells", type=int, default=8)
    arguments = parser.parse_args()
    device = resolve_device(None)
    if arguments.processor_time:
        torch.set_num_threads(1)
    count = arguments.images or (45_000 if device.type == "cuda" else 1920)
    images = load_images("cifar10", arguments.data_dir, train_images=count, validation_images=2000)
    architecture = replace(DARTS, n_cells=arguments.cells, C=arguments.channels)
    console = Console(highlight=False)
    if arguments.accuracy:
        recipe = replace(RECIPE, epochs=arguments.epochs, lr=0.05)
        compare_accuracy(images, recipe, device, lambda: build_network(architecture), console)
    else:
        compare_speed(images, device, lambda: build_network(architecture), arguments, console)


def compare_speed(
    images: ImageData,
    device: torch.device,
    make: Callable[[], nn.Module],
    arguments: argparse.Namespace,
    console: Console,
) -> None:
    """Prints images/s of both ways and the engine's overhead."""
    few = load_images("cifar10", arguments.data_dir, train_images=192, validation_images=10)
    clock = processor_seconds if arguments.processor_time else time.perf_counter
    plain, ours, overhead = [], [], []
    network, reference = make(), make()
    train(network, few, RECIPE, compile=None)  # neither way pays for what happens once
    train_plainly(reference, few, RECIPE, device)
    validated = replace(images, validation=few.validation)
    for _ in range(arguments.rounds):
        start = clock()
        seconds = train_plainly(reference, images, RECIPE, device)
        plain.append(len(images.train) / (clock() - start if arguments.processor_time else seconds))
        with timed(network) as spent:
            start = clock()
            result = train(network, validated, RECIPE, compile=None)
            total = clock() - start
        ours.append(len(images.train) / total if arguments.processor_time else result.images_per_second)
        overhead.append(1 - sum(spent.values()) / (len(images.train) / result.images_per_second))
    what = "images per processor second, one thread" if arguments.processor_time else "images/s"
    table = Table("", what, "times the plain way", title=f"{device.type}, medians of {arguments.rounds} rounds")
    table.add_row("plain", f"{median(plain):,.1f}", "1.00")
    table.add_row("tart_nas", f"{median(ours):,.1f}", f"{median(o / p for o, p in zip(ours, plain, strict=True)):.2f}")
    console.print(table)
    if device.type == "cpu":
        console.print(f"engine's overhead: {median(overhead):.1%} of an epoch is not forward, backward or step")


@contextmanager
def timed(network: nn.Module) -> Iterator[dict[str, float]]:
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
    Tensor.backward = wrapped("backward", backward)  # type: ignore[method-assign]
    torch.optim.SGD.step = wrapped("step", step)  # type: ignore[method-assign]
    network.forward = wrapped("forward", forward)
    try:
        yield spent
    finally:
        Tensor.backward, torch.optim.SGD.step = backward, step  # type: ignore[method-assign]
        del network.forward


def processor_seconds() -> float:
    """Processor time of this process and its children that ended."""
    children = resource.getrusage(resource.RUSAGE_CHILDREN)
    return time.process_time() + children.ru_utime + children.ru_stime


def compare_accuracy(
    images: ImageData,
    recipe: TrainingRecipe,
    device: torch.device,
    make: Callable[[], nn.Module],
    console: Console,
) -> None:
    """Prints the accuracies of both ways with three seeds."""
    from tart_nas.training import evaluate

    accuracies: dict[str, list[float]] = {"plain": [], "tart_nas": []}
    for seed in range(3):
        torch.manual_seed(seed)
        network = make()
        train_plainly(network, images, recipe, device)
        accuracies["plain"].append(evaluate(network, images.validation, images, device=device))
        torch.manual_seed(seed)
        network = make()
        accuracies["tart_nas"].append(train(network, images, recipe, seed=seed, device=device).validation_accuracy)
    for name, values in accuracies.items():
        printed = ", ".join(f"{100 * value:.2f}" for value in values)
        console.print(f"{name}: {100 * mean(values):.2f} % (seeds {printed}; deviation {100 * stdev(values):.2f})")
    difference = mean(accuracies["tart_nas"]) - mean(accuracies["plain"])
    error = (stdev(accuracies["tart_nas"]) ** 2 / 3 + stdev(accuracies["plain"]) ** 2 / 3) ** 0.5
    console.print(f"difference {100 * difference:+.2f}, standard error {100 * error:.2f} points")


if __name__ == "__main__":
    main()
