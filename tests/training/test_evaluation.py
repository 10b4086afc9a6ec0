import pytest
import torch
from torch import nn

from tart_nas.errors import SettingError
from tart_nas.images import ImageSplit, normalize
from tart_nas.training import evaluate


class BatchNormal(nn.Module):
    """Judges by the statistics of the batch."""

    def __init__(self):
        super().__init__()
        self.norm = nn.BatchNorm2d(3, track_running_stats=False)
        self.linear = nn.Linear(3072, 10)
        self.sizes = []

    def forward(self, x):
        self.sizes.append(len(x))
        return self.linear(self.norm(x).flatten(1))


def judged(network, split, images):
    with torch.inference_mode():
        return network(normalize(split.images, images.mean, images.std)).argmax(1) == split.labels


def part(split, first, last):
    return ImageSplit(split.images[first:last], split.labels[first:last])


def test_batch_statistics_are_of_full_batches_and_no_image_counts_twice(few):
    network = BatchNormal().eval()
    split = few.train  # 97 images
    accuracy = evaluate(network, split, few, device="cpu")
    assert network.sizes == [64, 64]
    first, last = judged(network, part(split, 0, 64), few), judged(network, part(split, 33, 97), few)
    assert accuracy == pytest.approx((int(first.sum()) + int(last[31:].sum())) / 97)
    network.sizes.clear()
    evaluate(network, part(split, 0, 40), few, device="cpu")
    assert network.sizes == [40]


def test_noise(few):
    """What a network sees under noise minus what it sees without is Gaussian, of the stated deviation in [0, 1]."""
    seen = []

    class Keeping(nn.Module):
        def forward(self, x):
            seen.append(x.clone())
            return torch.eye(10)[torch.zeros(len(x), dtype=torch.long)]

    for noise, seed in ((0.0, 0), (0.08, 0), (0.08, 0), (0.08, 1)):
        evaluate(Keeping(), few.train, few, noise=noise, seed=seed, device="cpu")
    clean, noisy, again, other = seen
    added = (noisy - clean) * torch.tensor(few.std)[:, None, None]
    assert added.std().item() == pytest.approx(0.08, rel=0.01)
    assert added.mean().item() == pytest.approx(0, abs=1e-3)
    assert torch.equal(noisy, again)
    assert not torch.equal(noisy, other)


@pytest.mark.parametrize("options", [{"noise": -0.1}, {"noise": float("nan")}, {"batch_size": 0}])
def test_out_of_range(options, small, few):
    with pytest.raises(SettingError, match=rf"`{next(iter(options))}` must be a (whole )?number of at least"):
        evaluate(small(), few.validation, few, device="cpu", **options)


class Keeps(nn.Module):
    """Keeps a factor from its first forward pass; one of its parts is frozen."""

    def __init__(self):
        super().__init__()
        self.norm, self.linear, self.factor = nn.BatchNorm2d(3), nn.Linear(3072, 10), None
        self.norm.eval()

    def forward(self, x):
        if self.factor is None:
            self.factor = torch.ones_like(x[:1])
        return self.linear((self.norm(x) * self.factor).flatten(1))


def test_the_network_can_be_trained_as_before(few):
    network = Keeps()
    evaluate(network, few.validation, few, device="cpu")
    assert [part.training for part in network.modules()] == [True, False, True]
    network(torch.ones(2, 3, 32, 32)).sum().backward()  # which needs what was kept
