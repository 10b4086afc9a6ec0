"""The training of hypernetworks."""

import json
import os
import subprocess
import sys
from dataclasses import replace
from typing import Any

import pytest
import torch
from safetensors.torch import load_file
from torch.func import functional_call
from torch.nn.functional import cross_entropy

from tart_nas.architecture import Architecture
from tart_nas.errors import CheckpointError, DivergenceError, SettingError
from tart_nas.genotype import Genotype
from tart_nas.hypernetworks import GHN, GHNConfig
from tart_nas.hypernetworks.training import GHNRecipe, train_ghn, untrained_ghn
from tart_nas.hypernetworks.training.meta_batch import add_gradients
from tart_nas.hypernetworks.training.networks import PreparedNetwork
from tart_nas.images import load_images
from tart_nas.networks import build_network

CONFIG = GHNConfig(max_shape=(8, 8, 3, 3), num_classes=10, hid=8)
RECIPE = GHNRecipe(
    epochs=2, steps_per_epoch=3, batch_size=16, meta_batch=2, widths="small", max_network_nodes=60, simple_networks=True
)


@pytest.fixture(scope="module")
def images():
    return load_images("digits", train_images=100, validation_images=20, image_size=8)


def weights(ghn):
    return {name: tensor.clone() for name, tensor in ghn.layers.state_dict().items()}


def largest_difference(first, second):
    return max(float((first[name] - second[name]).abs().max()) for name in first)


class Killed(Exception):
    pass


def test_an_interrupted_training_ends_with_the_same_weights(images, tmp_path):
    undisturbed = untrained_ghn(CONFIG, seed=1)
    whole = train_ghn(undisturbed, images, RECIPE, seed=1, device="cpu")

    def kill(done, steps):
        if done.step == 4:
            raise Killed

    path = tmp_path / "checkpoint.safetensors"
    settings = {"seed": 1, "device": "cpu", "checkpoint": path, "checkpoint_steps": 2}
    with pytest.raises(Killed):
        train_ghn(untrained_ghn(CONFIG, seed=1), images, RECIPE, progress=kill, **settings)
    resumed = untrained_ghn(CONFIG, seed=2)  # whose weights are replaced
    steps = []
    done = train_ghn(resumed, images, RECIPE, progress=lambda done, _: steps.append(done.step), workers=1, **settings)
    assert steps == [5, 6]
    assert largest_difference(weights(undisturbed), weights(resumed)) == 0
    assert [epoch.loss for epoch in done.epochs] == [epoch.loss for epoch in whole.epochs]
    assert (whole.total.networks, whole.total.discarded) == (12, 0)
    with pytest.raises(CheckpointError, match=r"lr 0.001 then, 0.01 now"):
        train_ghn(resumed, images, replace(RECIPE, lr=0.01), **settings)
    path.write_bytes(path.read_bytes()[:1000])
    with pytest.raises(CheckpointError, match="is not the checkpoint of a hypernetwork's training"):
        train_ghn(resumed, images, RECIPE, **settings)


def test_settings_of_the_same_name_are_told_apart(images, tmp_path):
    """The source's `seed`, or `networks`, once stood in place of the training's."""
    recipe = replace(RECIPE, epochs=1, steps_per_epoch=1, simple_networks=False, networks=2)
    settings: dict[str, Any] = {"device": "cpu", "checkpoint": tmp_path / "checkpoint.safetensors"}
    source = Some(NORMALISED, NORMALISED)
    source.settings = {"split": "train", "networks": 2, "seed": 0}

    def goes_on(recipe=recipe, **changes):
        ghn = untrained_ghn(CONFIG)
        return train_ghn(ghn, images, recipe, **{"networks": source, "seed": 0, **settings, **changes}).step

    assert goes_on() == goes_on() == 1
    with pytest.raises(CheckpointError, match=r"training \(seed 0 then, 1 now\)"):
        goes_on(seed=1)
    with pytest.raises(CheckpointError, match=r"training \(recipe.networks 2 then, 1 now\)"):
        goes_on(replace(recipe, networks=1))
    source.settings["seed"] = 5
    with pytest.raises(CheckpointError, match=r"training \(source.seed 0 then, 5 now\)"):
        goes_on()


def test_it_learns_to_predict_parameters(images):
    """Those of one network, whose loss falls below that of chance, 2.303."""
    recipe = replace(RECIPE, epochs=6, steps_per_epoch=6, meta_batch=1, simple_networks=False, lr=3e-3, crop=0)
    done = train_ghn(untrained_ghn(CONFIG), images, recipe, networks=Some(NORMALISED), device="cpu")
    assert done.epochs[0].mean_loss > 2.2
    assert done.epochs[-1].mean_loss < 2.0


CELL = (("conv_3x3", 0), ("conv_3x3", 1))
NORMALISED = Architecture(Genotype(CELL, (2,), CELL, (2,)), n_cells=3, C=8, glob_avg=True, stem_type=0)


class Some:
    """A source of some networks."""

    def __init__(self, *networks):
        self.networks = networks
        self.settings: dict[str, Any] = {"name": "some"}

    def __len__(self):
        return len(self.networks)

    def architecture(self, index):
        return self.networks[index]


def exploding(ghn):
    """Has the hypernetwork predict tensors so large that only networks with normalisation give finite numbers."""
    with torch.no_grad():
        ghn.layers.decoder.conv[2].weight.mul_(1e15)
    return ghn


