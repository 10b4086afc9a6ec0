import json
from hashlib import sha256

import numpy as np
import pytest
import torch

from tart_nas.experiments import cifar10_sample_codecs, make_cifar10_sample
from tart_nas.experiments.make_cifar10_sample import main
from tart_nas.images.cifar import find_cifar10
from tart_nas.images.embedded import find_cifar10_sample
from tests.images.conftest import noise, write_parquet

PER_CLASS = {"train": 4, "test": 2}


@pytest.fixture
def source(tmp_path):
    folder = tmp_path / "cifar10"
    write_parquet(folder / "train-0.parquet", noise(6, seed=0))
    write_parquet(folder / "test-0.parquet", noise(3, seed=1))
    return folder


def smallest(part, count):
    """The images of the smallest digests of their pixels, class by class."""
    images = part.read(torch.arange(len(part.labels)))
    order = sorted(range(len(images)), key=lambda k: sha256(images[k].numpy().tobytes()).digest())
    return torch.stack(
        [images[k] for label in range(10) for k in [k for k in order if part.labels[k] == label][:count]]
    )


@pytest.fixture
def small(monkeypatch, source):
    """A sample of the source, which takes the place of CIFAR-10."""
    found = find_cifar10(source)
    expected = {name: smallest(getattr(found, name)(), count) for name, count in PER_CLASS.items()}
    digests = {
        name: sha256(b"".join(sha256(image.numpy().tobytes()).digest() for image in images)).hexdigest()
        for name, images in expected.items()
    }
    monkeypatch.setattr(make_cifar10_sample, "PER_CLASS", PER_CLASS)
    monkeypatch.setattr(make_cifar10_sample, "COLUMNS", 10)
    monkeypatch.setattr(make_cifar10_sample, "LEAST_DECIBELS", 30.0)  # noise is harder than photographs
    monkeypatch.setattr(make_cifar10_sample, "CHOSEN", digests)
    return expected


def test_what_is_made_is_read(source, small, tmp_path, capsys):
    out = tmp_path / "sample"
    assert main([str(source), "--out", str(out)]) == 0
    assert sorted(path.name for path in out.iterdir()) == ["manifest.json", "test.jpg", "train.jpg"]
    found = find_cifar10_sample(out)
    errors = []
    for name, images in small.items():
        part = getattr(found, name)()
        assert part.labels.tolist() == np.repeat(np.arange(10), PER_CLASS[name]).tolist()
        read = part.read(torch.arange(len(part.labels)))
        errors.append(((read.double() - images.double()) ** 2).mean((1, 2, 3)))
    psnr = 10 * torch.log10(255**2 / torch.cat(errors).mean())
    assert psnr > 30
    sizes = [(out / f"{name}.jpg").stat().st_size for name in PER_CLASS]
    printed = capsys.readouterr().out
    assert f"train {sizes[0]:,} bytes, test {sizes[1]:,} bytes" in printed
    assert f"all {psnr:.2f}," in printed
    before = {path.name: path.read_bytes() for path in out.iterdir()}
    assert main([str(source), "--out", str(out)]) == 0
    assert {path.name: path.read_bytes() for path in out.iterdir()} == before


def test_other_images_than_those_of_cifar10_are_refused(source, tmp_path, capsys):
    assert main([str(source), "--out", str(tmp_path / "sample")]) == 2
    assert "The train images are not those of CIFAR-10 without loss" in capsys.readouterr().err
    assert not (tmp_path / "sample").exists()


@pytest.mark.parametrize(("name", "limit"), [("MOST_BYTES", 1000), ("LEAST_DECIBELS", 60.0)])
def test_a_sample_that_keeps_no_promise_is_not_written(source, small, tmp_path, monkeypatch, capsys, name, limit):
    monkeypatch.setattr(make_cifar10_sample, name, limit)
    assert main([str(source), "--out", str(tmp_path / "sample")]) == 2
    assert "Expected at most" in capsys.readouterr().err
    assert not (tmp_path / "sample").exists()


def test_a_missing_source(tmp_path, capsys):
    assert main([str(tmp_path / "nowhere")]) == 2
    assert "nowhere: no such folder" in capsys.readouterr().err


def test_the_committed_figures_are_those_of_the_committed_files():
    readme = (make_cifar10_sample.OUT / "README.md").read_text()
    parts = json.loads((make_cifar10_sample.OUT / "manifest.json").read_text())["parts"].values()
    size = sum((make_cifar10_sample.OUT / part["file"]).stat().st_size for part in parts)
    assert f"{size:,} bytes in all" in readme
    assert {part["file"]: part["images_per_class"] for part in parts} == {
        f"{name}.jpg": count for name, count in make_cifar10_sample.PER_CLASS.items()
    }


def test_other_formats_are_compared(source, small, monkeypatch, capsys):
    monkeypatch.setattr(cifar10_sample_codecs, "COLUMNS", 10)
    monkeypatch.setattr(cifar10_sample_codecs, "SHARE", 40_000)
    assert cifar10_sample_codecs.main([str(source)]) == 0
    rows = [line.split("│") for line in capsys.readouterr().out.splitlines() if "│ JPEG, " in line]
    assert len(rows) == 3
    assert all(0 < float(row[3]) <= 2000 for row in rows)  # bytes of each of the twenty images
