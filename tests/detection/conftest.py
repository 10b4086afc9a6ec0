import pytest

from tart_nas.detection import load_pedestrians
from tart_nas.experiments.drawn_pedestrians import draw_pedestrians


@pytest.fixture(scope="session")
def drawn(tmp_path_factory):
    """Six images of 64x64 pixels: four for training, two for testing."""
    folder = tmp_path_factory.mktemp("drawn")
    draw_pedestrians(folder, 6, size=64)
    return folder


@pytest.fixture(scope="session")
def people(drawn):
    return load_pedestrians(drawn)
