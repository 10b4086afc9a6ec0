import optuna
import pytest

from tart_nas.images import load_images
from tart_nas.measurements import MeasuringSettings
from tart_nas.search_spaces import DeepNets1MSpace
from tart_nas.training import TrainingRecipe

optuna.logging.set_verbosity(optuna.logging.WARNING)

RECIPE = TrainingRecipe(epochs=2, batch_size=32, lr=0.05, crop=2)
SETTINGS = MeasuringSettings(
    dataset="digits", recipe=RECIPE, C=8, image_size=8, train_images=96, validation_images=64, test_images=64
)


def without_times(labels):
    """Labels by index, without what differs from run to run."""
    times = ("time", "time_reference", "time_relative", "curve")
    return {i: {k: v for k, v in label.items() if k not in times} for i, label in labels.items()}


@pytest.fixture(scope="session")
def networks():
    """Small ones, by index."""
    sampled = DeepNets1MSpace("val").sample(100, 0)
    return dict(enumerate([a for a in sampled if a.n_cells <= 6 and not a.is_vit and a.norm][:3]))


@pytest.fixture(scope="session")
def images():
    return load_images("digits", train_images=96, validation_images=64, test_images=64, image_size=8)
