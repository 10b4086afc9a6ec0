import copy
import math

import pytest
import torch
from torch import nn
from torch.nn.functional import cross_entropy

from tart_nas.errors import ImageDataError, SettingError, TrainingError
from tart_nas.images import ImageData, ImageSplit, load_images, normalize
from tart_nas.networks import build_network
from tart_nas.search_spaces import DartsSpace
from tart_nas.training import EpochMetrics, TrainingRecipe, evaluate, train

SHORT = TrainingRecipe(epochs=2, batch_size=32, lr=0.1)


def weights(network):
    return torch.cat([value.flatten().double() for value in network.state_dict().values()])


def run(network, images, recipe=SHORT, **options):
    return train(network, images, recipe, device="cpu", **options)


def test_learns_digits(small, digits):
    network = small()
    seen: list[EpochMetrics] = []
    result = run(network, digits, TrainingRecipe(epochs=4, batch_size=32, lr=0.1), on_epoch=seen.append)
    assert result.validation_accuracy > 0.85
    assert evaluate(network, digits.test, digits, device="cpu") > 0.85
    assert tuple(seen) == result.epochs
    assert [epoch.epoch for epoch in seen] == [1, 2, 3, 4]
    assert seen[-1].train_loss < seen[0].train_loss
    assert seen[-1].train_accuracy > max(0.8, seen[0].train_accuracy)
    assert [epoch.lr for epoch in seen] == [pytest.approx(0.05 * (1 + math.cos(math.pi * k / 4))) for k in range(4)]
    assert result.validation_accuracy == evaluate(network, digits.validation, digits, device="cpu")
    assert result.seconds == sum(epoch.seconds for epoch in seen)
    assert result.images_per_second > 1350 * 4 / result.seconds  # validation takes time too
    assert not network.training


@pytest.mark.parametrize("auxiliary", [pytest.param(0.0, marks=pytest.mark.slow), 0.4])
def test_a_darts_network_learns_cifar10(auxiliary):
    images = load_images("cifar10-sample", train_images=600, validation_images=200)
    (architecture,) = DartsSpace(n_cells=3, C=4).sample(1, 5)
    network = build_network(architecture, 10, images.image_size, auxiliary=auxiliary > 0)
    result = run(network, images, TrainingRecipe(epochs=2, batch_size=32, lr=0.025, auxiliary=auxiliary, drop_path=0.1))
    assert result.epochs[-1].train_loss < result.epochs[0].train_loss
    assert result.epochs[-1].train_accuracy > 0.15
    assert network.drop_path_prob == 0.05


def test_one_step_is_that_of_plain_pytorch(small, few):
    """No augmentation, one batch: the order of the images does not matter, up to rounding."""
    recipe = TrainingRecipe(epochs=1, batch_size=97, lr=0.1, crop=0, flip=False, label_smoothing=0.1, gradient_clip=0.5)
    network, reference = small(), small()
    result = run(network, few, recipe)

    optimizer = torch.optim.SGD(reference.parameters(), 0.1, momentum=0.9, weight_decay=3e-4)
    logits = reference(normalize(few.train.images, few.mean, few.std))
    loss = cross_entropy(logits, few.train.labels, label_smoothing=0.1)
    loss.backward()
    assert nn.utils.clip_grad_norm_(reference.parameters(), 0.5) > 0.5
    optimizer.step()

    torch.testing.assert_close(weights(network), weights(reference), atol=1e-5, rtol=1e-4)
    assert result.epochs[0].train_loss == pytest.approx(loss.item(), rel=1e-5)
    assert result.epochs[0].train_accuracy == pytest.approx(
        (logits.argmax(1) == few.train.labels).float().mean().item()
    )


