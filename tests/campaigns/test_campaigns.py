"""Short campaigns; ``make campaign`` runs whole ones."""

import random
import subprocess
import sys

import pytest

from tests.campaigns.corruption import corrupt_at_random, corrupted
from tests.campaigns.formats import FORMATS

QUICK = ["predictor", "checkpoint", "candidates", "labels", "settings of a run", "CIFAR-10, batches"]


@pytest.mark.parametrize("name", [pytest.param(n, marks=() if n in QUICK else pytest.mark.slow) for n in FORMATS])
def test_corrupted_files(tmp_path, name):
    result = corrupt_at_random(tmp_path, seed=1, count=20, names=[name])[name]
    assert result["faults"] == []
    assert result["refused"] > 0


def test_a_fault_changes_the_file():
    rng, data = random.Random(0), bytes(range(256)) * 4
    assert sum(corrupted(data, rng) != data for _ in range(100)) > 90


def campaign(*arguments):
    """In a process of its own: in this one threads run, which do not survive a fork."""
    command = [sys.executable, "-m", "tests.campaigns", *arguments]
    ended = subprocess.run(command, capture_output=True, text=True)
    assert (ended.returncode, ended.stderr) == (0, ""), ended.stdout


def test_kills():
    campaign("kills", "--seed", "1", "--count", "2", "--only", "data-generate")


@pytest.mark.slow
@pytest.mark.parametrize("name", ["search", "search-active-workers", "retrain", "measure", "ghn-train"])
def test_kills_of_longer_commands(name):
    campaign("kills", "--seed", "1", "--count", "3", "--only", name)


@pytest.mark.slow
@pytest.mark.parametrize(
    "name", ["search", "retrain", "measure", "data-generate", "ghn-train", "fit", "export", "generate"]
)
def test_full_disks(name):
    campaign("full-disk", "--seed", "1", "--count", "3", "--only", name)


@pytest.mark.slow
def test_workers_that_stand_still():
    campaign("frozen", "--seed", "1", "--count", "1", "--only", "sqlite")
