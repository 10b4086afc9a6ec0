"""Short campaigns; ``make campaign`` runs whole ones."""

import random

import pytest

from tests.campaigns.commands import COMMANDS
from tests.campaigns.corruption import corrupt_at_random, corrupted
from tests.campaigns.formats import FORMATS
from tests.campaigns.frozen import freeze_at_random
from tests.campaigns.full_disk import fill_at_random
from tests.campaigns.kills import KILLED, kill_at_random
from tests.campaigns.little_memory import LIMITED, limit_at_random
from tests.campaigns.processes import Launcher

QUICK = ["predictor", "checkpoint", "candidates", "labels", "settings of a run", "CIFAR-10, batches"]


@pytest.mark.parametrize("name", [pytest.param(n, marks=() if n in QUICK else pytest.mark.slow) for n in FORMATS])
def test_corrupted_files(tmp_path, name):
    result = corrupt_at_random(tmp_path, seed=1, count=20, names=[name])[name]
    assert result["faults"] == []
    assert result["refused"] > 0


def test_a_fault_changes_the_file():
    rng, data = random.Random(0), bytes(range(256)) * 4
    assert sum(corrupted(data, rng) != data for _ in range(100)) > 90


@pytest.fixture
def launcher(fork_server, tmp_path):
    (tmp_path / "campaign").mkdir()
    return Launcher(fork_server, tmp_path)


def disturb(campaign, launcher, tmp_path, count, *names):
    result = campaign(tmp_path / "campaign", launcher, 1, count, list(names))
    assert result.pop("faults") == []
    return result


def test_kills(launcher, tmp_path):
    result = disturb(kill_at_random, launcher, tmp_path, 2, "generate")
    assert sum(result["kills"].values()) == 2


def test_little_memory(launcher, tmp_path):
    assert disturb(limit_at_random, launcher, tmp_path, 1, "retrain")["lacking"] == {"retrain": 1}


@pytest.mark.slow
@pytest.mark.parametrize("name", KILLED)
def test_kills_of_all_commands(launcher, tmp_path, name):
    disturb(kill_at_random, launcher, tmp_path, 3, name)


@pytest.mark.slow
@pytest.mark.parametrize("name", COMMANDS)
def test_full_disks(launcher, tmp_path, name):
    disturb(fill_at_random, launcher, tmp_path, 3, name)


@pytest.mark.slow
@pytest.mark.parametrize("name", LIMITED)
def test_little_memory_of_all_commands(launcher, tmp_path, name):
    disturb(limit_at_random, launcher, tmp_path, 5, name)


@pytest.mark.slow
def test_workers_that_stand_still(launcher, tmp_path):
    disturb(freeze_at_random, launcher, tmp_path, 1, "sqlite")