class TestReproducible:
    RECIPE = TrainingRecipe(epochs=2, batch_size=32, lr=0.1, cutout=8)

    def test_same_seed_same_bits(self, small, few):
        networks = [small(dropout=0.3) for _ in range(3)]
        results = []
        for network, seed in zip(networks, (7, 7, 8), strict=True):
            torch.rand(5)  # whatever was drawn before
            results.append(run(network, few, self.RECIPE, seed=seed))
        assert torch.equal(weights(networks[0]), weights(networks[1]))
        assert [e.train_loss for e in results[0].epochs] == [e.train_loss for e in results[1].epochs]
        assert not torch.equal(weights(networks[0]), weights(networks[2]))

    def test_an_epoch_depends_on_nothing_drawn_before_it(self, small, few):
        networks = [small(dropout=0.3) for _ in range(2)]
        run(networks[0], few, self.RECIPE)
        run(networks[1], few, self.RECIPE, on_epoch=lambda _: torch.rand(5))
        assert torch.equal(weights(networks[0]), weights(networks[1]))

    @pytest.mark.parametrize("fails", [False, True])
    def test_global_random_numbers_are_untouched(self, small, few, fails):
        def stop(_):
            if fails:
                raise KeyboardInterrupt

        before = torch.get_rng_state()
        try:
            run(small(dropout=0.3), few, self.RECIPE, on_epoch=stop)
        except KeyboardInterrupt:
            assert fails
        assert torch.equal(torch.get_rng_state(), before)


class TestAuxiliaryHead:
    def test_its_weight_counts(self, small, few):
        networks = [small(auxiliary=True) for _ in range(2)]
        run(networks[0], few, TrainingRecipe(epochs=1, batch_size=32, auxiliary=0.4))
        run(networks[1], few, TrainingRecipe(epochs=1, batch_size=32))  # the head is there, but nobody listens
        assert not torch.equal(networks[0].head.weight, small(auxiliary=True).head.weight)
        assert torch.equal(networks[1].head.weight, small(auxiliary=True).head.weight)

    def test_missing(self, small, few):
        with pytest.raises(SettingError, match=r"gives the auxiliary head a weight of 0\.4, but the network has none"):
            run(small(), few, TrainingRecipe(auxiliary=0.4))


class Recording(nn.Module):
    """Keeps what it was trained on."""

    def __init__(self):
        super().__init__()
        self.linear = nn.Linear(3072, 10)
        self.drop_path_prob = 0.5
        self.seen = []

    def forward(self, x):
        if self.training:
            self.seen.append((x.clone(), self.drop_path_prob))
        return self.linear(x.flatten(1))


def test_every_image_once_an_epoch_in_a_new_order(few):
    network = Recording()
    run(network, few, TrainingRecipe(epochs=2, batch_size=40, crop=0, flip=False, drop_path=0.2))
    assert [len(batch) for batch, _ in network.seen] == [40, 40, 17] * 2
    assert [probability for _, probability in network.seen] == [0.0] * 3 + [0.1] * 3
    first, second = (torch.cat([batch for batch, _ in network.seen[k : k + 3]]) for k in (0, 3))
    assert not torch.equal(first, second)
    key = normalize(few.train.images, few.mean, few.std).flatten(1).sum(1).sort().values
    for epoch in (first, second):
        torch.testing.assert_close(epoch.flatten(1).sum(1).sort().values, key, atol=1e-2, rtol=1e-5)


def test_a_last_batch_of_one_is_left_out(few):
    network = Recording()
    run(network, few, TrainingRecipe(epochs=1, batch_size=48))  # 97 = 2 * 48 + 1
    assert [len(batch) for batch, _ in network.seen] == [48, 48]


@pytest.mark.parametrize(
    ("flippable", "flip", "mirrored"), [(True, True, True), (True, False, False), (False, True, False)]
)
def test_images_are_mirrored_only_where_they_keep_their_label(few, flippable, flip, mirrored):
    pixels = torch.zeros(64, 3, 32, 32, dtype=torch.uint8)
    pixels[:, :, :, :16] = 255
    split = ImageSplit(pixels, torch.arange(64) % 10)
    images = ImageData("halves", few.classes, split, split, lambda: split, "a test", flippable)
    network = Recording()
    run(network, images, TrainingRecipe(epochs=1, crop=0, flip=flip))
    ((batch, _),) = network.seen
    assert (batch[:, 0, 0, 0] < batch[:, 0, 0, -1]).any() == (flippable and flip)


