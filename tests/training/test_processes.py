"""Two real processes of torchrun."""

import sys
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from tart_nas.images import load_images
from tart_nas.training import TrainingRecipe, train
from tests.training.conftest import Small

ROOT = Path(__file__).resolve().parents[2]
CODE = """
import dataclasses, json, os, sys, torch
from pathlib import Path
from torch import nn
from safetensors.torch import save_file
from tart_nas.images import load_images
from tart_nas.training import TrainingRecipe, train
from tart_nas.training.processes import launched
from tests.training.conftest import Small
from tests.training.test_processes import RECIPE, network

torch.set_num_threads(1)
images = load_images("digits", train_images=97, validation_images=50)
with launched() as device:
    made = network(sys.argv[2], seed=int(os.environ["RANK"]))  # the first rank's weights count
    stop = int(sys.argv[3])
    def on_epoch(metrics):
        if metrics.epoch == stop:
            os._exit(0)
    result = train(made, images, RECIPE, device=device, checkpoint=sys.argv[1] + "/c.safetensors", on_epoch=on_epoch)
    save_file(made.state_dict(), f"{sys.argv[1]}/{os.environ['RANK']}.safetensors",
              {"epochs": json.dumps([dataclasses.asdict(epoch) for epoch in result.epochs])})
threads = [path.read_text() for path in Path("/proc/self/task").glob("*/comm")]
assert not [name for name in threads if "gloo" in name], threads  # one at work when Python ends would abort it
"""
RECIPE = TrainingRecipe(epochs=2, batch_size=32, lr=0.1, crop=0, flip=False)  # nothing random but the order


def network(kind, seed=0):
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        if kind == "linear":
            return torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(3072, 10))
        return Small(auxiliary=True)  # whose second head nobody listens to


@pytest.fixture
def torchrun(fork_server):
    """Trains a network in two processes; torchrun itself and both are forks of one that has imported PyTorch."""

    def run(folder, kind, stop=0):
        client = [sys.executable, ROOT / "tests/forks/shell_client.py", fork_server.address, "-c", CODE]
        arguments = ["--standalone", "--nproc-per-node=2", "--no-python", *client, folder, kind, stop]
        status, _, errors = fork_server.run(*arguments, module="torch.distributed.run")
        assert status == 0, errors
        return [load_file(folder / f"{rank}.safetensors") for rank in (0, 1)] if not stop else None

    return run


def test_two_processes_train_what_one_does(torchrun, tmp_path):
    """Without batch normalisation, whose statistics are those of a process's own images."""
    first, second = torchrun(tmp_path, "linear")
    alone = network("linear")
    train(alone, load_images("digits", train_images=97, validation_images=50), RECIPE, device="cpu")
    for name, value in alone.state_dict().items():
        assert torch.equal(first[name], second[name])
        torch.testing.assert_close(first[name], value, atol=1e-5, rtol=1e-4)


@pytest.mark.slow
def test_both_end_with_one_network_and_resume(torchrun, tmp_path):
    undisturbed, folder = tmp_path / "undisturbed", tmp_path / "interrupted"
    undisturbed.mkdir()
    folder.mkdir()
    first, second = torchrun(undisturbed, "small")
    assert all(torch.equal(first[name], second[name]) for name in first)  # statistics as well
    assert torch.equal(first["head.weight"], network("small").state_dict()["head.weight"])
    torchrun(folder, "small", stop=1)
    resumed, _ = torchrun(folder, "small")
    assert all(torch.equal(first[name], resumed[name]) for name in first)


@pytest.mark.parametrize("batch", [7, 8])
def test_shares_are_the_batch(batch):
    from tart_nas.training.processes import Processes

    indices = torch.arange(batch)
    assert torch.equal(torch.cat([Processes(rank, 3).share(indices) for rank in range(3)]), indices)
