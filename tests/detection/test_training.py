"""Training a detector: interrupted, diverging."""

from dataclasses import replace

import pytest
import torch

from tart_nas import build_network
from tart_nas.detection import DetectionRecipe, ImageScaling, as_backbone, build_detector, train_detector
from tart_nas.errors import CheckpointError, DivergenceError, SettingError
from tart_nas.published import DARTS

RECIPE = DetectionRecipe(epochs=2, lr=0.01)


def make():
    torch.manual_seed(0)
    network = build_network(replace(DARTS.resized(n_cells=2, C=4), C_mult=1), 2, 224)
    return build_detector(as_backbone(network), ImageScaling(64, 64), regions=32)


def test_an_interrupted_training_ends_with_the_bits_of_an_undisturbed_one(people, tmp_path):
    path = tmp_path / "training.safetensors"
    undisturbed, interrupted, resumed = make(), make(), make()
    expected = train_detector(undisturbed, people, RECIPE, device="cpu")

    def stop(done, total, note):
        assert (total, note[:5]) == (4, "loss ")
        if done == 3:  # in the second of two epochs of two steps
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train_detector(interrupted, people, RECIPE, device="cpu", checkpoint=path, progress=stop)
    state = torch.random.get_rng_state()
    result = train_detector(resumed, people, RECIPE, device="cpu", checkpoint=path)
    assert torch.equal(torch.random.get_rng_state(), state)
    for name, tensor in undisturbed.state_dict().items():
        assert torch.equal(resumed.state_dict()[name], tensor), name
    assert [replace(epoch, seconds=0) for epoch in result] == [replace(epoch, seconds=0) for epoch in expected]
    assert [epoch.lr for epoch in result] == [0.01, 0.01]
    with pytest.raises(CheckpointError, match=r"is of another training \(lr 0.01 then, 0.02 now\)"):
        train_detector(make(), people, replace(RECIPE, lr=0.02), device="cpu", checkpoint=path)


def test_a_loss_that_is_not_finite_is_told(people):
    with pytest.raises(DivergenceError, match=r"loss_\w+ is not finite in epoch \d, step \d. Try a lower") as raised:
        train_detector(make(), people, replace(RECIPE, lr=1e30), device="cpu")
    assert "\n" not in str(raised.value)


def test_test_images_without_boxes_are_refused_before_the_training(people):
    """As data of one's own may have; training images need none."""
    without = replace(people, test=tuple(replace(image, boxes=torch.zeros(0, 4)) for image in people.test))

    def never(done, total, note):
        raise AssertionError(note)

    with pytest.raises(SettingError, match=r"needs a true box, but the \d test images have none"):
        train_detector(make(), without, RECIPE, device="cpu", progress=never)