class TestNotFinite:
    def test_loss(self, small, few):
        network = small()

        class Diverging(nn.Module):
            def __init__(self):
                super().__init__()
                self.inner, self.calls = network, 0

            def forward(self, x):
                self.calls += self.training
                return self.inner(x) * (math.inf if self.calls == 6 else 1)

        where = r"the loss is nan in epoch 2 of 3, step 3 of 3; a lower learning rate than 0\.1 may help"
        with pytest.raises(TrainingError, match=where):
            run(Diverging(), few, TrainingRecipe(epochs=3, batch_size=32, lr=0.1))

    def test_a_learning_rate_that_is_too_high(self, few):
        network = nn.Sequential(nn.Flatten(), nn.Linear(3072, 64), nn.Linear(64, 64), nn.Linear(64, 10))
        with pytest.raises(TrainingError, match="The training diverged: the loss is (nan|inf) in epoch"):
            run(network, few, TrainingRecipe(epochs=50, batch_size=32, lr=1e6, gradient_clip=0))

    def test_output_after_the_last_step(self, small, few):
        network = small()
        with torch.no_grad():
            network.features[1].running_var.fill_(math.nan)  # used in evaluation only
        with pytest.raises(TrainingError, match="The network's output is not finite"):
            evaluate(network, few.validation, few, device="cpu")
        assert network.training


def test_weights_are_left_in_the_standard_layout(small, few):
    network = small()
    run(network, few)
    assert all(value.is_contiguous() for value in network.state_dict().values())


def test_a_network_without_weights_to_learn_by_is_refused(few):
    with pytest.raises(SettingError, match="The network has no parameters to train"):
        run(nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten()), few)


def test_one_image(few):
    split = ImageSplit(few.train.images[:1], few.train.labels[:1])
    images = ImageData("one", few.classes, split, split, lambda: split, "a test")
    with pytest.raises(ImageDataError, match="a test: one image is too few to train on, expected at least 2"):
        run(Recording(), images)


@pytest.mark.parametrize("seed", [-1, 0.5, "1"])
def test_no_such_seed(seed, small, few):
    with pytest.raises(SettingError, match="`seed` must be a whole number of at least 0, but got"):
        train(small(), few, SHORT, seed=seed, device="cpu")


@pytest.mark.parametrize("device", ["cuda:17", "nonsense"])
def test_no_such_device(small, few, device):
    with pytest.raises(SettingError, match=f"`device` must be one that this machine has, but got '{device}': "):
        train(small(), few, SHORT, device=device)


def test_progress_bar_leaves_nothing_behind_without_a_terminal(small, few, capfd):
    run(small(), few, progress=True)
    assert capfd.readouterr() == ("", "")


def test_evaluate_counts_right_answers_in_batches(few):
    network = Recording()
    before = copy.deepcopy(network.state_dict())
    logits = network.eval()(normalize(few.train.images, few.mean, few.std))
    expected = (logits.argmax(1) == few.train.labels).float().mean().item()
    for batch_size in (1, 30, 97, 1000):
        assert evaluate(network, few.train, few, batch_size=batch_size, device="cpu") == pytest.approx(expected)
    assert all(torch.equal(before[name], value) for name, value in network.state_dict().items())


def test_a_network_of_one_parameter_tensor_and_fewer_images_than_a_batch(few, tmp_path):
    class One(nn.Module):
        def __init__(self):
            super().__init__()
            self.weight = nn.Parameter(torch.zeros(10, 3))

        def forward(self, x):
            return x.mean((2, 3)) @ self.weight.T

    network, path = One(), tmp_path / "one.safetensors"
    result = run(network, few, TrainingRecipe(epochs=2, batch_size=1000, lr=0.1), checkpoint=path)
    assert len(result.epochs) == 2
    assert network.weight.abs().sum() > 0
    again = One()
    run(again, few, TrainingRecipe(epochs=2, batch_size=1000, lr=0.1), checkpoint=path)
    assert torch.equal(again.weight, network.weight)
