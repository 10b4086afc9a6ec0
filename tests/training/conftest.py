import pytest
import torch
from torch import nn

from tart_nas.images import load_images


@pytest.fixture(scope="session")
def digits():
    return load_images("digits")


@pytest.fixture(scope="session")
def few():
    """Few digits, for what does not depend on their number."""
    return load_images("digits", train_images=97, validation_images=50)


class Small(nn.Module):
    """A small network with all that makes a training differ: batch normalisation, dropout, an auxiliary head."""

    def __init__(self, auxiliary=False, dropout=0.0):
        super().__init__()
        self.features = nn.Sequential(
            *(nn.Conv2d(3, 16, 3, 2, 1), nn.BatchNorm2d(16), nn.ReLU()),
            *(nn.Conv2d(16, 32, 3, 2, 1), nn.BatchNorm2d(32), nn.ReLU()),
            *(nn.AdaptiveAvgPool2d(4), nn.Flatten(), nn.Dropout(dropout)),
        )
        self.classifier = nn.Linear(512, 10)
        self.head = nn.Linear(512, 10) if auxiliary else None

    def forward(self, x):
        features = self.features(x)
        logits = self.classifier(features)
        return (logits, self.head(features)) if self.training and self.head is not None else logits


@pytest.fixture
def small():
    """Makes small networks with always the same initial weights."""

    def make(**options):
        with torch.random.fork_rng():
            torch.manual_seed(0)
            return Small(**options)

    return make


@pytest.fixture(autouse=True)
def _one_thread():
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)
