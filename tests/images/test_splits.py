import itertools

import pytest
import torch

from tart_nas.errors import ImageDataError
from tart_nas.images import ImageData, ImageSplit
from tart_nas.images.splits import first_images, split_in_two, stratified_order


def split(n=4, label=1, size=8):
    generator = torch.Generator().manual_seed(0)
    return ImageSplit(
        torch.randint(256, (n, 3, size, size), dtype=torch.uint8, generator=generator), torch.full((n,), label)
    )


def data(train, validation, read_test=split):
    return ImageData("some", ("a", "b"), train, validation, read_test, "a test")


class TestStratifiedOrder:
    labels = torch.cat([torch.full((n,), label) for label, n in enumerate((100, 50, 30, 1))])

    def test_is_a_seeded_permutation(self):
        order = stratified_order(self.labels, 3)
        assert sorted(order.tolist()) == list(range(181))
        assert torch.equal(order, stratified_order(self.labels, 3))
        assert not torch.equal(order, stratified_order(self.labels, 4))

    def test_every_prefix_holds_each_class_in_its_share(self):
        order = stratified_order(self.labels, 0)
        counts = torch.nn.functional.one_hot(self.labels[order]).cumsum(0)  # of each class in each prefix
        shares = torch.arange(1, 182)[:, None] * self.labels.bincount() / 181
        assert (counts - shares).abs().max() <= 1.5
        assert counts[90].tolist() in ([50, 25, 15, 1], [50, 25, 16, 0], [51, 25, 15, 0], [50, 26, 15, 0])

    def test_classes_in_equal_numbers(self):
        order = stratified_order(torch.arange(1000) % 10, 0)
        assert (order[:200] % 10).bincount().tolist() == [20] * 10

    def test_within_a_class_the_order_is_random(self):
        order = stratified_order(torch.zeros(1000, dtype=torch.int64), 0)
        correlation = torch.corrcoef(torch.stack([order.double(), torch.arange(1000.0).double()]))[0, 1]
        assert abs(correlation) < 0.1


class TestRareClasses:
    """A class of 2,000 images and 50 classes of 4: of a tenth, all would be of the first class."""

    labels = torch.cat([torch.zeros(2000, dtype=torch.int64), torch.arange(1, 51).repeat(4)])
    order = stratified_order(labels, 0)

    @pytest.mark.parametrize("n", [51, 220, 2149])
    def test_each_part_has_each_class(self, n):
        parts = split_in_two(self.order, self.labels, n)
        assert list(map(len, parts)) == [n, 2200 - n]
        assert sorted(torch.cat(parts).tolist()) == list(range(2200))
        for part in parts:
            assert len(self.labels[part].unique()) == 51

    def test_the_rest_is_in_its_share(self):
        counts = self.labels[split_in_two(self.order, self.labels, 220)[0]].bincount().tolist()
        assert counts == [170] + [1] * 50

    def test_smaller_choices_lie_in_larger_ones(self):
        chosen = [set(first_images(self.order, self.labels, n).tolist()) for n in (51, 60, 300, 1500, None)]
        assert list(map(len, chosen)) == [51, 60, 300, 1500, 2200]
        assert all(smaller < larger for smaller, larger in itertools.pairwise(chosen))
        assert len(self.labels[list(chosen[0])].unique()) == 51

    def test_what_has_each_class_stays_as_it_was(self):
        """Labels of networks hold for the images that they were measured on."""
        labels = torch.arange(1000) % 10
        order = stratified_order(labels, 0)
        for n in (10, 100, 777):
            assert torch.equal(torch.cat(split_in_two(order, labels, n)), order)
            assert torch.equal(first_images(order, labels, n), order[:n])


class TestImageSplit:
    @pytest.mark.parametrize(
        ("images", "labels", "message"),
        [
            (torch.zeros(2, 3, 8, 8), torch.zeros(2, dtype=torch.int64), "must be uint8 .* got torch.float32 of shape"),
            (torch.zeros(2, 1, 8, 8, dtype=torch.uint8), torch.zeros(2, dtype=torch.int64), r"\(2, 1, 8, 8\)"),
            (torch.zeros(0, 3, 8, 8, dtype=torch.uint8), torch.zeros(0, dtype=torch.int64), r"\(0, 3, 8, 8\)"),
            (torch.zeros(2, 3, 8, 8, dtype=torch.uint8), torch.zeros(3, dtype=torch.int64), r"int64 of shape \(2,\)"),
            (torch.zeros(2, 3, 8, 8, dtype=torch.uint8), torch.zeros(2), "one per image, but got torch.float32"),
            (torch.zeros(2, 3, 8, 8, dtype=torch.uint8), torch.tensor([0, -1]), "must not be negative, but got -1"),
        ],
    )
    def test_refused(self, images, labels, message):
        with pytest.raises(ImageDataError, match=message):
            ImageSplit(images, labels)

    def test_length_and_short_text(self):
        assert len(split(7)) == 7
        assert len(repr(split(1000))) < 100


class TestImageData:
    def test_mean_and_deviation_are_those_of_the_train_images(self):
        images = data(split(50), split())
        reference = images.train.images.double() / 255
        assert images.mean == pytest.approx(reference.mean((0, 2, 3)).tolist())
        assert images.std == pytest.approx(reference.std((0, 2, 3), correction=0).tolist())
        assert images.image_size == 8

    def test_test_is_read_once_and_only_when_asked_for(self):
        reads = []

        def read():
            reads.append(1)
            return split()

        images = data(split(), split(), read)
        assert not reads
        assert images.test is images.test
        assert len(reads) == 1

    def test_label_without_a_class(self):
        with pytest.raises(ImageDataError, match=r"Label 2 in the validation split of a test: expected \[0, 2\)"):
            data(split(), split(label=2))
        with pytest.raises(ImageDataError, match="Label 5 in the test split"):
            _ = data(split(), split(), lambda: split(label=5)).test

    def test_sizes_that_differ(self):
        with pytest.raises(ImageDataError, match=r"validation images of a test are \(3, 9, 9\), but the train images"):
            data(split(), split(size=9))
