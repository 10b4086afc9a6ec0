"""One network trained and measured: the properties that DeepNets-1M has labels of (Knyazev et al., NeurIPS 2021)."""

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import torch

from tart_nas.architecture import Architecture
from tart_nas.deprecation import warn_renamed
from tart_nas.devices import forked_rng, resolve_device
from tart_nas.errors import SettingError
from tart_nas.images import ImageData
from tart_nas.measurements.inference_time import inference_time
from tart_nas.measurements.settings import MeasuringSettings
from tart_nas.networks import Network, build_network, count_parameters, parameter_count
from tart_nas.training import EpochMetrics, evaluate, train

__all__ = ["Measurement", "convergence", "initial_network", "measure_network"]

_NEAR = 0.95  # of the final training accuracy, whose last few per cent come slowly and with noise
_NOISE_SEED = 0  # the same noise for all networks

PER_CENT = {
    "val_acc": "validation_accuracy",
    "test_acc": "test_accuracy",
    "val_acc_noise": "noisy_validation_accuracy",
    "test_acc_noise": "noisy_test_accuracy",
}
"""The accuracies of a :class:`Measurement` by their names in files of labels, where they are in per cent."""


@dataclass(frozen=True)
class Measurement:
    """What was measured of a network; accuracies are fractions, in [0, 1].

    Args:
        validation_accuracy: after training.
        test_accuracy: after training.
        noisy_validation_accuracy: on validation images with Gaussian noise.
        noisy_test_accuracy: on test images with Gaussian noise.
        time: of inference, see :mod:`tart_nas.measurements.inference_time`, in ms for a batch.
        converge_time: see :func:`convergence`.
        params: parameters of the architecture at its own size, for 10 classes of 32x32 pixels.
        trained_params: parameters of the network as it was trained.
        time_reference: time of the reference network at that moment, in ms.
        time_relative: :attr:`~tart_nas.measurements.InferenceTime.relative`.
        device: where it was measured.
        curve: the epochs of its training: lists of ``train_loss``, ``train_accuracy``, ``validation_accuracy`` (both in
            [0, 1]) and ``seconds``.
    """

    validation_accuracy: float
    test_accuracy: float
    noisy_validation_accuracy: float
    noisy_test_accuracy: float
    time: float
    converge_time: float
    params: int
    trained_params: int
    time_reference: float
    time_relative: float
    device: str
    curve: dict[str, list[float]]

    if not TYPE_CHECKING:  # which would take any attribute for one of these

        def __getattr__(self, name: str) -> float:
            """The accuracies by their old names, in per cent."""
            if name not in PER_CENT:
                raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}")
            warn_renamed(f"Measurement.{name}", f"Measurement.{PER_CENT[name]}, a fraction")
            return 100 * getattr(self, PER_CENT[name])

    def to_dict(self) -> dict[str, Any]:
        """The measurement as a label of ``labels.json``, rounded to digits that mean something.

        Accuracies are in per cent there, by the names of :data:`PER_CENT`.
        """
        # As in the released results_cifar10.json, so that one reader reads both, and predictors that are fitted to
        # either predict in one unit.
        accuracies = {short: 100 * getattr(self, name) for short, name in PER_CENT.items()}
        values = {**accuracies, **{k: v for k, v in asdict(self).items() if k not in PER_CENT.values()}}
        return {name: round(value, 4) if isinstance(value, float) else value for name, value in values.items()}


def measure_network(
    architecture: Architecture,
    images: ImageData,
    settings: MeasuringSettings,
    *,
    device: torch.device | str | None = None,
    on_epoch: Callable[[EpochMetrics], None] | None = None,
    progress: bool = False,
) -> Measurement:
    """Trains the network of an architecture and measures it.

    Args:
        architecture: at its own size; the settings shrink it.
        images: to train, validate and test on.
        settings: how.
        device: None for a GPU when there is one.
        on_epoch: called after each epoch.
        progress: whether to show a progress bar on a terminal.

    Raises:
        TartError: those of :func:`~tart_nas.networks.build_network`, :func:`~tart_nas.training.train` and
            :func:`~tart_nas.training.evaluate`.
        RuntimeError, ValueError, MemoryError: whatever PyTorch raises where a device fails.
    """
    place = resolve_device(device)
    classes = len(images.classes)
    with forked_rng(place):
        torch.manual_seed(settings.seed)
        # Weights come from the global generator, seeded here: the same architecture and seed give the same ones.
        network = initial_network(architecture, images, settings)
    result = train(
        network, images, settings.recipe, seed=settings.seed, device=place, on_epoch=on_epoch, progress=progress
    )
    noise = {"noise": settings.noise, "seed": _NOISE_SEED}
    # Of the trained network, at the size of the images that it was trained on.
    time = inference_time(network, images.image_size, batch_size=settings.timing_batch, device=place)
    curve = {
        name: [round(getattr(epoch, name), 4) for epoch in result.epochs]
        for name in ("train_loss", "train_accuracy", "validation_accuracy", "seconds")
    }
    return Measurement(
        validation_accuracy=result.validation_accuracy,
        test_accuracy=evaluate(network, images.test, images, device=place),
        noisy_validation_accuracy=evaluate(network, images.validation, images, device=place, **noise),  # type: ignore[arg-type]
        noisy_test_accuracy=evaluate(network, images.test, images, device=place, **noise),  # type: ignore[arg-type]
        time=time.milliseconds,
        converge_time=convergence([epoch.train_accuracy for epoch in result.epochs], 1 / classes),
        params=parameter_count(architecture),
        trained_params=count_parameters(network),
        time_reference=time.reference,
        time_relative=time.relative,
        device=torch.cuda.get_device_name(place) if place.type == "cuda" else place.type,
        curve=curve,
    )


def initial_network(architecture: Architecture, images: ImageData, settings: MeasuringSettings) -> Network:
    """The network of an architecture as it is trained, with initial weights drawn from torch's global generator.

    Raises:
        ArchitectureError: if it cannot be built.
    """
    return build_network(
        settings.shrunk(architecture),
        len(images.classes),
        images.image_size,
        auxiliary=settings.recipe.auxiliary > 0,
        track_running_stats=bool(settings.track_running_stats),
    )


def convergence(train_accuracies: Sequence[float], chance: float) -> float:
    """The share of the epochs after which the training accuracy first comes within 95 % of its final value.

    The accuracy is taken as linear between epochs, from chance before the first one, so that few epochs do not make
    few values.

    Args:
        train_accuracies: of each epoch, at least one, in [0, 1].
        chance: the accuracy of guessing.

    Returns:
        In [0, 1].
    """
    if not train_accuracies:
        raise SettingError("`train_accuracies` must hold at least one epoch, but is empty.")
    wanted = _NEAR * train_accuracies[-1]
    before = chance
    for epoch, accuracy in enumerate(train_accuracies):
        if accuracy >= wanted:
            # Only chance can be `before` and above what is wanted: that of a network which learned nothing.
            part = 0.0 if before >= wanted else (wanted - before) / (accuracy - before)
            return (epoch + part) / len(train_accuracies)
        before = accuracy
    raise AssertionError("the last accuracy is within 95 % of itself")