def test_networks_whose_loss_is_not_finite_are_thrown_away(images):
    source = Some(NORMALISED, replace(NORMALISED, norm=None, n_cells=5))
    recipe = replace(RECIPE, epochs=1, steps_per_epoch=4, gradient_clip=0.0)
    done = train_ghn(exploding(untrained_ghn(CONFIG)), images, recipe, networks=source, device="cpu")
    assert (done.step, done.total.networks, done.total.discarded) == (4, 4, 4)


def test_too_many_of_them_end_the_training(images):
    source = Some(replace(NORMALISED, norm=None, n_cells=5))
    with pytest.raises(DivergenceError, match="12 networks of epoch 1"):
        train_ghn(exploding(untrained_ghn(CONFIG)), images, RECIPE, networks=source, device="cpu")


def test_wrong_arguments(images):
    with pytest.raises(SettingError, match="100 classes, but digits has 10"):
        train_ghn(GHN.from_config(CONFIG, num_classes=100), images, RECIPE)
    with pytest.raises(SettingError, match="`steps_per_epoch` must be at most 7"):
        train_ghn(GHN(CONFIG), images, replace(RECIPE, steps_per_epoch=8))
    with pytest.raises(SettingError, match="the source is empty"):
        train_ghn(GHN(CONFIG), images, RECIPE, networks=Some())


def test_small_initial_weights_of_ghn3():
    ghn = untrained_ghn(GHNConfig.from_mapping({**CONFIG.as_dict(), "hypernet": "graphormer", "layers": 1, "heads": 2}))
    state = weights(ghn)
    assert float(state["embed.weight"].std()) == pytest.approx(8**-0.5, rel=0.3)
    assert not state["decoder.conv.2.bias"].any()
    assert float(state["decoder.conv.2.weight"].abs().max()) < 1.01 / 5 / 64**0.5


CODE = """
import sys, torch
from safetensors.torch import save_file
from tart_nas.images import load_images
from tart_nas.training.processes import Processes, launched
from tests.hypernetworks.training.test_training import CONFIG, RECIPE, train_ghn, untrained_ghn, weights

torch.set_num_threads(1)
images = load_images("digits", train_images=100, validation_images=20, image_size=8)
with launched() as device:
    rank = Processes.current().rank
    ghn = untrained_ghn(CONFIG, seed=1 + rank)  # the first rank's weights count
    train_ghn(ghn, images, RECIPE, seed=1, device=device, checkpoint=sys.argv[1] + "/checkpoint.safetensors")
    save_file(weights(ghn), f"{sys.argv[1]}/{rank}.safetensors")
"""


@pytest.mark.slow
def test_two_processes_give_what_one_gives(images, tmp_path):
    (tmp_path / "code.py").write_text(CODE)
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2", "--no-python"]
    command += [sys.executable, str(tmp_path / "code.py"), str(tmp_path)]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([os.getcwd(), *sys.path]), "OMP_NUM_THREADS": "1"}
    done = subprocess.run(command, capture_output=True, text=True, env=environment, timeout=600)
    assert done.returncode == 0, done.stderr
    first, second = (load_file(tmp_path / f"{rank}.safetensors") for rank in (0, 1))
    assert largest_difference(first, second) == 0
    alone = untrained_ghn(CONFIG, seed=1)
    initial = weights(alone)
    train_ghn(alone, images, RECIPE, seed=1, device="cpu")
    moved = largest_difference(weights(alone), initial)
    assert largest_difference(weights(alone), first) < 0.02 * moved  # Adam's steps differ where a gradient is rounding


def test_the_command(tmp_path, command):
    out = tmp_path / "run"
    small: tuple[object, ...] = ("--dataset", "digits", "--image-size", 8, "--epochs", 1, "--steps-per-epoch", 2)
    small += ("--meta-batch", 1, "--hid", 8, "--max-network-nodes", 60, "--out", out)
    status, printed, errors = command("ghn", "train", *small, "--quiet")
    assert (status, errors) == (0, "")
    assert printed.startswith("2 steps in ")
    ghn = GHN.load(out / "ghn.safetensors")
    assert (ghn.config.hid, ghn.config.max_shape) == (8, (8, 8, 7, 7))
    status, _, errors = command("ghn", "train", *small, "--seed", 1)
    assert status == 2
    assert "is of another training (seed 0 then, 1 now, source.seed 0 then, 1 now)" in errors
    status, _, errors = command("ghn", "train", *small, "--layers", 2)
    assert (status, errors) == (2, "error: `--layers` and `--heads` are of GHN-3 only.\n")
    assert json.loads(json.dumps(ghn.config.as_dict())) == ghn.config.as_dict()


def test_a_drawn_stride_of_the_stem_is_the_network_s():
    """The loss is that of the network whose first convolution has it, with the parameters that were predicted."""
    cell = (("skip_connect", 0), ("max_pool_3x3", 1))
    architecture = Architecture(Genotype(cell, (2,), cell, (2,)), n_cells=2, C=8, glob_avg=True, stem_pool=True)
    ghn = untrained_ghn(CONFIG).train()
    network = build_network(architecture, 10, 128, track_running_stats=False)
    inputs = ghn.prepare(network, image_size=128)
    images, labels = torch.randn(4, 3, 128, 128, generator=torch.Generator().manual_seed(0)), torch.arange(4)
    convolution = network.stem.get_submodule("0")
    assert isinstance(convolution, torch.nn.Conv2d)
    for stride in (None, 2):
        convolution.stride = (stride or 4, stride or 4)
        parameters = ghn.predict(network, graph=inputs)
        expected = cross_entropy(functional_call(network.train(), parameters, (images,)), labels)
        member = PreparedNetwork(0, architecture, inputs, stride)
        result = add_gradients(ghn, [member], images, labels, RECIPE, seed=0)
        assert result.losses == pytest.approx([float(expected)], rel=1e-5)
