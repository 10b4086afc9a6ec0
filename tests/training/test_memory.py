"""Batches in parts: what they give, and that a lack of memory leads to them."""

import logging
import subprocess
import sys

import pytest
import torch
from torch import nn

from tart_nas.errors import TrainingError
from tart_nas.training import TrainingRecipe, evaluate, train
from tests.training.test_training import Recording, weights

RECIPE = TrainingRecipe(epochs=2, batch_size=32, lr=0.1, cutout=8)


class Greedy(nn.Module):
    """Has no memory for more than so many images."""

    def __init__(self, limit, fails_at=0):
        super().__init__()
        self.inner = linear()
        self.statistics = nn.BatchNorm1d(10, affine=False)
        self.limit, self.fails_at = limit, fails_at  # from which call on
        self.seen = []

    def forward(self, x):
        y = self.inner(x)
        self.statistics(y)
        if self.training:
            self.seen.append(len(x))
            if len(x) > self.limit and len(self.seen) > self.fails_at:
                raise torch.OutOfMemoryError("CUDA out of memory")
        return y


def linear():
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return nn.Sequential(nn.Flatten(), nn.Linear(3072, 10))


def test_parts_add_up_to_the_batch(few, caplog):
    whole, parts = linear(), Greedy(8)
    expected = train(whole, few, RECIPE, device="cpu")
    with caplog.at_level(logging.WARNING, "tart_nas.training"):
        result = train(parts, few, RECIPE, device="cpu")
    assert [record.getMessage() for record in caplog.records] == [
        "a batch of 32 does not fit into memory: gradients are added up over 2 parts",
        "a batch of 32 does not fit into memory: gradients are added up over 4 parts",
    ]
    torch.testing.assert_close(weights(parts.inner), weights(whole), atol=1e-5, rtol=1e-4)
    for ours, theirs in zip(result.epochs, expected.epochs, strict=True):
        assert ours.train_loss == pytest.approx(theirs.train_loss, rel=1e-4)
        assert ours.train_accuracy == theirs.train_accuracy
    assert parts.seen[:6] == [32, 16, 8, 8, 8, 8]


def test_the_epoch_begins_anew_with_the_weights_and_statistics_that_it_began_with(few):
    late, early = Greedy(16, fails_at=2), Greedy(16)
    for network in (late, early):
        train(network, few, RECIPE, device="cpu")
    assert torch.equal(weights(late), weights(early))


def test_two_images_do_not_fit(few):
    with pytest.raises(TrainingError, match="does not fit into memory, not even with 2 images at once"):
        train(Greedy(1), few, RECIPE, device="cpu")


class GreedyJudge(nn.Module):
    """Has no memory for more than so many images, in evaluation."""

    def __init__(self, limit, track):
        super().__init__()
        self.inner, self.limit, self.seen = linear(), limit, []
        self.statistics = nn.BatchNorm1d(10, affine=False, track_running_stats=track)

    def forward(self, x):
        self.seen.append(len(x))
        if len(x) > self.limit:
            raise torch.OutOfMemoryError("CUDA out of memory")
        return self.statistics(self.inner(x))


def test_an_evaluation_takes_smaller_batches(few, caplog):
    network = GreedyJudge(30, track=True)
    assert evaluate(network, few.train, few, device="cpu") == evaluate(network.inner, few.train, few, device="cpu")
    assert network.seen == [97, 48, 24, 24, 24, 24, 1]
    assert [record.getMessage() for record in caplog.records] == [
        "an evaluation with 97 images at once does not fit into memory: half as many",
        "an evaluation with 48 images at once does not fit into memory: half as many",
    ]


@pytest.mark.parametrize(("limit", "track", "size"), [(30, False, 64), (0, True, 1)])
def test_an_evaluation_that_does_not_fit(few, limit, track, size):
    with pytest.raises(TrainingError, match=f"An evaluation with {size} images at once does not fit into memory"):
        evaluate(GreedyJudge(limit, track), few.train, few, device="cpu")


def test_other_errors_are_not_taken_for_a_lack_of_memory(few):
    class Broken(Recording):
        def forward(self, x):
            raise RuntimeError("shapes do not match")

    with pytest.raises(RuntimeError, match="shapes do not match"):
        train(Broken(), few, RECIPE, device="cpu")


@pytest.mark.slow
@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="limits of memory are Linux's")
def test_a_real_lack_of_memory():
    code = """
import logging, resource, torch
from torch import nn
from tart_nas.images import load_images
from tart_nas.training import TrainingRecipe, evaluate, train

class Wide(nn.Module):
    def __init__(self):
        super().__init__()
        self.weight = nn.Parameter(torch.full((10, 2), 0.1))
    def forward(self, x):
        wide = x.flatten(1).repeat(1, 300)  # 3.7 MB for an image
        return wide.view(len(x), -1, 2).exp().mean(1) @ self.weight.T

logging.basicConfig(level=logging.WARNING)
torch.set_num_threads(1)
images = load_images("digits", train_images=96, validation_images=10)
train(Wide(), images, TrainingRecipe(epochs=1, batch_size=2, lr=1e-3), device="cpu")
size = int(open("/proc/self/statm").read().split()[0]) * resource.getpagesize()
resource.setrlimit(resource.RLIMIT_AS, (size + 500 * 2**20, resource.RLIM_INFINITY))
result = train(Wide(), images, TrainingRecipe(epochs=1, batch_size=96, lr=1e-3), device="cpu")
print(len(result.epochs))
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert done.stdout == "1\n"
    assert "a batch of 96 does not fit into memory: gradients are added up over 2 parts" in done.stderr
